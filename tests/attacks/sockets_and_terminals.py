# Sockets of the node and of others, other terminals, and watching files that are shared.
import fcntl, pty, socket, termios
said = []
# abstract sockets of the node: /proc/net/unix shows that they are there where the network is the node's; none can be connected to
names = []
try:
    with open("/proc/net/unix", errors="replace") as table:
        names = sorted({line.split()[-1] for line in table if "@" in line})
except OSError as error:
    said.append("/proc/net/unix: %s" % error.strerror)
for name in names[:50]:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
        s = socket.socket(socket.AF_UNIX, kind)
        s.settimeout(2)
        try:
            s.connect("\0" + name[1:].rstrip("@"))
            bypass("connected to the node's socket %r" % name)
        except OSError:
            pass
        finally:
            s.close()
said.append("%d abstract sockets seen, none reached" % len(names))
# no socket of the node has a name here
for top in ("/run", "/var/run", "/tmp", "/dev", "/var/lib"):
    for folder, _, files in os.walk(top):
        for file in files:
            path = os.path.join(folder, file)
            try:
                if (os.lstat(path).st_mode & 0o170000) == 0o140000:
                    bypass("a socket of somebody: %s" % path)
            except OSError:
                pass
# terminals: no one else's can be stolen, opened or typed into
try:
    fcntl.ioctl(0, termios.TIOCSTI, b"x")
    bypass("TIOCSTI")
except OSError as error:
    said.append("TIOCSTI: %s" % error.strerror)
for number in range(0, 64):
    path = "/dev/pts/%d" % number
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOCTTY)
    except OSError:
        continue
    if os.fstat(fd).st_uid != os.getuid():
        bypass("a foreign terminal was opened: %s" % path)
    os.close(fd)
master, slave = pty.openpty()
def steal():
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    os.write(1, b"own ")
    # a terminal that controls a session is not stolen by another without CAP_SYS_ADMIN
    if os.fork() == 0:
        os.setsid()
        try:
            fcntl.ioctl(slave, termios.TIOCSCTTY, 1)
            os.write(1, b"STOLEN")
        except OSError as error:
            os.write(1, error.strerror.encode())
        os._exit(0)
    os.wait()
    os._exit(0)
out, status = in_child(steal)
if b"STOLEN" in out:
    bypass("TIOCSCTTY took a terminal that controls another session")
said.append("TIOCSCTTY: %s" % out.decode())
for path in ("/dev/console", "/dev/tty0", "/dev/tty1", "/dev/ttyS0", "/dev/vcs", "/dev/kmsg", "/dev/mem", "/dev/fuse", "/dev/kvm", "/dev/net/tun", "/dev/uinput"):
    try:
        os.close(os.open(path, os.O_RDWR | os.O_NOCTTY))
        bypass("%s was opened" % path)
    except OSError:
        pass
# inotify tells only of what can be read anyway
inotify = libc.inotify_init()
if inotify >= 0:
    for path in (EVIDENCE.encode(), b"/root/.ssh", b"/etc/shadow", b"/proc/1/root"):
        if libc.inotify_add_watch(inotify, path, 0xFFF) >= 0:
            bypass("%s is watched" % path)
    said.append("inotify: only what is seen")
held("; ".join(said))
