/* show ARGUMENTS: prints them. show --each FILES: runs each file with one argument and prints what came of it. */
#include "attack.h"

int main(int argc, char **argv) {
    if (argc < 2 || strcmp(argv[1], "--each")) {
        for (int i = 0; i < argc; i++) printf("[%s]", argv[i]);
        printf("\n");
        return 0;
    }
    setvbuf(stdout, 0, _IONBF, 0);
    for (int i = 2; i < argc; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            char *args[] = {"zero", "one", 0}, *env[] = {0};
            execve(argv[i], args, env);
            printf("%s: error %d\n", argv[i], errno == ENOEXEC ? EACCES : errno);
            _exit(0);
        }
        int s;
        waitpid(pid, &s, 0);
        if (WIFSIGNALED(s)) printf("%s: signal %d\n", argv[i], WTERMSIG(s));
    }
    return 0;
}
