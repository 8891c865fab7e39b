/* threads PROGRAM ROUNDS: five threads of a process call execve at once. */
#include "attack.h"

static char *program;
static pthread_barrier_t barrier;

static void *go(void *unused) {
    char *args[] = {program, "x", 0}, *env[] = {0};
    pthread_barrier_wait(&barrier);
    execve(program, args, env);
    return 0;
}

int main(int argc, char **argv) {
    struct tally t = {0};
    program = argv[1];
    for (int i = 0; i < atoi(argv[2]); i++) {
        pid_t pid = fork();
        if (pid == 0) {
            pthread_t thread;
            pthread_barrier_init(&barrier, 0, 5);
            for (int n = 0; n < 4; n++) pthread_create(&thread, 0, go, 0);
            go(0);
            pause();
        }
        count(&t, pid);
    }
    return verdict(&t) | (t.ran != atoi(argv[2]));
}
