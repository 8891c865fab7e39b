/*
 * What the benchmarks run on both sides of a comparison, inside a session and outside of it: small loops that time
 * themselves by the monotonic clock and print nanoseconds, one number a line. Errors go to standard error, status 1.
 *
 *   meter exec vfork|fork COUNT same|new PROGRAM   start PROGRAM COUNT times; with `new`, with an argument never used before
 *   meter run PROGRAM ARGS...                      run a program once
 *   meter hold COUNT                               COUNT processes that ignore what can be ignored; says `ready`
 *   meter bomb SECONDS                             a fork bomb that ends by itself; says `ready` when it can grow no more
 *   meter kill COUNT                               time to end COUNT such processes in a PID namespace by the kernel alone
 *   meter echo COUNT ASKED ANSWERED                messages of so many bytes to another process and back
 *   meter prompt PROGRAM ARGS...                   time until a program on a terminal shows a prompt
 *   meter keys COUNT PROGRAM ARGS...               time until the echo of each of COUNT keys, typed at the prompt of a program on a terminal
 *   meter policy                                   the number of the scheduling policy that it runs under
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static void fail(const char *what)
{
	fprintf(stderr, "meter: %s: %s\n", what, strerror(errno));
	exit(1);
}

static long long now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int number(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);
	if (end == text || *end || n < 1 || n > 10000000) {
		fprintf(stderr, "meter: %s is not a count\n", text);
		exit(2);
	}
	return (int)n;
}

static void ended_well(pid_t pid)
{
	int status;
	if (waitpid(pid, &status, 0) != pid)
		fail("waitpid");
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		fprintf(stderr, "meter: the program ended with wait status %#x\n", status);
		exit(1);
	}
}

static pid_t start(int by_vfork, char **argv)
{
	pid_t pid = by_vfork ? vfork() : fork();
	if (pid == 0) {
		execve(argv[0], argv, environ);
		_exit(127);
	}
	if (pid < 0)
		fail("fork");
	return pid;
}

static void loop(int by_vfork, int count, int fresh, char *program)
{
	enum { WARM = 20 };
	long long *taken = calloc(count, sizeof *taken);
	char argument[64];
	char *argv[] = {program, fresh ? argument : NULL, NULL};
	for (int i = -WARM; i < count; i++) {
		/* unlike any of an earlier run too */
		snprintf(argument, sizeof argument, "%d-%d-%lld", i, getpid(), now());
		long long begin = now();
		ended_well(start(by_vfork, argv));
		if (i >= 0)
			taken[i] = now() - begin;
	}
	for (int i = 0; i < count; i++)
		printf("%lld\n", taken[i]);
}

static void run(char **argv)
{
	long long begin = now();
	pid_t pid = vfork();
	if (pid == 0) {
		execvp(argv[0], argv);
		_exit(127);
	}
	if (pid < 0)
		fail("fork");
	ended_well(pid);
	printf("%lld\n", now() - begin);
}

static void stubborn(void)
{
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_IGN);
	for (;;)
		pause();
}

/* a pipe tells when all are there: each holds its writing end until it is settled */
static void hold(int count)
{
	int settled[2];
	char byte;
	if (pipe(settled))
		fail("pipe");
	for (int i = 0; i < count; i++) {
		pid_t pid = fork();
		if (pid < 0)
			fail("fork");
		if (pid == 0) {
			close(settled[0]);
			/* one in three is a daemon: another session, another parent */
			if (i % 3 == 0) {
				pid = fork();
				if (pid != 0)
					_exit(pid < 0);
				setsid();
			}
			close(settled[1]);
			close(0), close(1), close(2);
			stubborn();
		}
		if (i % 3 == 0)
			ended_well(pid);
	}
	close(settled[1]);
	if (read(settled[0], &byte, 1) != 0)
		fail("read");
}

