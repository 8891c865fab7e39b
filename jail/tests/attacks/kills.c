/* kills PROGRAM TRIES: children, some with threads, are killed around their execs. */
#include "attack.h"

static void *leave(void *unused) {
    usleep(100);
    _exit(0);
}

int main(int argc, char **argv) {
    struct tally t = {0};
    for (int i = 0; i < atoi(argv[2]); i++) {
        pid_t pid = fork();
        if (pid == 0) {
            pthread_t thread;
            if (i % 2) pthread_create(&thread, 0, leave, 0);
            char *args[] = {argv[1], 0}, *env[] = {0};
            for (;;) execve(argv[1], args, env);
        }
        usleep(i * 7 % 900);
        kill(pid, SIGKILL);
        count(&t, pid);
    }
    return verdict(&t);
}
