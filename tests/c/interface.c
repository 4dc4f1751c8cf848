/*
 * zinc.h from C: each row of its error table, the rules for null, and that a failure
 * leaves nothing behind. Prints what does not hold and exits with 1.
 */
#define _GNU_SOURCE
#include <zinc.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "expect.h"

static char name[64], path[96], too_large[96];

static int entries(const char *folder, const char *prefix) {
    DIR *d = opendir(folder);
    int count = 0;
    if (!d) return -1;
    for (struct dirent *e; (e = readdir(d));) count += strncmp(e->d_name, prefix, strlen(prefix)) == 0;
    closedir(d);
    return count;
}

/* What a failing call must not change: descriptors, and names that begin with this process's. */
static long traces(void) {
    return entries("/proc/self/fd", "") * 100000L + entries("/dev/shm", basename(path));
}

static int32_t create_with(uintptr_t capacity, ZincOptions options, ZincHandle *out) {
    options.size = sizeof options;
    return zinc_region_create(name, capacity, &options, out);
}

#define EXPECT_FAILURE(status, call)                                                                         \
    do {                                                                                                     \
        long before = traces();                                                                              \
        out = &failures;                                                                                     \
        EXPECT((call) == (status));                                                                          \
        EXPECT(out == NULL);                                                                                 \
        EXPECT(strlen(zinc_error_message()) > 10);                                                           \
        EXPECT(traces() == before);                                                                          \
    } while (0)

static void place_file(const void *bytes, size_t count) {
    FILE *f = fopen(path, "w");
    fwrite(bytes, 1, count, f);
    fclose(f);
}

static void nulls(void) {
    ZincHandle out;
    EXPECT(zinc_ptr(NULL) == NULL);
    EXPECT(zinc_capacity(NULL) == 0);
    zinc_close(NULL);
    zinc_notify(NULL);
    EXPECT(zinc_wait(NULL, 0) == -EINVAL);
    EXPECT(zinc_try_wait(NULL) == -EINVAL);
    zinc_region_detach(NULL);
    EXPECT(zinc_region_keep(NULL, 1) == -EINVAL);
    EXPECT(zinc_region_is_linked(NULL) == 0);
    EXPECT(zinc_region_is_created(NULL) == 0);
    EXPECT(zinc_region_used(NULL, NULL) == -EINVAL);
    EXPECT(strcmp(zinc_region_shortfall(NULL, ZINC_HUGEPAGES), "") == 0);
    EXPECT(zinc_region_trim(NULL, 0, 0) == -EINVAL);
    EXPECT(zinc_region_give_back(NULL) == -EINVAL);
    EXPECT(strcmp(zinc_region_name(NULL), "") == 0);
    EXPECT(zinc_region_is_readonly(NULL) == 0);
    EXPECT(zinc_region_protect(NULL) == -EINVAL);
    EXPECT(zinc_region_sequence(NULL) == 0);
    EXPECT(zinc_region_seen(NULL) == 0);
    EXPECT(zinc_region_id(NULL) == 0);
    EXPECT(zinc_region_kind(NULL) == 0);
    uintptr_t length = 1;
    EXPECT(zinc_region_metadata(NULL, &length) == NULL && length == 0);
    EXPECT(zinc_region_metadata(NULL, NULL) == NULL);
    EXPECT(zinc_region_notify(NULL, NULL) == -EINVAL);
    EXPECT(zinc_region_wait(NULL, NULL) == -EINVAL);
    ZincWaitOptions options = {sizeof options, 0, 0, 0};
    ZincWaitItem item = {NULL, 0, 0};
    EXPECT(zinc_wait_any(NULL, 1, &options) == -EINVAL);
    EXPECT(zinc_wait_any(&item, 0, &options) == -EINVAL);
    EXPECT(zinc_wait_any(&item, 1, &options) == -EINVAL);
    EXPECT(zinc_wait_any(&item, UINTPTR_MAX, &options) == -EINVAL);
    EXPECT(zinc_wait_all(&item, 1, &options) == -EINVAL);
    EXPECT_FAILURE(-EINVAL, zinc_create(NULL, PAGE, &out));
    EXPECT_FAILURE(-EINVAL, zinc_open(NULL, &out));
    EXPECT(zinc_create(name, PAGE, NULL) == -EINVAL);
    EXPECT(zinc_open(name, NULL) == -EINVAL);
    EXPECT(zinc_region_create(name, PAGE, NULL, NULL) == -EINVAL);
    EXPECT(zinc_region_open(name, NULL, NULL) == -EINVAL);
}

