/* broken PROGRAM TRIES: execs that fail when there is no way back, by the leader and by another thread. */
#include "attack.h"

static char *program;

static void *second(void *unused) {
    char *args[] = {program, 0}, *env[] = {0};
    execve(program, args, env);
    _exit(1);
}

int main(int argc, char **argv) {
    struct tally t = {0};
    program = argv[1];
    for (int i = 0; i < atoi(argv[2]); i++) {
        pid_t pid = fork();
        if (pid == 0) {
            pthread_t thread;
            if (i % 2 == 0) second(0);
            pthread_create(&thread, 0, second, 0);
            pause();
        }
        count(&t, pid);
    }
    return verdict(&t) | (t.killed != atoi(argv[2]));
}
