/*
 * What creating and closing a region of one page costs, beside the bare system calls of
 * a shared memory object of one page, which promise nothing. Prints a line a sample, in
 * nanoseconds: zinc, bare.
 */
#define _GNU_SOURCE
#include <zinc.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE ((uintptr_t)sysconf(_SC_PAGESIZE))
enum { COUNT = 3000, SAMPLES = 11 };

static char name[64], object[65];

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int with_zinc(void) {
    ZincHandle handle;
    if (zinc_create(name, PAGE, &handle) != 0) return -1;
    zinc_close(handle);
    return 0;
}

static int bare(void) {
    int fd = shm_open(object, O_CREAT | O_EXCL | O_RDWR, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)PAGE) < 0) return -1;
    void *address = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (address == MAP_FAILED) return -1;
    munmap(address, PAGE);
    close(fd);
    return shm_unlink(object);
}

static double sample(int (*function)(void)) {
    double start = now();
    for (int i = 0; i < COUNT; i++)
        if (function() != 0) {
            perror("create_cost");
            return 0;
        }
    return (now() - start) / COUNT;
}

int main(void) {
    snprintf(name, sizeof name, "create-cost-%d", (int)getpid());
    snprintf(object, sizeof object, "/%s", name);
    sample(with_zinc), sample(bare);
    for (int i = 0; i < SAMPLES; i++) {
        double first = sample(with_zinc);
        printf("%.1f %.1f\n", first, sample(bare));
    }
    return 0;
}
