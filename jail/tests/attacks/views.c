/* views: another root or mount namespace, in which names mean something else. */
#include "attack.h"

int main(void) {
    int bad = 0;
    errno = 0, bad |= say(chroot("/tmp") < 0 && errno == EPERM, "chroot");
    errno = 0, bad |= say(unshare(CLONE_NEWNS) < 0 && errno == EPERM, "unshare mount namespace");
    errno = 0, bad |= say(unshare(CLONE_NEWUSER) < 0 && errno == EPERM, "unshare user namespace");
    errno = 0, bad |= say(unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID) < 0 && errno == EPERM, "unshare all");
    errno = 0, bad |= say(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0) < 0 && errno == EPERM, "clone user namespace");
    errno = 0, bad |= say(syscall(SYS_clone, CLONE_UNTRACED | SIGCHLD, 0, 0, 0, 0) < 0 && errno == EPERM, "clone untraced");
    int fd = open("/proc/self/ns/mnt", O_RDONLY);
    errno = 0, bad |= say(setns(fd, CLONE_NEWNS) < 0 && errno == EPERM, "setns");
    errno = 0, bad |= say(syscall(SYS_userfaultfd, 1) < 0 && errno == EPERM, "userfaultfd");
    errno = 0, bad |= say(syscall(SYS_pivot_root, ".", ".") < 0 && errno == EPERM, "pivot_root");
    return bad;
}
