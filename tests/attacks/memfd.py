# A program that exists in memory only.
image = open(ID, "rb").read()
said = []
for flags in (0, 1, 8, 16, 1 | 16):  # none, CLOEXEC, NOEXEC_SEAL, EXEC
    name = ctypes.create_string_buffer(b"x")
    fd, number = syscall("memfd_create", ctypes.byref(name), flags)
    if fd < 0:
        said.append(errno.errorcode[number])
        continue
    os.write(fd, image)
    empty = ctypes.create_string_buffer(b"")
    argv, keep = pointers(b"id")
    envp, keep2 = environment()
    out, status = in_child(lambda: print(syscall("execveat", fd, ctypes.byref(empty), argv, envp, AT_EMPTY_PATH)))
    judge(out, "memfd, execveat")
    out, status = in_child(lambda: os.execve("/proc/self/fd/%d" % fd, ["id"], {}))
    judge(out, "memfd, /proc/self/fd")
held(" ".join(said))
