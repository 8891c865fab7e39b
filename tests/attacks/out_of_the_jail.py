# Ways out of a jail that need no exec: kernel interfaces, other terminals, signals, limits.
import resource, socket, fcntl
said = []
buffer = ctypes.create_string_buffer(4096)
p = ctypes.byref(buffer)
name = ctypes.create_string_buffer(b"/usr/bin/true")
MORE = dict(add_key=248, request_key=249, name_to_handle_at=303, clock_settime=227, settimeofday=164, sethostname=170, setdomainname=171, acct=163, swapon=167,
            syslog=103, quotactl=179, vhangup=153, reboot=169, kexec_file_load=320, finit_module=313, delete_module=176, move_pages=279, migrate_pages=256,
            iopl=172, ioperm=173, modify_ldt=154, kcmp=312, process_vm_readv=310, fsopen=430, move_mount=429, mount_setattr=442, memfd_secret=447, open_tree_attr=467)
for call, number in MORE.items():
    if call == "reboot":  # with magic numbers that no kernel takes
        said.append(must_fail(call, syscall(number, 0, 0, 0, 0)))
    elif call == "name_to_handle_at":
        said.append(must_fail(call, syscall(number, AT_FDCWD, ctypes.byref(name), p, p, 0)))
    else:
        value, error = syscall(number, 0, 0, 0, 0, 0, 0)
        if value != -1 or error != errno.EPERM:
            bypass("%s gave %d, errno %d instead of EPERM" % (call, value, error))

# sockets that see or reach more than the session's own
for what, family, kind, protocol in (("packet", 17, socket.SOCK_RAW, 0), ("vsock", 40, socket.SOCK_STREAM, 0), ("raw", socket.AF_INET, socket.SOCK_RAW, 1), ("alg", 38, 5, 0),
                                     ("netlink audit", socket.AF_NETLINK, socket.SOCK_RAW, 9), ("netlink uevent", socket.AF_NETLINK, socket.SOCK_RAW, 15),
                                     ("netlink netfilter", socket.AF_NETLINK, socket.SOCK_RAW, 12), ("netlink generic", socket.AF_NETLINK, socket.SOCK_RAW, 16)):
    try:
        socket.socket(family, kind, protocol).close()
        bypass("a socket: %s" % what)
    except OSError as error:
        said.append("%s: %s" % (what, error.strerror))

# processes: init, and whatever numbers the node has
for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM):
    try:
        os.kill(1, number)
        bypass("init took signal %d" % number)
    except PermissionError:
        pass
fd, number = syscall("pidfd_open", 1, 0)
if fd >= 0:
    said.append(must_fail("pidfd_send_signal", syscall(424, fd, signal.SIGKILL, 0, 0)))
for pid in (p for p in os.listdir("/proc") if p.isdigit()):
    try:
        open("/proc/%s/mem" % pid, "r+b").close()
        bypass("the memory of %s can be written" % pid)
    except OSError:
        pass
for folder in ("/proc/1/root", "/proc/1/cwd", "/proc/1/fd"):
    try:
        os.listdir(folder)
        bypass("%s can be read" % folder)
    except OSError:
        pass

# devices and terminals
allowed = {"null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "shm", "fd", "stdin", "stdout", "stderr", "console", "mqueue"}
extra = set(os.listdir("/dev")) - allowed
if extra:
    bypass("devices: %r" % sorted(extra))
for kind, path in ((0o020000, "/tmp/node"), (0o060000, "/tmp/disk")):
    try:
        os.mknod(path, kind | 0o600, os.makedev(1, 1) if kind == 0o020000 else os.makedev(254, 0))
        bypass("%s made" % path)
    except OSError as error:
        said.append("mknod: %s" % error.strerror)
try:
    master = os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY)
    number = struct.unpack("I", fcntl.ioctl(master, 0x80045430, b"\0" * 4))[0]
    said.append("a terminal of the session's own instance: %d" % number)
    for other in os.listdir("/dev/pts"):
        if other not in (str(number), "ptmx") and os.stat("/dev/pts/" + other).st_uid != os.getuid():
            bypass("another's terminal: /dev/pts/%s" % other)
except OSError as error:
    said.append("ptmx: %s" % error.strerror)

# limits that cannot be raised, and no dump of memory
for limit, what in ((resource.RLIMIT_CORE, "core"), (resource.RLIMIT_NPROC, "processes")):
    soft, hard = resource.getrlimit(limit)
    try:
        resource.setrlimit(limit, (soft, resource.RLIM_INFINITY))
        if hard != resource.RLIM_INFINITY:
            bypass("limit on %s was raised" % what)
    except (OSError, ValueError):
        pass
if resource.getrlimit(resource.RLIMIT_CORE)[1] != 0:
    bypass("core dumps: %r" % (resource.getrlimit(resource.RLIMIT_CORE),))
with open("/proc/sysvipc/shm") as table:
    if len(table.readlines()) > 1:
        bypass("shared memory of the node")

# what fills a writable place, with its own bound: the place is full before the node is
written, chunk = 0, b"x" * (1 << 20)
try:
    with open("/tmp/fill", "wb", buffering=0) as file:
        while written < 2 << 30:
            written += file.write(chunk)
    bypass("/tmp took 2 GiB")
except OSError as error:
    said.append("/tmp full after %d MiB: %s" % (written >> 20, error.strerror))
finally:
    try:
        os.unlink("/tmp/fill")
    except OSError:
        pass
held("; ".join(said))
