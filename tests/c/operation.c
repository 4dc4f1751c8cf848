/*
 * One operation on a region, for the test that kills this process at each of its system calls:
 * operation OPERATION NAME. It stands between two calls of getppid, so that the test knows where it
 * begins and ends. What has to be there before (an open handle, say) is made before the first.
 */
#define _GNU_SOURCE 1

#include <zinc.h>

#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CAPACITY 8192

static void mark(void) { syscall(SYS_getppid); }

static int fails(int32_t status) {
    if (status < 0) puts(zinc_error_message());
    return status < 0;
}

/* Between the marks, with whatever it takes to close what was opened. */
static int32_t attach(const char *operation, const char *name) {
    unsigned char contents[CAPACITY];
    ZincOptions options = {.size = sizeof options};
    ZincHandle region = NULL;
    for (int i = 0; i < CAPACITY; i++) contents[i] = (unsigned char)i;
    int32_t status = -1;
    mark();
    if (strcmp(operation, "create") == 0) {
        status = zinc_region_create(name, CAPACITY, NULL, &region);
    } else if (strcmp(operation, "share") == 0) {
        options.contents = contents;
        options.contents_length = sizeof contents;
        status = zinc_region_create(name, CAPACITY, &options, &region);
    } else if (strcmp(operation, "replace") == 0) {
        options.flags = ZINC_REPLACE;
        status = zinc_region_create(name, CAPACITY, &options, &region);
    } else if (strcmp(operation, "open") == 0) {
        status = zinc_region_open(name, NULL, &region);
    } else if (strcmp(operation, "open-or-create") == 0) {
        status = zinc_region_open_or_create(name, CAPACITY, NULL, &region);
    } else if (strcmp(operation, "reclaim") == 0) {
        zinc_reclaim(NULL, NULL);
        status = 0;
    } else if (strcmp(operation, "unlink") == 0) {
        status = zinc_region_unlink(name, 0);
    }
    zinc_close(region);
    mark();
    return status;
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    const char *operation = argv[1];
    int is_close = strcmp(operation, "close") == 0, is_wait = strcmp(operation, "wait") == 0;
    if (!is_close && !is_wait && strcmp(operation, "notify") != 0) return fails(attach(operation, argv[2]));
    ZincHandle region;
    if (fails(zinc_region_open_or_create(argv[2], CAPACITY, NULL, &region))) return 1;
    mark();
    if (is_close) {
        zinc_close(region);
    } else if (is_wait) {
        zinc_wait(region, 20);
    } else {
        zinc_notify(region);
    }
    mark();
    if (!is_close) zinc_close(region);
    return 0;
}
