# The path is a symbolic link that another process turns around all the time.
os.symlink(TRUE, b"/tmp/good")
os.symlink(ID, b"/tmp/bad")
os.symlink(TRUE, b"/tmp/link")
flipper = os.fork()
if flipper == 0:
    while True:
        for target in (ID, TRUE):
            os.symlink(target, b"/tmp/next")
            os.rename(b"/tmp/next", b"/tmp/link")
path = ctypes.create_string_buffer(b"/tmp/link")
argv, keep = pointers(b"x")
envp, keep2 = environment()
try:
    for _ in range(ROUNDS):
        out, status = in_child(lambda: syscall("execve", ctypes.byref(path), argv, envp))
        judge(out, "symlink race")
finally:
    os.kill(flipper, signal.SIGKILL)
held()
