/* shared_peer: a child that shares the working directory, or the descriptors, without being a thread. */
#include "attack.h"

int main(void) {
    int bad = 0;
    long flags[] = {CLONE_FS, CLONE_FILES, CLONE_FS | CLONE_FILES | CLONE_VM};
    for (int i = 0; i < 3; i++) {
        errno = 0;
        long pid = syscall(SYS_clone, flags[i] | SIGCHLD, 0, 0, 0, 0);
        if (pid == 0) _exit(0);
        if (pid > 0) waitpid(pid, 0, 0);
        bad |= say(pid < 0 && errno == EPERM, "clone");
    }
    long parts[8] = {0};
    errno = 0;
    long pid = syscall(SYS_clone3, parts, sizeof parts);
    if (pid == 0) _exit(0);
    bad |= say(pid < 0 && errno == ENOSYS, "clone3");
    return bad;
}
