# What the jail shows, and what it does not.
secret = ["/etc/shadow", "/root", "/etc/ssh/ssh_host_ed25519_key", "/etc/ssh/sshd_config", "/etc/sudoers", "/etc/gshadow", "/etc/crontab", "/var/lib/portcullis", "/sys/kernel", "/boot", "/proc/1/root/etc/shadow", "/proc/1/cwd", EVIDENCE, EVIDENCE + "/..", "/run/docker.sock", "/var/run/docker.sock"]
for path in secret:
    try:
        found = os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(10)
        if found:
            bypass("%s can be read: %r" % (path, found))
    except OSError:
        pass
for path in ("/usr/bin/x", "/etc/x", "/var/log/x", "/run/portcullis/x", "/x", "/proc/sys/kernel/core_pattern", "/dev/x"):
    try:
        open(path, "w").close()
        bypass("%s can be written" % path)
    except OSError:
        pass
others = [pid for pid in os.listdir("/proc") if pid.isdigit() and b"portcullis-warden" in open("/proc/%s/cmdline" % pid, "rb").read()]
if others:
    bypass("the warden's processes are visible: %r" % others)
if os.path.exists("/proc/self/status"):
    status = open("/proc/self/status").read()
    for line in ("CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"):
        if line not in status:
            bypass("%r is not in /proc/self/status" % line)
import socket
with open("/proc/net/unix") as table:
    abstract = [line.split()[-1] for line in table if line.split()[-1].startswith("@")]
for name in abstract:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        try:
            peer.connect("\0" + name[1:])
            bypass("abstract socket %s of the host can be reached" % name)
        except OSError:
            pass
held()
