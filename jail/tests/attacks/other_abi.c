/* other_abi PROGRAM: execve by the 32-bit and the x32 interface. The program prints nothing when it does not run. */
#include "attack.h"

int main(int argc, char **argv) {
    int bad = 0;
    char *low = mmap((void *)0x10000000, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    strcpy(low + 64, argv[1]);
    uint32_t *args = (uint32_t *)low;
    args[0] = (uint32_t)(uintptr_t)(low + 64), args[1] = 0;
    int numbers[] = {11, 358};
    for (int i = 0; i < 2; i++) {
        long result;
        if (i == 0) __asm__ volatile("int $0x80" : "=a"(result) : "a"(numbers[i]), "b"(low + 64), "c"(args), "d"(0) : "memory", "r8", "r9", "r10", "r11");
        else __asm__ volatile("int $0x80" : "=a"(result) : "a"(numbers[i]), "b"(AT_FDCWD), "c"(low + 64), "d"(args), "S"(0), "D"(0) : "memory", "r8", "r9", "r10", "r11");
        errno = (int)-(int32_t)result;
        bad |= say(errno == ENOSYS, "int 0x80");
    }
    long x32[] = {0x40000000 | 520, 0x40000000 | 545, 0x40000000 | 59};
    for (int i = 0; i < 3; i++) {
        errno = 0;
        bad |= say(syscall(x32[i], argv[1], args, 0, 0, 0) < 0 && errno == ENOSYS, "x32");
    }
    return bad;
}