/* tells when the limit is reached, whatever that is: the first fork that fails, of any of them */
static void bomb(int seconds)
{
	long long end = now() + seconds * 1000000000LL;
	int *told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (told == MAP_FAILED)
		fail("mmap");
	while (now() < end) {
		pid_t pid = fork();
		if (pid == 0)
			continue;
		if (pid < 0 && !__atomic_exchange_n(told, 1, __ATOMIC_SEQ_CST) && write(1, "ready\n", 6) != 6)
			_exit(1);
		/* at the limit, so that the machine stays usable */
		usleep(1000);
	}
	_exit(0);
}

static int namespace_ready[2];

static int namespace_init(void *count)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	hold(*(int *)count);
	if (write(namespace_ready[1], "", 1) != 1)
		return 1;
	for (;;)
		pause();
}

static void kill_namespace(int count)
{
	static char stack[1 << 16] __attribute__((aligned(16)));
	char byte;
	if (pipe(namespace_ready))
		fail("pipe");
	int flags = CLONE_NEWPID | (geteuid() ? CLONE_NEWUSER : 0);
	pid_t init = clone(namespace_init, stack + sizeof stack, flags | SIGCHLD, &count);
	if (init < 0)
		fail("clone");
	if (read(namespace_ready[0], &byte, 1) != 1)
		fail("read");
	long long begin = now();
	kill(init, SIGKILL);
	if (waitpid(init, NULL, 0) != init)
		fail("waitpid");
	printf("%lld\n", now() - begin);
}

static void transfer(int fd, char *buffer, int length, int writing)
{
	while (length > 0) {
		ssize_t n = writing ? write(fd, buffer, length) : read(fd, buffer, length);
		if (n == 0 && !writing)
			_exit(0);
		if (n < 0)
			fail("socket");
		buffer += n, length -= n;
	}
}

static void echo(int count, int asked, int answered)
{
	int pair[2];
	char *buffer = calloc(1, asked > answered ? asked : answered);
	long long *taken = calloc(count, sizeof *taken);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		fail("socketpair");
	pid_t pid = fork();
	if (pid < 0)
		fail("fork");
	if (pid == 0) {
		close(pair[0]);
		for (;;) {
			transfer(pair[1], buffer, asked, 0);
			transfer(pair[1], buffer, answered, 1);
		}
	}
	close(pair[1]);
	for (int i = 0; i < count; i++) {
		long long begin = now();
		transfer(pair[0], buffer, asked, 1);
		transfer(pair[0], buffer, answered, 0);
		taken[i] = now() - begin;
	}
	close(pair[0]);
	ended_well(pid);
	for (int i = 0; i < count; i++)
		printf("%lld\n", taken[i]);
}

/* Whether the last line of what a terminal shows ends as prompts do; escape sequences are left out. */
static int is_prompt(const char *text, size_t length)
{
	char last = 0, blank = 0;
	for (size_t i = 0; i < length; i++) {
		unsigned char c = text[i];
		if (c == 27) {
			if (i + 1 < length && text[i + 1] == '[') {
				for (i += 2; i < length && (text[i] < '@' || text[i] > '~'); i++)
					;
			} else if (i + 1 < length && text[i + 1] == ']') {
				for (i += 2; i < length && text[i] != 7 && text[i] != '\\'; i++)
					;
			} else {
				i++;
			}
		} else if (c == '\n' || c == '\r') {
			last = blank = 0;
		} else if (c == ' ') {
			blank = 1;
		} else if (c >= 32) {
			last = c, blank = 0;
		}
	}
	return blank && last && strchr("$#>%", last);
}

static void say_shown(const char *what, const char *seen, size_t length, pid_t pid)
{
	fprintf(stderr, "meter: %s; the terminal shows: %.*s\n", what, (int)length, seen);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	exit(1);
}