static void arguments(void) {
    ZincHandle out;
    char longest[252];
    memset(longest, 'x', 251);
    longest[251] = 0;
    const char *const bad[] = {"", "a/b", ".", "..", "a b", "a\n", "\xc3\xa9", longest};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        EXPECT_FAILURE(-EINVAL, zinc_create(bad[i], PAGE, &out));
        EXPECT_FAILURE(-EINVAL, zinc_open(bad[i], &out));
    }
    const uintptr_t sizes[] = {0, 1, 4095, 4097, (uintptr_t)1 << 63, UINTPTR_MAX, UINTPTR_MAX - 4095};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        EXPECT_FAILURE(-EINVAL, zinc_create(name, sizes[i], &out));
    EXPECT_FAILURE(-EINVAL, zinc_region_create(name, 0, NULL, &out));
    EXPECT_FAILURE(-EINVAL, zinc_region_create(name, UINTPTR_MAX, NULL, &out));
    EXPECT_FAILURE(-EINVAL, create_with(1, (ZincOptions){.flags = 1u << 31}, &out));
    EXPECT_FAILURE(-EINVAL, create_with(1, (ZincOptions){.flags = ZINC_READONLY}, &out));
    EXPECT_FAILURE(-EINVAL, create_with(1, (ZincOptions){.mode = 0477}, &out));
    EXPECT_FAILURE(-EINVAL, create_with(1, (ZincOptions){.metadata = name, .metadata_length = 2049}, &out));
    EXPECT_FAILURE(-EINVAL,
                   create_with(1, (ZincOptions){.metadata = name, .metadata_length = UINTPTR_MAX}, &out));
    EXPECT_FAILURE(-EINVAL, create_with(1, (ZincOptions){.metadata_length = 1}, &out));
    EXPECT_FAILURE(-EINVAL, create_with(1, (ZincOptions){.contents_length = 1}, &out));
    EXPECT_FAILURE(-EINVAL, create_with(1, (ZincOptions){.contents = name, .contents_length = 2}, &out));
    EXPECT_FAILURE(-EINVAL,
                   create_with(1, (ZincOptions){.contents = name, .contents_length = UINTPTR_MAX}, &out));
    EXPECT_FAILURE(-EFAULT,
                   create_with(1, (ZincOptions){.contents = (void *)16, .contents_length = 1}, &out));
    const ZincPiece wrong[] = {
        {name, 2, 0}, {name, 1, 1}, {name, 1, UINTPTR_MAX}, {name, UINTPTR_MAX, 1}, {NULL, 1, 0}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        EXPECT_FAILURE(-EINVAL, create_with(1, (ZincOptions){.pieces = &wrong[i], .piece_count = 1}, &out));
    EXPECT_FAILURE(-EINVAL, create_with(1, (ZincOptions){.piece_count = 1}, &out));
    const ZincPiece unreadable = {(void *)16, 1, 0};
    EXPECT_FAILURE(-EFAULT, create_with(1, (ZincOptions){.pieces = &unreadable, .piece_count = 1}, &out));
    EXPECT_FAILURE(-EINVAL, create_with(1, (ZincOptions){.mode = 0660, .group = 1}, &out));
    EXPECT_FAILURE(-EINVAL, create_with(1, (ZincOptions){.mode = 0606, .flags = ZINC_GROUP}, &out));
    EXPECT_FAILURE(
        -EINVAL, create_with(1, (ZincOptions){.mode = 0660, .flags = ZINC_GROUP, .group = UINT32_MAX}, &out));
    EXPECT_FAILURE(-ENOENT, zinc_open(name, &out));
    ZincOptions unsized = {.size = 3};
    EXPECT_FAILURE(-EINVAL, zinc_region_create(name, 1, &unsized, &out));
    EXPECT_FAILURE(-EINVAL, zinc_region_open(name, &unsized, &out));
}

