/* cwd_thread GOOD BAD TRIES: a thread changes the directory while another runs ./script; both directories have one. */
#include "attack.h"

static char *good, *bad;

static void *wander(void *unused) {
    for (;;) {
        if (chdir(bad)) {}
        linger();
        if (chdir(good)) {}
        linger();
    }
}

int main(int argc, char **argv) {
    struct tally t = {0};
    good = argv[1], bad = argv[2];
    for (int i = 0; i < atoi(argv[3]); i++) {
        pid_t pid = fork();
        if (pid == 0) {
            pthread_t thread;
            char *args[] = {"./script", 0}, *env[] = {0};
            if (chdir(good) || pthread_create(&thread, 0, wander, 0)) _exit(2);
            for (int tries = 0; tries < 20; tries++) execve("./script", args, env);
            _exit(1);
        }
        count(&t, pid);
    }
    return verdict(&t);
}
