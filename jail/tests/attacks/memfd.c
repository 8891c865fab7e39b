/* memfd PROGRAM: the program from memory, from a deleted file and from an unnamed one. */
#include "attack.h"

static void fill(int to, const char *from) {
    char buffer[65536];
    int fd = open(from, O_RDONLY);
    for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0;)
        if (write(to, buffer, n) != n) { perror("write"); exit(2); }
    close(fd);
    fchmod(to, 0755);
}

static int try(int fd, const char *what) {
    pid_t pid = fork();
    if (pid == 0) {
        char *args[] = {"x", "FORBIDDEN", 0}, *env[] = {0}, path[64];
        fexecve(fd, args, env);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        execve(path, args, env);
        snprintf(path, sizeof path, "/proc/%d/fd/%d", getpid(), fd);
        execve(path, args, env);
        _exit(1);
    }
    int s;
    waitpid(pid, &s, 0);
    errno = 0;
    return say(WIFEXITED(s) && WEXITSTATUS(s) == 1, what);
}

static int read_only(int fd) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int again = open(path, O_RDONLY);
    close(fd);
    return again;
}

int main(int argc, char **argv) {
    int bad = 0;
    int fd = syscall(SYS_memfd_create, "x", 0);
    fill(fd, argv[1]);
    bad |= try(read_only(fd), "memfd");
    fd = open("/tmp/deleted", O_RDWR | O_CREAT, 0755);
    fill(fd, argv[1]);
    unlink("/tmp/deleted");
    bad |= try(read_only(fd), "deleted file");
    fd = open("/tmp", O_TMPFILE | O_RDWR, 0755);
    if (fd >= 0) {
        fill(fd, argv[1]);
        bad |= try(read_only(fd), "unnamed file");
    }
    return bad;
}
