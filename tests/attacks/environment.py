# Variables that make an allowed program load or run something else.
for variable in ("LD_PRELOAD=/tmp/x.so", "LD_AUDIT=/tmp/x.so", "LD_LIBRARY_PATH=/tmp", "BASH_ENV=/tmp/x", "ENV=/tmp/x", "GCONV_PATH=/tmp", "POSIXLY_CORRECT=1"):
    path = ctypes.create_string_buffer(ECHO)
    argv, keep = pointers(b"echo", b"ran")
    envp, keep2 = pointers(variable.encode())
    out, status = in_child(lambda: syscall("execve", ctypes.byref(path), argv, envp))
    if b"ran" in out:
        bypass("%s: the program ran" % variable)
held()