static void contents(void) {
    static char bytes[10000];
    memset(bytes, 'c', sizeof bytes);
    const uint32_t flags[] = {0, ZINC_SPARSE};
    const size_t size = 8 * PAGE;
    char *wanted = malloc(size);
    for (size_t i = 0; i < 2; i++) {
        ZincHandle region, other;
        ZincOptions options = {.contents = bytes, .contents_length = sizeof bytes, .flags = flags[i]};
        EXPECT(create_with(size, options, &region) == 0);
        EXPECT(zinc_open(name, &other) == 0);
        EXPECT(memcmp(zinc_ptr(other), bytes, sizeof bytes) == 0);
        ZincRegionInfo info = {.size = sizeof info};
        EXPECT(zinc_region_examine(name, &info) == 0);
        EXPECT(flags[i] ? info.memory < size : info.memory >= size);
        for (size_t rest = sizeof bytes; rest < size; rest++) EXPECT(zinc_ptr(other)[rest] == 0);
        zinc_close(other);
        zinc_close(region);
    }
    for (size_t i = 0; i < 2; i++) {
        ZincHandle region, other;
        const ZincPiece pieces[] = {{bytes, 3, size - 3}, {bytes, 0, 0}, {bytes, 5000, 64}, {"ab", 2, 20000}};
        ZincOptions options = {.pieces = pieces, .piece_count = 4, .flags = flags[i]};
        options.contents = "x";
        options.contents_length = 1;
        EXPECT(create_with(size, options, &region) == 0);
        EXPECT(zinc_open(name, &other) == 0);
        memset(wanted, 0, size);
        wanted[0] = 'x';
        memset(wanted + 64, 'c', 5000);
        memcpy(wanted + 20000, "abcccc", 2);
        memset(wanted + size - 3, 'c', 3);
        ZincRegionInfo info = {.size = sizeof info};
        EXPECT(zinc_region_examine(name, &info) == 0);
        EXPECT(flags[i] ? info.memory < size : info.memory >= size);
        EXPECT(memcmp(zinc_ptr(other), wanted, size) == 0); /* which takes memory */
        zinc_close(other);
        zinc_close(region);
    }
    /* Who was built before there were contents has what is next in memory there, and not them. */
    ZincHandle region;
    ZincOptions older = {
        .size = offsetof(ZincOptions, contents), .contents = (void *)16, .contents_length = 1};
    EXPECT(zinc_region_create(name, 1, &older, &region) == 0);
    EXPECT(zinc_ptr(region)[0] == 0);
    zinc_close(region);
    free(wanted);
}

static void replacement(void) {
    ZincHandle old, new, found, out;
    ZincOptions options = {.flags = ZINC_REPLACE};
    EXPECT(create_with(1, options, &old) == 0);
    EXPECT(create_with(2, options, &new) == 0);
    EXPECT(zinc_try_wait(old) == 0 && !zinc_region_is_linked(old) && zinc_region_is_linked(new));
    EXPECT(zinc_open(name, &found) == 0 && zinc_region_id(found) == zinc_region_id(new));
    EXPECT_FAILURE(-EINVAL, zinc_region_create_anonymous(
                                1, &(ZincOptions){.size = sizeof options, .flags = ZINC_REPLACE}, &out));
    zinc_close(found);
    zinc_close(new);
    zinc_close(old);
}

static void groups(void) {
    ZincHandle region, same, out;
    ZincOptions options = {.size = sizeof options, .mode = 0660, .flags = ZINC_GROUP, .group = getegid()};
    struct stat found;
    EXPECT(zinc_region_create(name, 1, &options, &region) == 0);
    EXPECT(stat(path, &found) == 0 && found.st_gid == getegid() && (found.st_mode & 07777) == 0660);
    EXPECT(zinc_region_open_or_create(name, 1, &options, &same) == 0);
    EXPECT_FAILURE(-EINVAL, zinc_region_open(name, &options, &out));
    EXPECT_FAILURE(-EINVAL, zinc_region_create_anonymous(1, &options, &out));
    zinc_close(same);
    zinc_close(region);
}

