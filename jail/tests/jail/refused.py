# Each system call of the deny filter, really made: the answer is EPERM, with whatever arguments.
import ctypes, errno, os, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
buffer = ctypes.create_string_buffer(4096)
p = ctypes.addressof(buffer)
me = os.getpid()
root = ctypes.create_string_buffer(b"/")
r = ctypes.addressof(root)
AT_FDCWD = -100
# name: (number on x86-64, arguments that a kernel would take)
CALLS = {
    "ptrace": (101, 0), "process_vm_readv": (310, me, p, 1, p, 1), "process_vm_writev": (311, me, p, 1, p, 1), "pidfd_getfd": (438, 0, 0, 0), "kcmp": (312, me, me, 0, 0, 1),
    "mount": (165, r, r, p, 0x1000, 0), "umount2": (166, r, 2), "pivot_root": (155, r, r), "chroot": (161, r), "open_tree": (428, AT_FDCWD, r, 1),
    "move_mount": (429, AT_FDCWD, r, AT_FDCWD, r, 0), "fsopen": (430, p, 0), "fsconfig": (431, 0, 0, 0, 0, 0), "fsmount": (432, 0, 0, 0), "fspick": (433, AT_FDCWD, r, 0),
    "mount_setattr": (442, AT_FDCWD, r, 0, p, 32), "open_tree_attr": (467, AT_FDCWD, r, 1, p, 32), "unshare": (272, 0x10000000), "setns": (308, 0, 0),
    "bpf": (321, 0, p, 64), "perf_event_open": (298, p, 0, -1, -1, 0), "userfaultfd": (323, 1), "io_uring_setup": (425, 8, p), "io_uring_enter": (426, 0, 0, 0, 0),
    "io_uring_register": (427, 0, 0, 0, 0), "add_key": (248, p, p, p, 0, 0), "request_key": (249, p, p, 0, 0), "keyctl": (250, 0, 0), "kexec_load": (246, 0, 0, 0, 0),
    "kexec_file_load": (320, 0, 0, 0, p, 0), "init_module": (175, p, 0, p), "finit_module": (313, 0, p, 0), "delete_module": (176, p, 0), "reboot": (169, 0, 0, 0, 0),
    "swapon": (167, p, 0), "swapoff": (168, p), "acct": (163, 0), "quotactl": (179, 0, p, 0, p), "quotactl_fd": (443, 0, 0, 0, p), "syslog": (103, 10, 0, 0),
    "name_to_handle_at": (303, AT_FDCWD, r, p, p, 0), "open_by_handle_at": (304, 0, p, 0), "fanotify_init": (300, 0, 0), "lookup_dcookie": (212, 0, p, 1),
    "settimeofday": (164, 0, 0), "clock_settime": (227, 0, p), "sethostname": (170, p, 1), "setdomainname": (171, p, 1), "vhangup": (153,), "mbind": (237, 0, 0, 0, 0, 0, 0),
    "move_pages": (279, 0, 0, 0, 0, 0, 0), "migrate_pages": (256, 0, 0, 0, 0), "modify_ldt": (154, 0, p, 16), "uselib": (134, p), "iopl": (172, 0), "ioperm": (173, 0, 1, 0),
    "memfd_create, executable": (319, p, 0), "memfd_secret": (447, 0), "personality": (135, 0x40000),
    "ioctl TIOCSTI": (16, 0, 0x5412, p), "ioctl TIOCLINUX": (16, 0, 0x541C, p), "ioctl TIOCSETD": (16, 0, 0x5423, p), "ioctl TIOCCONS": (16, 0, 0x541D, 0),
    "socket AF_PACKET": (41, 17, 3, 0), "socket AF_VSOCK": (41, 40, 1, 0), "socket AF_ALG": (41, 38, 5, 0), "socket NETLINK_AUDIT": (41, 16, 3, 9),
    "socketpair AF_INET": (53, 2, 1, 0, p),
    "clone, a user namespace": (56, 0x10000000 | 17, 0, 0, 0, 0), "clone, a mount namespace": (56, 0x00020000 | 17, 0, 0, 0, 0),
}
bad = []
for name, (number, *arguments) in CALLS.items():
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) for a in arguments])
    if result == 0 and number == 56 and os.getpid() != me:
        os._exit(0)
    if (result, ctypes.get_errno()) != (-1, errno.EPERM):
        bad.append("%s: %d, %s" % (name, result, errno.errorcode.get(ctypes.get_errno())))
# the C library falls back from this one
ctypes.set_errno(0)
if (libc.syscall(ctypes.c_long(435), ctypes.c_long(p), ctypes.c_long(88)), ctypes.get_errno()) != (-1, errno.ENOSYS):
    bad.append("clone3: %s" % errno.errorcode.get(ctypes.get_errno()))
print("NOT REFUSED: " + "; ".join(bad) if bad else "%d REFUSED" % len(CALLS))
sys.exit(bool(bad))
