/*
 * Each call with its first, second ... allocation failing: it fails with ENOMEM, or it does
 * without, and nothing is lost. no_memory NAME; prints how many allocations failed.
 */
#define _GNU_SOURCE
#include <zinc.h>

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static long until_failure; /* 0: none fails */
static long failed;

static int fails(void) { return until_failure > 0 && --until_failure == 0 ? (int)++failed : 0; }

void *malloc(size_t size) {
    static void *(*next)(size_t);
    if (!next) *(void **)&next = dlsym(RTLD_NEXT, "malloc");
    return fails() ? NULL : next(size);
}

void *realloc(void *memory, size_t size) {
    static void *(*next)(void *, size_t);
    if (!next) *(void **)&next = dlsym(RTLD_NEXT, "realloc");
    return fails() ? NULL : next(memory, size);
}

static const char *name;
static ZincHandle kept;

static int create(void) {
    ZincHandle handle;
    int status = zinc_region_create(name, 32 << 20, NULL, &handle);
    zinc_close(handle);
    return status;
}

static int create_anonymous(void) {
    ZincHandle handle;
    int status = zinc_region_create_anonymous(8, NULL, &handle);
    zinc_close(handle);
    return status;
}

static int open_or_create(void) {
    ZincHandle handle;
    int status = zinc_region_open_or_create(name, 8, NULL, &handle);
    zinc_close(handle);
    return status;
}

static int open_kept(void) {
    ZincHandle handle;
    int status = zinc_region_open(zinc_region_name(kept), NULL, &handle);
    zinc_close(handle);
    return status;
}

static int unlink_nothing(void) {
    int status = zinc_region_unlink(name, 0);
    return status == -2 ? 0 : status;
}

static int reclaim(void) {
    zinc_reclaim(NULL, NULL);
    return 0;
}

static int wait_for_many(void) {
    ZincWaitItem items[300];
    for (int i = 0; i < 300; i++) items[i] = (ZincWaitItem){kept, 0, 0};
    ZincWaitOptions options = {.size = sizeof options, .deadline_ns = 1};
    int status = zinc_wait_any(items, 300, &options);
    return status == -110 ? 0 : status;
}

static int try_all(const char *what, int (*act)(void)) {
    for (int i = 1;; i++) {
        long before = failed;
        until_failure = i;
        int status = act();
        until_failure = 0;
        if (status != 0 && status != -12) {
            printf("%s, allocation %d failing: %d %s\n", what, i, status, zinc_error_message());
            return 1;
        }
        if (failed == before) return 0; /* it made fewer */
    }
}

int main(int count, char **arguments) {
    if (count != 2) return 2;
    char other[300];
    name = arguments[1];
    snprintf(other, sizeof other, "%s-kept", name);
    if (zinc_region_create(other, 8, NULL, &kept) < 0) return 1;
    /* The first ones' memory is new; later it is that of closed ones. */
    for (int round = 0; round < 200; round++)
        if (try_all("create_anonymous", create_anonymous) || try_all("open", open_kept)) return 1;
    if (try_all("create", create) || try_all("open_or_create", open_or_create) ||
        try_all("unlink", unlink_nothing) || try_all("reclaim", reclaim) ||
        try_all("wait_any", wait_for_many))
        return 1;
    zinc_close(kept);
    printf("%ld\n", failed);
    return 0;
}
