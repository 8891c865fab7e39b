/* Shared by the attack programs: each tries one thing and says HELD or BYPASS, a word of explanation after it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* exit status of a program that must not have run */
#define FORBIDDEN_RAN 42

static inline void *shared(size_t len) {
    void *p = mmap(0, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) { perror("mmap"); exit(2); }
    return p;
}

/* what was written before is written, and stays for a moment */
static inline void linger(void) {
    __asm__ volatile("" ::: "memory");
    for (volatile int i = 0; i < 200; i++) {}
}

/* starts a child that runs f(arg) until it is killed, and dies with this process */
static inline pid_t peer(void (*f)(void *), void *arg) {
    pid_t me = getpid(), pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != me) _exit(0);
        for (;;) f(arg);
    }
    return pid;
}

/* what became of many tries */
struct tally { int ran, refused, killed, forbidden; };

static inline void count(struct tally *t, pid_t pid) {
    int s;
    if (waitpid(pid, &s, 0) < 0) { perror("waitpid"); exit(2); }
    if (WIFSIGNALED(s)) t->killed++;
    else if (WEXITSTATUS(s) == 0) t->ran++;
    else if (WEXITSTATUS(s) == FORBIDDEN_RAN) t->forbidden++;
    else t->refused++;
}

static inline int verdict(const struct tally *t) {
    printf("%s ran %d refused %d killed %d forbidden %d\n", t->forbidden ? "BYPASS" : "HELD", t->ran, t->refused, t->killed, t->forbidden);
    return t->forbidden != 0;
}

static inline int say(int held, const char *what) {
    printf("%s %s (%s)\n", held ? "HELD" : "BYPASS", what, strerror(errno));
    return !held;
}
