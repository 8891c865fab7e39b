/* env_flip PROGRAM TRIES: a peer flips a variable of the environment between harmless and dangerous. */
#include "attack.h"

static void flip(void *text) {
    memcpy(text, "FORBIDDEN=1", 12);
    linger();
    memcpy(text, "PERMITTED=1", 12);
    linger();
}

int main(int argc, char **argv) {
    struct tally t = {0};
    char *text = shared(4096);
    strcpy(text, "PERMITTED=1");
    pid_t flipper = peer(flip, text);
    for (int i = 0; i < atoi(argv[2]); i++) {
        pid_t pid = fork();
        if (pid == 0) {
            char *args[] = {argv[1], 0}, *env[] = {text, 0};
            execve(argv[1], args, env);
            _exit(1);
        }
        count(&t, pid);
    }
    kill(flipper, SIGKILL);
    return verdict(&t);
}