static void descriptions(void) {
    static char longest[2048] = "first";
    uintptr_t length = 1;
    ZincHandle region, other;
    longest[2047] = 'z';
    ZincOptions options = {.metadata = longest, .metadata_length = sizeof longest, .kind = 1000};
    EXPECT(create_with(1, options, &region) == 0);
    EXPECT(zinc_open(name, &other) == 0);
    EXPECT(memcmp(zinc_region_metadata(other, &length), longest, sizeof longest) == 0);
    EXPECT(length == sizeof longest);
    EXPECT(zinc_region_kind(other) == 1000);
    EXPECT(zinc_region_id(other) == zinc_region_id(region));
    zinc_close(other);
    zinc_close(region);

    EXPECT(zinc_create(name, PAGE, &other) == 0);
    EXPECT(zinc_region_metadata(other, &length) != NULL && length == 0);
    EXPECT(zinc_region_metadata(other, NULL) != NULL);
    EXPECT(zinc_region_kind(other) == 0 && zinc_region_id(other) != 0);
    zinc_close(other);
}

static void find(const char *found, void *seen) { *(int *)seen += strcmp(found, name) == 0; }

static void tells_its_place(void) {
    ZincPlace place = {.size = sizeof place}, again = place;
    struct stat status;
    EXPECT(zinc_place(&place) == 0 && zinc_place(&again) == 0);
    EXPECT(memcmp(&place, &again, sizeof place) == 0 && place.machine != 0);
    EXPECT(stat("/proc/self/ns/pid", &status) == 0 && place.processes == status.st_ino);
    EXPECT(stat("/dev/shm", &status) == 0 && place.memory == status.st_dev + 1);
    place.size--;
    EXPECT(zinc_place(&place) == -EINVAL && zinc_place(NULL) == -EINVAL);
    EXPECT(strstr(zinc_error_message(), "find the place") != NULL);
}

static void looks(void) {
    ZincHandle region;
    ZincRegionInfo info = {.size = sizeof info};
    ZincOptions options = {.metadata = "told", .metadata_length = 4, .kind = 1000, .mode = 0640};
    int seen = 0;
    zinc_region_list(NULL, NULL);
    EXPECT(zinc_region_examine(name, &info) == -ENOENT);
    EXPECT(zinc_region_examine("no/name", &info) == -EINVAL);
    EXPECT(create_with(10, options, &region) == 0);
    zinc_notify(region);
    EXPECT(zinc_region_examine(name, NULL) == -EINVAL);
    const uintptr_t first_size = offsetof(ZincRegionInfo, layout); /* before there was that */
    info.size = first_size - 1;
    EXPECT(zinc_region_examine(name, &info) == -EINVAL);
    info.size = first_size;
    info.layout = 77;
    EXPECT(zinc_region_examine(name, &info) == 0);
    EXPECT(info.capacity == 10 && info.layout == 77); /* not the caller's, and not touched */
    info.size = sizeof info;
    EXPECT(zinc_region_examine(name, &info) == 0);
    EXPECT(info.layout == zinc_version() >> 16);
    EXPECT(info.state == ZINC_ATTACHED && info.capacity == 10 && info.memory > PAGE);
    EXPECT(info.id == zinc_region_id(region) && info.sequence == 1 && info.kind == 1000);
    EXPECT(info.metadata_length == 4 && memcmp(info.metadata, "told", 4) == 0);
    EXPECT(info.mode == 0640 && info.owner == geteuid() && info.creator_pid == getpid());
    EXPECT(info.flags == ZINC_WAKES_ALWAYS && info.data_offset == PAGE && info.created_at > 0);
    zinc_region_list(find, &seen);
    EXPECT(seen == 1);
    zinc_close(region);

    EXPECT(create_with(1, (ZincOptions){.flags = ZINC_PERSISTENT}, &region) == 0);
    zinc_close(region);
    EXPECT(zinc_region_examine(name, &info) == 0);
    EXPECT(info.state == ZINC_UNATTACHED && info.flags == ZINC_PERSISTENT);
    int file = open(path, O_RDWR);
    const uint16_t other_layout = 7;
    EXPECT(pwrite(file, &other_layout, sizeof other_layout, 8) == 2);
    close(file);
    EXPECT(zinc_region_examine(name, &info) == 0);
    EXPECT(info.layout == 7 && info.state == ZINC_UNATTACHED && info.flags == ZINC_PERSISTENT);
    EXPECT(info.owner == geteuid() && info.mode == 0600 && info.memory > 0 && info.inode > 0);
    EXPECT(info.capacity == 0 && info.id == 0 && info.metadata_length == 0);
    info.size = first_size;
    EXPECT(zinc_region_examine(name, &info) == -EBADMSG); /* it could not tell */
    info.size = sizeof info;
    EXPECT(zinc_region_unlink(name, 0) == 0);

    place_file("no region, but long enough to hold the header of one, were it one: 72 bytes.", 72);
    EXPECT(zinc_region_examine(name, &info) == -EBADMSG);
    unlink(path);
}

