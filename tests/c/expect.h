/* What does not hold is printed and counted, and the program goes on. */
#include <zinc.h>

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define PAGE ((uint64_t)sysconf(_SC_PAGESIZE))

static int failures;

#define EXPECT(condition)                                                                                    \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            failures++;                                                                                      \
            fprintf(stderr, "line %d: not so: %s; the last error is: %s\n", __LINE__, #condition,            \
                    zinc_error_message());                                                                   \
        }                                                                                                    \
    } while (0)

/* How long to wait. */
static const ZincWaitOptions look = {.size = sizeof look};

static inline ZincWaitOptions in(uint64_t milliseconds) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    return (ZincWaitOptions){.size = sizeof look, .deadline_ns = ns + milliseconds * 1000000u};
}
