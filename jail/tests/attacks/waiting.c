/* waiting PROGRAM SIGNAL: a process whose exec waits for its decision is killed by an ordinary signal. */
#include "attack.h"

int main(int argc, char **argv) {
    int ready[2];
    char byte;
    if (pipe(ready)) return 2;
    pid_t pid = fork();
    if (pid == 0) {
        signal(atoi(argv[2]), SIG_DFL);
        char *args[] = {argv[1], "waits", 0}, *env[] = {0};
        if (write(ready[1], "x", 1) != 1) _exit(2);
        execve(argv[1], args, env);
        _exit(1);
    }
    if (read(ready[0], &byte, 1) != 1) return 2;
    usleep(200000);
    kill(pid, atoi(argv[2]));
    for (int i = 0; i < 500; i++) {
        int s;
        if (waitpid(pid, &s, WNOHANG) == pid) return say(WIFSIGNALED(s) && WTERMSIG(s) == atoi(argv[2]), "killed while it waited");
        usleep(10000);
    }
    return say(0, "still waits");
}
