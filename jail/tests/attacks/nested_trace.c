/* nested_trace PROGRAM: an own filter that wants execve traced; the guard's notification comes first. */
#include "attack.h"

int main(int argc, char **argv) {
    struct sock_filter code[] = {
        {0x20, 0, 0, 0}, {0x15, 0, 1, SYS_execve}, {0x06, 0, 0, SECCOMP_RET_TRACE}, {0x06, 0, 0, SECCOMP_RET_ALLOW},
    };
    struct sock_fprog program = {4, code};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program)) return say(1, "no own filter at all");
    char *args[] = {argv[1], "FORBIDDEN", 0}, *env[] = {0};
    execve(argv[1], args, env);
    return say(1, "traced execve");
}
