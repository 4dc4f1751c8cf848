/* What is easier said in C. */
#ifndef ZINCGO_H
#define ZINCGO_H

#include <stdlib.h>
#include <time.h>
#include <zinc.h>

/* How long to wait, in nanoseconds from now; 0 only looks, ZINC_FOREVER waits for ever. */
static inline ZincWaitOptions zincgo_wait(uint64_t timeout, uint32_t flags) {
    ZincWaitOptions wait = {.size = sizeof wait, .deadline_ns = timeout, .flags = flags};
    if (timeout != 0 && timeout != ZINC_FOREVER) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        wait.deadline_ns += (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
    }
    return wait;
}

#endif