static void names(void) {
    ZincHandle out, region;
    EXPECT_FAILURE(-ENOENT, zinc_open(name, &out));
    EXPECT(zinc_create(name, PAGE, &region) == 0);
    EXPECT(strcmp(zinc_region_name(region), name) == 0);
    EXPECT_FAILURE(-EEXIST, zinc_create(name, PAGE, &out));
    EXPECT_FAILURE(-ENOSPC, zinc_region_create(too_large, (uintptr_t)1 << 50, NULL, &out));
    EXPECT(strstr(zinc_error_message(), too_large) && strstr(zinc_error_message(), "free"));

    if (geteuid() == 0) {
        fflush(NULL);
        pid_t child = fork();
        if (child == 0) {
            if (setuid(65534) != 0) _exit(2);
            failures = 0;
            EXPECT_FAILURE(-EPERM, zinc_open(name, &out));
            _exit(failures > 0);
        }
        int status;
        waitpid(child, &status, 0);
        EXPECT(status == 0);
    }
    zinc_close(region);
    EXPECT(access(path, F_OK) != 0);

    place_file("no region, but long enough to hold the header of one, were it one: 72 bytes.", 72);
    EXPECT_FAILURE(-EBADMSG, zinc_open(name, &out));
    EXPECT_FAILURE(-EEXIST, zinc_create(name, PAGE, &out));
    unlink(path);
}

static void awaiting(void) {
    ZincHandle region, out;
    ZincWaitOptions wait = {.size = sizeof wait};
    EXPECT_FAILURE(-ENOENT, zinc_region_await(name, NULL, &wait, &out));
    wait.deadline_ns = 1; /* in the past */
    EXPECT_FAILURE(-ENOENT, zinc_region_await(name, NULL, &wait, &out));
    EXPECT(strstr(zinc_error_message(), "wait for \"") == zinc_error_message());
    wait.deadline_ns = ZINC_FOREVER;
    EXPECT_FAILURE(-EINVAL, zinc_region_await("no/name", NULL, &wait, &out));
    EXPECT_FAILURE(-EINVAL, zinc_region_await(name, NULL, NULL, &out));
    EXPECT(zinc_region_await(name, NULL, &wait, NULL) == -EINVAL);
    EXPECT(zinc_create(name, PAGE, &region) == 0);
    wait.flags = ZINC_WAIT_INTERRUPTIBLE;
    EXPECT(zinc_region_await(name, NULL, &wait, &out) == 0);
    EXPECT(zinc_region_id(out) == zinc_region_id(region));
    zinc_close(out);
    wait.flags = ZINC_WAIT_AFTER;
    EXPECT_FAILURE(-EINVAL, zinc_region_await(name, NULL, &wait, &out));
    zinc_close(region);
    place_file("no region, but long enough to hold the header of one, were it one: 72 bytes.", 72);
    wait.flags = 0;
    EXPECT_FAILURE(-EBADMSG, zinc_region_await(name, NULL, &wait, &out));
    unlink(path);
}

