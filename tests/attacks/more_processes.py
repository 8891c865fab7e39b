# What a program can do to itself, to others of the node and to later ones, without an exec: dumpable, memory maps, signals, leftovers, memory.
import resource, socket, mmap as mmap_module
said = []
PR_SET_DUMPABLE, PR_SET_MM, PR_SET_PTRACER, PR_SET_NO_NEW_PRIVS, PR_SET_SECUREBITS, PR_CAP_AMBIENT = 4, 35, 0x59616D61, 38, 28, 47
# undumpable, its memory is still nobody's but the guard's: the exec of the canary is judged all the same
def undumpable():
    syscall("prctl", PR_SET_DUMPABLE, 0, 0, 0, 0)
    argv, keep = pointers(b"id")
    env, keep2 = environment()
    os.write(1, ("%r" % (syscall("execve", ctypes.c_char_p(ID), argv, env),)).encode())
out, status = in_child(undumpable)
judge(out, "an undumpable process ran the canary")
said.append("undumpable: %s" % out.decode()[:40])
said.append(must_fail("PR_SET_MM", syscall("prctl", PR_SET_MM, 8, 0x1000, 0, 0)))
said.append(must_fail("PR_SET_NO_NEW_PRIVS off", syscall("prctl", PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0)))
said.append(must_fail("PR_SET_SECUREBITS", syscall("prctl", PR_SET_SECUREBITS, 0, 0, 0, 0)))
said.append(must_fail("PR_CAP_AMBIENT raise", syscall("prctl", PR_CAP_AMBIENT, 2, 21, 0, 0)))
# priority is not had back
for what, act in (("nice", lambda: os.setpriority(os.PRIO_PROCESS, 0, 0)), ("real time", lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)))):
    try:
        act()
        if what == "real time" or os.getpriority(os.PRIO_PROCESS, 0) < 10:
            bypass("%s" % what)
    except (PermissionError, OSError) as error:
        said.append("%s: %s" % (what, error.strerror))
# signals: no number names a process outside; all that can be reached are the session's own
mine = {int(p) for p in os.listdir("/proc") if p.isdigit()}
for pid in list(range(2, 400)) + [os.getppid() * 1000]:
    try:
        os.kill(pid, 0)
        if pid not in mine and not os.path.exists("/proc/%d" % pid):
            bypass("process %d, which is not here, takes signals" % pid)
    except OSError:
        pass
# memory is the session's own to waste as far as it is there; what is not there is refused, and the session goes on
try:
    held_memory = mmap_module.mmap(-1, 1 << 46)
    held_memory.close()
    said.append("64 TiB of address space were promised")
except (OSError, OverflowError, ValueError) as error:
    said.append("64 TiB: %s" % error)
# shared memory and message queues are bounded, and of this session
written = 0
try:
    with open("/dev/shm/fill", "wb", buffering=0) as file:
        while written < 256 << 20:
            written += file.write(b"x" * (1 << 20))
    bypass("/dev/shm took 256 MiB")
except OSError as error:
    said.append("/dev/shm full after %d MiB" % (written >> 20))
finally:
    os.unlink("/dev/shm/fill")
# as many files as there are inodes for, then no more
made = 0
try:
    while made < 200000:
        os.close(os.open("/tmp/f%d" % made, os.O_CREAT | os.O_WRONLY))
        made += 1
    bypass("/tmp took %d files" % made)
except OSError as error:
    said.append("/tmp full after %d files" % made)
finally:
    for number in range(made):
        os.unlink("/tmp/f%d" % number)
# a daemon that stays behind ends with the session
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in range(3):
            os.close(number)
        signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
        time.sleep(600)
    os._exit(0)
os.wait()
held("; ".join(said))
