# Links, names and /proc entries that lead out, or make the guard and the kernel disagree.
import stat
said = []
home = os.path.expanduser("~")
if os.stat(home).st_uid != os.getuid() or os.stat(home).st_mode & 0o077:
    bypass("the home folder is not its own: %r" % (os.stat(home),))
# hard links to programs and to what is not the account's
for source in ("/usr/bin/id", "/usr/bin/true", "/etc/passwd", "/etc/hosts", "/run/portcullis/shell", "/proc/self/exe"):
    for folder in ("/tmp", home, "/dev/shm"):
        try:
            os.link(source, folder + "/linked")
            bypass("%s linked into %s" % (source, folder))
        except OSError:
            pass
# symbolic links from the home to the canary, by name, by /proc and by descriptor
os.symlink("/usr/bin/id", home + "/innocent")
os.symlink("/proc/self/fd/9", home + "/nine")
fd = os.open("/usr/bin/id", os.O_RDONLY)
os.dup2(fd, 9)
for path in (home + "/innocent", "/proc/self/cwd/innocent", home + "/nine", "/proc/self/root/usr/bin/id", "/proc/thread-self/root/usr/bin/id", "/usr/bin/../bin/./id"):
    def run(path=path):
        os.chdir(home)
        argv, keep = pointers(b"true")
        env, keep2 = environment()
        os.write(1, ("%r" % (syscall("execve", ctypes.c_char_p(path.encode()), argv, env),)).encode())
    out, status = in_child(run)
    judge(out, path)
said.append("six names of the canary refused")
# what the account has is no more than this: nothing with rights of another
for top in ("/usr", "/run", "/etc"):
    for folder, _, files in os.walk(top):
        if os.access(folder, os.W_OK):
            bypass("%s can be written to" % folder)
# /proc of others: no process of another session or of the node is here
me = os.getuid()
for pid in (p for p in os.listdir("/proc") if p.isdigit()):
    try:
        with open("/proc/%s/cmdline" % pid, "rb") as file:
            line = file.read()
    except OSError:
        continue
    if b"portcullis-warden" in line or b"sshd" in line or b"neighbour" in line:
        bypass("a process of the node: %s %r" % (pid, line[:100]))
# cgroups and namespaces: not to be seen, changed or entered
for path in ("/sys/fs/cgroup", "/sys/fs", "/sys"):
    if os.path.isdir(path) and os.listdir(path):
        bypass("%s shows %r" % (path, os.listdir(path)[:5]))
for name in os.listdir("/proc/self/ns"):
    fd = os.open("/proc/self/ns/" + name, os.O_RDONLY)
    must_fail("setns " + name, syscall("setns", fd, 0))
    os.close(fd)
for path in ("/proc/self/oom_score_adj", "/proc/self/autogroup", "/proc/self/coredump_filter", "/proc/self/timerslack_ns", "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger"):
    try:
        with open(path, "w") as file:
            file.write("0")
        bypass("%s was written" % path)
    except OSError:
        pass
held("; ".join(said))