static void presence(void) {
    ZincHandle region, other;
    ZincWaitOptions options = {.size = sizeof options, .flags = ZINC_WAIT_UNTIL_ALONE};
    EXPECT(zinc_region_is_alone(NULL) == -EINVAL);
    EXPECT(zinc_create(name, PAGE, &region) == 0);
    EXPECT(zinc_region_is_alone(region) == 1);
    EXPECT(zinc_region_wait(region, &options) == -EPIPE);
    EXPECT(zinc_open(name, &other) == 0);
    EXPECT(zinc_region_is_alone(region) == 0 && zinc_region_is_alone(other) == 0);
    EXPECT(zinc_region_wait(region, &options) == -ETIMEDOUT);
    options.deadline_ns = ZINC_FOREVER;
    zinc_notify(other);
    EXPECT(zinc_region_wait(region, &options) == 0);
    ZincWaitItem item = {region, 0, 0};
    EXPECT(zinc_wait_any(&item, 1, &options) == -EINVAL);
    EXPECT(zinc_wait_all(&item, 1, &options) == -EINVAL);
    zinc_close(other);
    EXPECT(zinc_region_wait(region, &options) == -EPIPE);
    zinc_region_detach(region);
    EXPECT(zinc_region_is_alone(region) == -EINVAL);
    EXPECT(zinc_region_wait(region, &options) == -ECANCELED);
    zinc_close(region);
    EXPECT(zinc_region_create_anonymous(8, NULL, &region) == 0);
    EXPECT(zinc_region_is_alone(region) == -EINVAL);
    EXPECT(zinc_region_wait(region, &options) == -EINVAL);
    EXPECT(strstr(zinc_error_message(), "no record"));
    zinc_close(region);
}

static void renaming(void) {
    ZincHandle region, other;
    char next[96];
    snprintf(next, sizeof next, "%s-next", name);
    EXPECT(zinc_region_rename(NULL, next) == -EINVAL);
    EXPECT(zinc_create(name, PAGE, &region) == 0);
    EXPECT(zinc_region_rename(region, NULL) == -EINVAL);
    EXPECT(zinc_region_rename(region, "a/b") == -EINVAL);
    EXPECT(zinc_region_rename(region, name) == -EEXIST);
    EXPECT(zinc_open(name, &other) == 0);
    EXPECT(zinc_region_rename(region, next) == 0 && zinc_region_rename(other, next) == 0);
    zinc_close(other);
    EXPECT(zinc_region_keep(region, 0) == 0);
    EXPECT(zinc_region_rename(region, next) == 0);
    EXPECT(zinc_region_give_back(region) == 0);
    EXPECT(zinc_region_rename(region, next) == 1);
    EXPECT(strcmp(zinc_region_name(region), next) == 0);
    EXPECT(zinc_open(name, &other) == -ENOENT);
    EXPECT(zinc_open(next, &other) == 0);
    ZincWaitOptions wait = {.size = sizeof wait, .deadline_ns = ZINC_FOREVER};
    zinc_region_stop(region);
    zinc_region_stop(NULL);
    EXPECT(zinc_region_wait(region, &wait) == -ECANCELED);
    EXPECT(zinc_region_rename(other, name) == 0); /* it is attached */
    zinc_close(region);
    EXPECT(zinc_region_rename(other, name) == 1);
    EXPECT(zinc_region_remove(other) == 0);
    EXPECT(zinc_region_rename(other, next) == -ENOENT);
    zinc_region_detach(other);
    EXPECT(zinc_region_rename(other, next) == -EINVAL);
    zinc_close(other);
    EXPECT(zinc_region_create_anonymous(8, NULL, &region) == 0);
    EXPECT(zinc_region_rename(region, next) == -EINVAL);
    zinc_close(region);
}

