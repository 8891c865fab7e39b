/* symlink_flip PROGRAM FORBIDDEN DIRECTORY TRIES: a peer flips a symbolic link in a writable directory. */
#include "attack.h"

static char *good, *bad, *directory, link_name[PATH_MAX];

static void flip(void *unused) {
    char next[PATH_MAX];
    snprintf(next, sizeof next, "%s/next", directory);
    for (int i = 0; i < 2; i++) {
        if (symlink(i ? good : bad, next)) unlink(next);
        else rename(next, link_name);
    }
}

int main(int argc, char **argv) {
    struct tally t = {0};
    good = argv[1], bad = argv[2], directory = argv[3];
    snprintf(link_name, sizeof link_name, "%s/link", directory);
    if (symlink(good, link_name)) { perror(link_name); return 2; }
    pid_t flipper = peer(flip, 0);
    for (int i = 0; i < atoi(argv[4]); i++) {
        pid_t pid = fork();
        if (pid == 0) {
            char *args[] = {"x", 0}, *env[] = {0};
            execve(link_name, args, env);
            _exit(1);
        }
        count(&t, pid);
    }
    kill(flipper, SIGKILL);
    return verdict(&t);
}
