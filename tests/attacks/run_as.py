# A program of root beside its caller: what the operator's own program can do to it, or have reach it. The policy is INFRA_FULL as it is
# shipped, in which the operator may run as root what he likes: nothing of this gives him more, but whoever sits in his session could.
import resource, shutil, subprocess
sudo = shutil.which("sudo") or bypass("there is no sudo")
said = []


def as_root(program, **more):
    return subprocess.run([sudo, "/usr/bin/python3", "-c", program], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, **more)


# 1. what of the caller reaches it: descriptors, environment, umask, limits, signals
show = """
import os, resource, signal
print(os.getuid(), sorted(int(n) for n in os.listdir('/proc/self/fd'))[:3], oct(os.umask(0)))
print(resource.getrlimit(resource.RLIMIT_CPU)[0], resource.getrlimit(resource.RLIMIT_FSIZE)[0] > 4096, signal.getsignal(signal.SIGTERM) == signal.SIG_DFL)
print([n for n in os.listdir('/proc/self/fd') if n not in '012' and os.path.exists('/proc/self/fd/' + n)], dict(os.environ))
"""
secret = os.open("/etc/passwd", os.O_RDONLY)
os.dup2(secret, 77)
os.set_inheritable(77, True)


def worse():
    os.umask(0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CPU, (7, 7))
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))


evil = {"PATH": "/tmp:/usr/bin:/bin", "HOME": "/tmp", "PYTHONPATH_X": "/tmp", "EVIL": "1", "USER": "op", "TERM": "vt100"}
reached = as_root(show, env=evil, close_fds=False, preexec_fn=worse)
lines = reached.stdout.decode().splitlines()
if len(lines) != 3 or lines[0] != "0 [0, 1, 2] 0o22" or lines[1] != "-1 True True" or not lines[2].startswith("[] "):
    bypass("something of the caller's reached it: %r" % (reached,))
if any(word in lines[2] for word in ("EVIL", "PYTHONPATH", "/tmp", "'op'")):
    bypass("of its environment: %s" % lines[2])
for name in ("IFS", "LD_PRELOAD", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONSTARTUP", "BASH_ENV", "GCONV_PATH"):
    try:
        loaded = as_root("import os; print('ran', %r in os.environ)" % name, env=dict(os.environ, **{name: "/tmp/x"}))
        if b"ran True" in loaded.stdout:
            bypass("%s reached it" % name)
    except PermissionError:
        said.append(name)

# 2. what can be done to it while it runs
victim = subprocess.Popen([sudo, "/usr/bin/python3", "-c", "import os\nprint(os.getpid(), flush=True)\nwhile input(): print('alive', flush=True)"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
pid = int(victim.stdout.readline())
for number in [0] + [n for n in range(1, 65) if n not in (32, 33)]:
    for how, send in (("kill", lambda: os.kill(pid, number)), ("pidfd", lambda: signal.pidfd_send_signal(os.pidfd_open(pid), number))):
        try:
            send()
            bypass("signal %d by %s" % (number, how))
        except PermissionError:
            pass
said.append(must_fail("ptrace", syscall("ptrace", 16, pid, 0, 0)))
said.append(must_fail("seize", syscall("ptrace", 0x4206, pid, 0, 0)))
page = ctypes.create_string_buffer(64)
vector = ctypes.byref((ctypes.c_void_p * 2)(ctypes.addressof(page), 64))
said.append(must_fail("process_vm_readv", syscall(310, pid, vector, 1, vector, 1, 0)))
said.append(must_fail("process_vm_writev", syscall("process_vm_writev", pid, vector, 1, vector, 1, 0)))
said.append(must_fail("pidfd_getfd", syscall("pidfd_getfd", os.pidfd_open(pid), 0, 0)))
said.append(must_fail("prlimit", syscall(302, pid, 7, ctypes.byref((ctypes.c_uint64 * 2)(3, 3)), 0)))
said.append(must_fail("setpriority", syscall(141, 0, pid, 19)))
said.append(must_fail("sched_setaffinity", syscall(203, pid, 8, ctypes.byref(ctypes.c_uint64(1)))))
said.append(must_fail("sched_setscheduler", syscall(144, pid, 3, ctypes.byref(ctypes.c_int(0)))))
said.append(must_fail("ioprio_set", syscall(251, 1, pid, 3 << 13)))
said.append(must_fail("setpgid", syscall(109, pid, os.getpgid(0))))
for name in ("mem", "environ", "maps", "auxv", "syscall", "stack", "io", "fd", "root/etc/shadow", "cwd/.", "fd/0", "fdinfo/0", "task/%d/mem" % pid, "map_files", "pagemap", "personality"):
    path = "/proc/%d/%s" % (pid, name)
    for flags in (os.O_RDONLY, os.O_WRONLY):
        try:
            opened = os.open(path, flags | os.O_NONBLOCK)
            if flags == os.O_WRONLY or os.read(opened, 16):
                bypass("%s opened" % path)
        except OSError:
            pass
for name in ("exe", "cwd", "root", "fd/0"):
    try:
        bypass("%s is %s" % (name, os.readlink("/proc/%d/%s" % (pid, name))))
    except OSError:
        pass
victim.stdin.write("x\n")
victim.stdin.flush()
if victim.stdout.readline() != "alive\n":
    bypass("it did not live through this")
victim.stdin.close()
if victim.wait(timeout=60) not in (0, 1):
    bypass("it ended by %r" % victim.returncode)

# 3. a terminal of the caller's own is not typed into
master, slave = os.openpty()
said.append(must_fail("TIOCSTI", syscall("ioctl", slave, 0x5412, ctypes.byref(ctypes.create_string_buffer(b"x")))))

# 4. the command changes while it is judged: `uname` may be run, `unshare` may not
shared = mmap.mmap(-1, 4096)
base = ctypes.addressof(ctypes.c_char.from_buffer(shared))
shared[0:8] = b"uname\0\0\0"
flipper = os.fork()
if flipper == 0:
    while True:
        shared[0:8] = b"unshare\0"
        shared[0:8] = b"uname\0\0\0"
path, name = ctypes.create_string_buffer(sudo.encode()), ctypes.create_string_buffer(b"sudo")
argv = (ctypes.c_void_p * 3)(ctypes.addressof(name), base, None)
envp, keep = environment()
ran = 0
try:
    for _ in range(ROUNDS // 3):
        out, status = in_child(lambda: syscall("execve", ctypes.byref(path), ctypes.byref(argv), envp))
        if b"unshare:" in out:
            bypass("unshare ran as root: %r" % out[:200])
        ran += out.startswith(b"Linux")
finally:
    os.kill(flipper, signal.SIGKILL)
held("%d of %d ran what was judged; %s" % (ran, ROUNDS // 3, "; ".join(said)))
