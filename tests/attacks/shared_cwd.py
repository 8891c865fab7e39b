# A peer that shares the working directory could change it between the check and the interpreter's open.
CLONE_FS, CLONE_FILES, SIGCHLD, CLONE_UNTRACED = 0x200, 0x400, 17, 0x800000
NEW = dict(NEWNS=0x20000, NEWUSER=0x10000000, NEWPID=0x20000000, NEWNET=0x40000000)
said = []
for name, flags in [("CLONE_FS", CLONE_FS), ("CLONE_UNTRACED", CLONE_UNTRACED)] + list(NEW.items()):
    result, number = syscall("clone", flags | SIGCHLD, 0, 0, 0, 0)
    if result == 0:
        os._exit(0)
    said.append(must_fail("clone(%s)" % name, (result, number)))
said.append(must_fail("clone3", syscall("clone3", 0, 88)))
said.append(must_fail("unshare(NEWUSER)", syscall("unshare", NEW["NEWUSER"])))
held("; ".join(said))
