/* The program of the races: exits 0, or FORBIDDEN_RAN when it was run in a way that the policy forbids: as a file named
 * "forbidden", with the argument FORBIDDEN, or with FORBIDDEN in its environment. */
#include "attack.h"

int main(int argc, char **argv) {
    char self[PATH_MAX] = {0};
    if (readlink("/proc/self/exe", self, sizeof self - 1) < 0) return 3;
    if (strstr(self, "/forbidden")) return FORBIDDEN_RAN;
    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], "FORBIDDEN")) return FORBIDDEN_RAN;
    return getenv("FORBIDDEN") ? FORBIDDEN_RAN : 0;
}
