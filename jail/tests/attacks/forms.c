/* forms DIRECTORY: the forms of execveat, with the program DIRECTORY/allowed. These have to work. */
#include "attack.h"

static int run(const char *what, int expect, int dirfd, const char *path, int flags) {
    pid_t pid = fork();
    if (pid == 0) {
        char *args[] = {"x", 0}, *env[] = {0};
        syscall(SYS_execveat, dirfd, path, args, env, flags);
        _exit(100 + errno);
    }
    int s;
    waitpid(pid, &s, 0);
    int got = WIFEXITED(s) ? WEXITSTATUS(s) : 255;
    printf("%s %s: %d\n", got == expect ? "GOOD" : "WRONG", what, got);
    return got != expect;
}

int main(int argc, char **argv) {
    int bad = 0, dir = open(argv[1], O_PATH | O_DIRECTORY), file = openat(dir, "allowed", O_PATH), script = openat(dir, "script", O_RDONLY);
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/allowed", argv[1]);
    bad |= run("relative to a descriptor", 0, dir, "allowed", 0);
    bad |= run("of a descriptor", 0, file, "", AT_EMPTY_PATH);
    bad |= run("absolute, descriptor ignored", 0, 9999, path, 0);
    if (chdir(argv[1])) return 2;
    bad |= run("relative to the directory", 0, AT_FDCWD, "allowed", 0);
    bad |= run("through a link", 0, dir, "link", 0);
    bad |= run("not through a link", 100 + ELOOP, dir, "link", AT_SYMLINK_NOFOLLOW);
    bad |= run("no link where none may be", 0, dir, "allowed", AT_SYMLINK_NOFOLLOW);
    bad |= run("unknown flag", 100 + EINVAL, dir, "allowed", 0x40000);
    bad |= run("missing", 100 + ENOENT, dir, "missing", 0);
    bad |= run("empty", 100 + ENOENT, dir, "", 0);
    bad |= run("closed descriptor", 100 + EBADF, 9999, "allowed", 0);
    bad |= run("directory", 100 + EACCES, dir, ".", 0);
    bad |= run("not a directory", 100 + ENOTDIR, file, "x", 0);
    bad |= run("script of a descriptor", 100 + EACCES, script, "", AT_EMPTY_PATH);
    bad |= run("script below a descriptor", 100 + EACCES, dir, "script", 0);
    bad |= run("bad pointer", 100 + EFAULT, dir, (char *)8, 0);
    /* the check does nothing but answer: execution goes on here, with 100 + errno of what came before */
    pid_t pid = fork();
    if (pid == 0) {
        char *args[] = {"x", 0}, *env[] = {0};
        long r = syscall(SYS_execveat, dir, "allowed", args, env, 0x10000);
        _exit(r == 0 || errno == EINVAL ? 0 : 1);
    }
    int s;
    waitpid(pid, &s, 0);
    printf("%s check only\n", s == 0 ? "GOOD" : "WRONG");
    return bad | (s != 0);
}
