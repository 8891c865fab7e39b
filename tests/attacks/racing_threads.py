# Threads of one process that exec at the same moment: one wins, none gets past the guard, nothing hangs.
argv, keep = pointers(b"x")
envp, keep2 = environment()
paths = [ctypes.create_string_buffer(p) for p in (TRUE, ID, ECHO, TRUE)]
def race():
    barrier = threading.Barrier(len(paths))
    def one(path):
        barrier.wait()
        syscall("execve", ctypes.byref(path), argv, envp)
    threads = [threading.Thread(target=one, args=(p,)) for p in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os._exit(7)
stuck = 0
for _ in range(ROUNDS):
    out, status = in_child(race)
    judge(out, "racing threads")
    stuck += status is None
if stuck:
    bypass("%d of %d hung" % (stuck, ROUNDS))
held()