/* Starts a program on a terminal and waits for its prompt. */
static int to_prompt(char **argv, pid_t *pid)
{
	enum { DEADLINE_MS = 60000 };
	static char seen[1 << 16];
	size_t length = 0, answered = 0;
	int master;
	struct winsize size = {.ws_row = 30, .ws_col = 100};
	long long begin = now();
	*pid = forkpty(&master, NULL, NULL, &size);
	if (*pid == 0) {
		execvp(argv[0], argv);
		_exit(127);
	}
	if (*pid < 0)
		fail("forkpty");
	for (;;) {
		struct pollfd wait = {.fd = master, .events = POLLIN};
		if (length == sizeof seen || now() - begin > DEADLINE_MS * 1000000LL || poll(&wait, 1, 1000) < 0)
			break;
		if (!wait.revents)
			continue;
		ssize_t n = read(master, seen + length, sizeof seen - length);
		if (n <= 0)
			break;
		length += n;
		/* a terminal answers where its cursor is */
		for (; answered + 4 <= length; answered++)
			if (!memcmp(seen + answered, "\033[6n", 4) && write(master, "\033[1;1R", 6) != 6)
				fail("write");
		if (is_prompt(seen, length))
			return master;
	}
	say_shown("no prompt", seen, length, *pid);
	return -1;
}

static void leave(int master, pid_t pid)
{
	kill(pid, SIGTERM);
	close(master);
	waitpid(pid, NULL, 0);
}

static void prompt(char **argv)
{
	pid_t pid;
	long long begin = now();
	int master = to_prompt(argv, &pid);
	printf("%lld\n", now() - begin);
	leave(master, pid);
}

/* Reads until nothing comes for a while. */
static void until_quiet(int master)
{
	enum { QUIET_MS = 40 };
	char room[4096];
	struct pollfd wait = {.fd = master, .events = POLLIN};
	while (poll(&wait, 1, QUIET_MS) > 0)
		if (read(master, room, sizeof room) <= 0)
			fail("read");
}

/* Types letters, each once the one before was shown; the line is taken back before it wraps. */
static void keys(int count, char **argv)
{
	enum { LINE = 32, DEADLINE_MS = 10000 };
	pid_t pid;
	int master = to_prompt(argv, &pid);
	char room[4096];
	until_quiet(master);
	for (int i = 0; i < count; i++) {
		char key = 'a' + i % 26;
		if (i % LINE == 0 && i > 0) {
			if (write(master, "\025", 1) != 1)
				fail("write");
			until_quiet(master);
		}
		long long begin = now();
		if (write(master, &key, 1) != 1)
			fail("write");
		for (int shown = 0; !shown;) {
			struct pollfd wait = {.fd = master, .events = POLLIN};
			if (poll(&wait, 1, DEADLINE_MS) != 1)
				say_shown("no echo", room, 0, pid);
			ssize_t n = read(master, room, sizeof room);
			if (n <= 0)
				say_shown("the program ended", room, 0, pid);
			shown = memchr(room, key, n) != NULL;
		}
		printf("%lld\n", now() - begin);
	}
	leave(master, pid);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	if (!strcmp(what, "exec") && argc == 6)
		loop(!strcmp(argv[2], "vfork"), number(argv[3]), !strcmp(argv[4], "new"), argv[5]);
	else if (!strcmp(what, "run") && argc > 2)
		run(argv + 2);
	else if (!strcmp(what, "hold") && argc == 3) {
		hold(number(argv[2]));
		printf("ready\n");
		fflush(stdout);
		stubborn();
	} else if (!strcmp(what, "bomb") && argc == 3)
		bomb(number(argv[2]));
	else if (!strcmp(what, "kill") && argc == 3)
		kill_namespace(number(argv[2]));
	else if (!strcmp(what, "echo") && argc == 5)
		echo(number(argv[2]), number(argv[3]), number(argv[4]));
	else if (!strcmp(what, "prompt") && argc > 2)
		prompt(argv + 2);
	else if (!strcmp(what, "keys") && argc > 3)
		keys(number(argv[2]), argv + 3);
	else if (!strcmp(what, "policy") && argc == 2)
		printf("%d\n", sched_getscheduler(0) & ~SCHED_RESET_ON_FORK);
	else {
		fprintf(stderr, "meter: see meter.c for its use\n");
		return 2;
	}
	return 0;
}
