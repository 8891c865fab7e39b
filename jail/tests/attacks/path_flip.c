/* path_flip PROGRAM FORBIDDEN TRIES: a peer flips the path in memory. */
#include "attack.h"

static char *good, *bad;

static void flip(void *text) {
    strcpy(text, bad);
    linger();
    strcpy(text, good);
    linger();
}

int main(int argc, char **argv) {
    struct tally t = {0};
    char *text = shared(4096);
    good = argv[1], bad = argv[2];
    strcpy(text, good);
    pid_t flipper = peer(flip, text);
    for (int i = 0; i < atoi(argv[3]); i++) {
        pid_t pid = fork();
        if (pid == 0) {
            char *args[] = {"x", 0}, *env[] = {0};
            execve(text, args, env);
            _exit(1);
        }
        count(&t, pid);
    }
    kill(flipper, SIGKILL);
    return verdict(&t);
}
