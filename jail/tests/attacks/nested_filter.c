/* nested_filter: a listener of its own for execve, which could answer "continue" itself. */
#include "attack.h"

int main(void) {
    struct sock_filter code[] = {
        {0x20, 0, 0, 0}, {0x15, 0, 1, SYS_execve}, {0x06, 0, 0, SECCOMP_RET_USER_NOTIF}, {0x06, 0, 0, SECCOMP_RET_ALLOW},
    };
    struct sock_fprog program = {4, code};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    errno = 0;
    long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
    return say(fd < 0 && errno == EBUSY, "second listener");
}
