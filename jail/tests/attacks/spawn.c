/* spawn PROGRAM: fork, vfork, posix_spawn, a thread that is not the leader, no arguments at all, long ones. These have to work. */
#include "attack.h"

static char *program;

static int done(const char *what, pid_t pid, int expect) {
    int s;
    if (pid < 0 || waitpid(pid, &s, 0) < 0) { perror(what); return 1; }
    int got = WIFEXITED(s) ? WEXITSTATUS(s) : 255;
    printf("%s %s: %d\n", got == expect ? "GOOD" : "WRONG", what, got);
    return got != expect;
}

static void *second(void *unused) {
    char *args[] = {program, "x", 0}, *env[] = {0};
    execve(program, args, env);
    _exit(1);
}

int main(int argc, char **argv) {
    if (argc == 2 && !strcmp(argv[1], "again")) return 5;
    int bad = 0;
    char *args[] = {argv[1], "x", 0}, *env[] = {0};
    program = argv[1];
    pid_t pid = fork();
    if (pid == 0) { execve(program, args, env); _exit(1); }
    bad |= done("fork", pid, 0);
    pid = vfork();
    if (pid == 0) { execve(program, args, env); _exit(1); }
    bad |= done("vfork", pid, 0);
    bad |= posix_spawn(&pid, program, 0, 0, args, env);
    bad |= done("posix_spawn", pid, 0);
    bad |= posix_spawn(&pid, "/missing", 0, 0, args, env) != ENOENT;
    pid = fork();
    if (pid == 0) { pthread_t thread; pthread_create(&thread, 0, second, 0); pause(); }
    bad |= done("second thread", pid, 0);
    pid = fork();
    if (pid == 0) { execve(program, 0, 0); _exit(1); }
    bad |= done("no arguments", pid, 0);
    char *blank[] = {"", 0};
    pid = fork();
    if (pid == 0) { execve(program, blank, env); _exit(1); }
    bad |= done("empty name", pid, 0);
    char *text = malloc(100001), *long_args[3] = {argv[1], text, 0};
    memset(text, 'a', 100000), text[100000] = 0;
    pid = fork();
    if (pid == 0) { execve(program, long_args, env); _exit(1); }
    bad |= done("long argument", pid, 0);
    char **many = calloc(5002, sizeof *many);
    for (int i = 0; i < 5000; i++) many[i] = i ? "argument" : argv[1];
    pid = fork();
    if (pid == 0) { execve(program, many, env); _exit(1); }
    bad |= done("many arguments", pid, 0);
    char **too_many = calloc(9002, sizeof *too_many);
    for (int i = 0; i < 9000; i++) too_many[i] = "a";
    pid = fork();
    if (pid == 0) { execve(program, too_many, env); _exit(errno == EACCES ? 9 : 1); }
    bad |= done("too many arguments", pid, 9);
    pid = fork();
    if (pid == 0) { execve("/proc/self/exe", (char *[]){"spawn", "again", 0}, env); _exit(1); }
    bad |= done("own image", pid, 5);
    return bad;
}
