/* argv_flip PROGRAM TRIES: a peer flips the argument's text while it is checked. */
#include "attack.h"

static void flip(void *text) {
    memcpy(text, "FORBIDDEN", 10);
    linger();
    memcpy(text, "permitted", 10);
    linger();
}

int main(int argc, char **argv) {
    struct tally t = {0};
    char *text = shared(4096);
    strcpy(text, "permitted");
    pid_t flipper = peer(flip, text);
    for (int i = 0; i < atoi(argv[2]); i++) {
        pid_t pid = fork();
        if (pid == 0) {
            char *args[] = {argv[1], text, 0}, *env[] = {0};
            execve(argv[1], args, env);
            _exit(1);
        }
        count(&t, pid);
    }
    kill(flipper, SIGKILL);
    return verdict(&t);
}
