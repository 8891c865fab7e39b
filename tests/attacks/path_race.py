# The path lies in memory that another process changes all the time.
shared = mmap.mmap(-1, 4096)
base = ctypes.addressof(ctypes.c_char.from_buffer(shared))
GOOD, BAD = b"/usr/bin/true\0", b"/usr/bin/id\0\0\0"
shared[0:14] = GOOD
flipper = os.fork()
if flipper == 0:
    while True:
        shared[0:14] = BAD
        shared[0:14] = GOOD
argv, keep = pointers(b"x")
envp, keep2 = environment()
try:
    for _ in range(ROUNDS):
        out, status = in_child(lambda: syscall("execve", base, argv, envp))
        judge(out, "path race")
finally:
    os.kill(flipper, signal.SIGKILL)
held()