static void notifications(void) {
    ZincHandle region;
    ZincWaitOptions options = {sizeof options, 0, 0, 0};
    uint32_t sequence = 0;
    EXPECT(zinc_create(name, PAGE, &region) == 0);
    EXPECT(zinc_try_wait(region) == -EAGAIN);
    EXPECT(zinc_wait(region, 0) == -ETIMEDOUT);
    EXPECT(zinc_wait(region, 1) == -ETIMEDOUT);
    zinc_notify(region);
    EXPECT(zinc_wait(region, UINT32_MAX) == 0);
    EXPECT(zinc_region_notify(region, &sequence) == 0 && sequence == 2);
    EXPECT(zinc_region_notify(region, NULL) == 0 && zinc_region_sequence(region) == 3);
    EXPECT(zinc_try_wait(region) == 0 && zinc_try_wait(region) == -EAGAIN);
    EXPECT(zinc_region_wait(region, NULL) == -EINVAL);
    EXPECT(zinc_region_wait(region, &options) == -ETIMEDOUT);
    options.flags = ZINC_WAIT_AFTER, options.after = 2;
    EXPECT(zinc_region_wait(region, &options) == 0);
    options.flags = 64;
    EXPECT(zinc_region_wait(region, &options) == -EINVAL);
    options = (ZincWaitOptions){3, 0, 0, 0};
    EXPECT(zinc_region_wait(region, &options) == -EINVAL);

    ZincWaitItem items[2] = {{region, 0, 9}, {region, 3, 9}};
    options = (ZincWaitOptions){sizeof options, 0, 0, 0};
    EXPECT(zinc_wait_any(items, 2, NULL) == -EINVAL);
    EXPECT(zinc_wait_any(items, 2, &options) == -ETIMEDOUT);
    EXPECT(!items[0].is_new && !items[1].is_new && items[0].after == 3);
    options.flags = ZINC_WAIT_AFTER, items[0].after = 0;
    EXPECT(zinc_wait_any(items, 2, &options) == 0 && items[0].is_new && !items[1].is_new);
    EXPECT(zinc_wait_all(items, 2, &options) == -ETIMEDOUT && !items[0].is_new);
    zinc_notify(region);
    EXPECT(zinc_wait_all(items, 2, &options) == 0 && items[0].is_new && items[1].is_new);
    EXPECT(zinc_region_seen(region) == 3 && zinc_try_wait(region) == 0 && zinc_region_seen(region) == 4);

    memset(zinc_ptr(region), 7, zinc_capacity(region));
    zinc_region_detach(region);
    EXPECT(zinc_wait_any(items, 2, &options) == -ECANCELED && !items[0].is_new);
    zinc_region_detach(region);
    EXPECT(access(path, F_OK) != 0);
    EXPECT(zinc_ptr(region)[4095] == 7);
    EXPECT(zinc_wait(region, UINT32_MAX) == -ECANCELED);

    /* News that came before do not make a closed region another one. */
    zinc_notify(region);
    EXPECT(zinc_wait(region, 0) == -ECANCELED);
    EXPECT(zinc_wait(region, UINT32_MAX) == -ECANCELED);
    EXPECT(zinc_wait_any(items, 2, &options) == -ECANCELED);
    options.after = 0, options.deadline_ns = ZINC_FOREVER;
    EXPECT(zinc_region_wait(region, &options) == -ECANCELED);
    zinc_close(region);
}

static int is_readable(int32_t descriptor, int timeout_ms) {
    struct pollfd entry = {.fd = descriptor, .events = POLLIN};
    return poll(&entry, 1, timeout_ms) == 1 && entry.revents == POLLIN;
}

static void event_descriptors(void) {
    ZincHandle region;
    EXPECT(zinc_region_event_descriptor(NULL) == -EINVAL);
    EXPECT(zinc_create(name, PAGE, &region) == 0);
    int32_t descriptor = zinc_region_event_descriptor(region);
    EXPECT(descriptor >= 0 && zinc_region_event_descriptor(region) == descriptor);
    EXPECT(!is_readable(descriptor, 0));
    zinc_notify(region);
    EXPECT(is_readable(descriptor, 60000));
    EXPECT(zinc_try_wait(region) == 0 && !is_readable(descriptor, 0));
    zinc_notify(region);
    EXPECT(is_readable(descriptor, 60000));
    zinc_region_detach(region);
    EXPECT(fcntl(descriptor, F_GETFD) == -1 && errno == EBADF);
    EXPECT(zinc_region_event_descriptor(region) == -EINVAL);
    EXPECT(strstr(zinc_error_message(), "closed"));
    zinc_close(region);
}

int main(void) {
    snprintf(name, sizeof name, "c-%d-", (int)getpid());
    snprintf(too_large, sizeof too_large, "%slarge", name);
    snprintf(path, sizeof path, "/dev/shm/zinc_%s", name);
    EXPECT(zinc_version() >> 16 == 4);
    long before = traces();
    nulls();
    arguments();
    contents();
    replacement();
    groups();
    descriptions();
    tells_its_place();
    looks();
    names();
    awaiting();
    presence();
    renaming();
    notifications();
    event_descriptors();
    EXPECT(traces() == before);
    return failures > 0;
}
