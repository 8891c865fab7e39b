/* stops PROGRAM TRIES: children are stopped and continued around their execs; each has to run in the end. */
#include "attack.h"

int main(int argc, char **argv) {
    int ran = 0, stopped = 0, tries = atoi(argv[2]);
    for (int i = 0; i < tries; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            char *args[] = {argv[1], 0}, *env[] = {0};
            execve(argv[1], args, env);
            _exit(1);
        }
        usleep(i * 7 % 900);
        kill(pid, SIGSTOP);
        int s;
        if (waitpid(pid, &s, WUNTRACED) != pid) return 2;
        if (WIFSTOPPED(s)) {
            stopped++;
            kill(pid, SIGCONT);
            if (waitpid(pid, &s, 0) != pid) return 2;
        }
        ran += WIFEXITED(s) && WEXITSTATUS(s) == 0;
    }
    errno = 0;
    fprintf(stderr, "%s stopped %d of %d\n", stopped > 0 ? "HELD" : "BYPASS never", stopped, tries);
    return say(ran == tries, "all ran");
}
