# The arguments lie in memory that another process changes all the time.
shared = mmap.mmap(-1, 4096)
base = ctypes.addressof(ctypes.c_char.from_buffer(shared))
GOOD, BAD = b"harmless!", b"FORBIDDEN"
shared[0:10] = GOOD + b"\0"
flipper = os.fork()
if flipper == 0:
    while True:
        shared[0:9] = BAD
        shared[0:9] = GOOD
path = ctypes.create_string_buffer(ECHO)
name = ctypes.create_string_buffer(b"echo")
argv = (ctypes.c_void_p * 3)(ctypes.addressof(name), base, None)
envp, keep = environment()
ran = 0
try:
    for _ in range(ROUNDS):
        out, status = in_child(lambda: syscall("execve", ctypes.byref(path), ctypes.byref(argv), envp))
        judge(out, "argv race")
        ran += out.startswith(GOOD)
finally:
    os.kill(flipper, signal.SIGKILL)
held("%d of %d ran with the judged argument" % (ran, ROUNDS))
