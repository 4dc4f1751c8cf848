/*
 * What the system may say to zinc: refusals futex ERRNO, refusals waitv ERRNO, refusals fallocate.
 *
 * Prints for the first two how often a wait asked, and how many milliseconds it took; for the
 * last in how many pieces memory was reserved that comes in pieces of a megabyte at most, as
 * signals that never stop allow it.
 */
#define _GNU_SOURCE
#include <zinc.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "interpose.h"

static int refused, refusal;
static long asked;

/* libzinc.so finds these before libc's. */
static long intercept(long number, long a[6]) {
    if (number != refused) return system_call(number, a);
    asked++;
    errno = refusal;
    return -1;
}

int fallocate(int fd, int mode, off_t offset, off_t length) {
    static int (*next)(int, int, off_t, off_t);
    if (!next) *(void **)&next = dlsym(RTLD_NEXT, "fallocate");
    if (++asked > 1000) exit(1); /* it asks for the same again and again */
    if (length <= 1 << 20) return next(fd, mode, offset, length);
    errno = EINTR;
    return -1;
}

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int wait_refused(int is_many) {
    ZincHandle region;
    if (zinc_region_create_anonymous(1, NULL, &region) < 0) return 1;
    uint64_t start = now();
    ZincWaitOptions options = {.size = sizeof options, .deadline_ns = start + 100000000u};
    ZincWaitItem item = {.handle = region};
    refused = is_many ? SYS_futex_waitv : SYS_futex;
    int result = is_many ? zinc_wait_any(&item, 1, &options) : zinc_region_wait(region, &options);
    uint64_t took = now() - start;
    if (result != -ETIMEDOUT) return 1;
    printf("%ld %ld\n", asked, (long)(took / 1000000u));
    zinc_notify(region); /* it still hears */
    options.deadline_ns = ZINC_FOREVER;
    return is_many ? zinc_wait_any(&item, 1, &options) : zinc_region_wait(region, &options);
}

int main(int count, char **arguments) {
    if (count > 2) {
        refusal = atoi(arguments[2]);
        return wait_refused(strcmp(arguments[1], "waitv") == 0);
    }
    ZincHandle region;
    if (zinc_region_create_anonymous(8 << 20, NULL, &region) < 0) return 1;
    printf("%ld\n", asked);
    zinc_close(region);
    return 0;
}
