# Every form in which a file can be named.
argv, keep = pointers(b"id")
envp, keep2 = environment()
empty = ctypes.create_string_buffer(b"")
relative = ctypes.create_string_buffer(b"id")
path = ctypes.create_string_buffer(ID)
fd = os.open(ID, os.O_RDONLY)
opath = os.open(ID, os.O_PATH)
folder = os.open("/usr/bin", os.O_RDONLY)
forms = [("fd", fd, empty, AT_EMPTY_PATH), ("O_PATH", opath, empty, AT_EMPTY_PATH), ("dirfd", folder, relative, 0),
         ("absolute", AT_FDCWD, path, 0), ("nofollow", AT_FDCWD, path, 0x100)]
for name, dirfd, text, flags in forms:
    out, status = in_child(lambda: print(syscall("execveat", dirfd, ctypes.byref(text), argv, envp, flags)))
    judge(out, "execveat " + name)
os.chdir("/usr/bin")
for text in (b"id", b"./id", b"../bin/id", b"/usr/../usr/bin/./id", b"/proc/self/cwd/id", b"/proc/self/root/usr/bin/id", b"/proc/self/fd/%d" % fd, b"/dev/fd/%d" % fd):
    buffer = ctypes.create_string_buffer(text)
    out, status = in_child(lambda: print(syscall("execve", ctypes.byref(buffer), argv, envp)))
    judge(out, "execve %r" % text)
# asking whether an exec would be allowed does not run it, and does not upset the guard
true = ctypes.create_string_buffer(TRUE)
for _ in range(20):
    syscall("execveat", AT_FDCWD, ctypes.byref(true), argv, envp, AT_EXECVE_CHECK)
out, status = in_child(lambda: os.execve("/usr/bin/echo", ["echo", "alive"], {}))
if out != b"alive\n":
    bypass("after AT_EXECVE_CHECK an allowed exec no longer works: %r" % out)
held()
