/* traced_child PROGRAM: a child that has a tracer already, so that the guard cannot be it. */
#include "attack.h"
#include <sys/ptrace.h>

int main(int argc, char **argv) {
    pid_t pid = fork();
    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, 0, 0)) _exit(0);
        char *args[] = {argv[1], "x", 0}, *env[] = {0};
        execve(argv[1], args, env);
        _exit(errno == EPERM ? 7 : 8);
    }
    int s;
    waitpid(pid, &s, 0);
    if (WIFSTOPPED(s)) { kill(pid, SIGKILL); waitpid(pid, &s, 0); return say(0, "ran under another tracer"); }
    errno = 0;
    return say(WIFEXITED(s) && WEXITSTATUS(s) != 8, "traced child");
}
