# A filter of one's own, with a listener that lets every exec continue.
class Filter(ctypes.Structure):
    _fields_ = [("code", ctypes.c_uint16), ("jt", ctypes.c_uint8), ("jf", ctypes.c_uint8), ("k", ctypes.c_uint32)]
class Program(ctypes.Structure):
    _fields_ = [("len", ctypes.c_uint16), ("filter", ctypes.POINTER(Filter))]
USER_NOTIF, ALLOW, TRACE = 0x7FC00000, 0x7FFF0000, 0x7FF00000
def program(action):
    code = (Filter * 4)(Filter(0x20, 0, 0, 0), Filter(0x15, 0, 1, NR["execve"]), Filter(0x06, 0, 0, action), Filter(0x06, 0, 0, ALLOW))
    return Program(4, code), code
libc.prctl(38, 1, 0, 0, 0)
prog, keep = program(USER_NOTIF)
fd, number = syscall("seccomp", 1, 8, ctypes.byref(prog))
if fd >= 0:
    bypass("a second listener was accepted")
said = "listener: " + errno.errorcode[number]
def traced():
    prog, keep = program(TRACE)
    syscall("seccomp", 1, 0, ctypes.byref(prog))
    os.execve("/usr/bin/id", ["id"], {})
out, status = in_child(traced)
judge(out, "RET_TRACE filter")
def allowing():
    prog, keep = program(ALLOW)
    syscall("seccomp", 1, 0, ctypes.byref(prog))
    os.execve("/usr/bin/id", ["id"], {})
out, status = in_child(allowing)
judge(out, "RET_ALLOW filter")
held(said)
