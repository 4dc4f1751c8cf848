/*
 * A process that has a region and does with it what it is told, a line a command: what the tests show
 * of one memory in several languages, and how long a round trip takes. See examples/peer.rs of the
 * binding to Rust.
 */
#define _GNU_SOURCE
#include <zinc.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static ZincHandle open_one(const char *name) {
    ZincHandle handle;
    if (zinc_open(name, &handle) < 0) {
        fprintf(stderr, "%s\n", zinc_error_message());
        exit(1);
    }
    return handle;
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static double ask(ZincHandle there, ZincHandle back, long rounds) {
    double best = 1e18;
    for (long part = 0; part < rounds / 1000; part++) {
        double start = now();
        for (int i = 0; i < 1000; i++) {
            zinc_notify(there);
            zinc_wait(back, UINT32_MAX);
        }
        double time = (now() - start) / 1000;
        if (time < best) best = time;
    }
    return best;
}

int main(void) {
    char line[400], command[10], name[300];
    ZincHandle region = NULL, back;
    long first, second;
    setvbuf(stdout, NULL, _IOLBF, 0);
    while (fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "open %299s", name) == 1) {
            region = open_one(name);
            printf("{\"pid\": %d, \"data\": %" PRIuPTR ", \"size\": %" PRIuPTR "}\n", (int)getpid(),
                   (uintptr_t)zinc_ptr(region), zinc_capacity(region));
        } else if (sscanf(line, "write %ld %ld", &first, &second) == 2) {
            zinc_ptr(region)[first] = (uint8_t)second;
            printf("%ld\n", second);
        } else if (sscanf(line, "read %ld", &first) == 1) {
            printf("%d\n", zinc_ptr(region)[first]);
        } else if (sscanf(line, "%9s %299s %ld", command, name, &first) == 3) {
            back = open_one(name);
            if (strcmp(command, "ask") == 0) printf("%f\n", ask(region, back, first));
            for (; strcmp(command, "reply") == 0 && first > 0; first--) {
                zinc_wait(region, UINT32_MAX);
                zinc_notify(back);
                if (first == 1) puts("1");
            }
            zinc_close(back);
        }
    }
    zinc_close(region);
}
