/*
 * What stands in where a system has no file without a name that gets one, no memory without a name
 * that nobody can cut, and no sleep on many words. Included by a platform, which has CZINC_FOLDER.
 *
 * A new file has a name of its own, which begins with a dot and so is none of a region, until it is
 * complete and renamed. A process that is killed leaves it; how others know, the core decides
 * (RegionName.reclaimUnfinished).
 */
#ifndef CZINC_PORTABLE_H
#define CZINC_PORTABLE_H

#define CZINC_NEW ".zinc_new_"

#pragma clang assume_nonnull begin

static inline int32_t czinc_names_what_is_new(void) { return 1; }

struct czinc_new_path {
    char text[sizeof CZINC_FOLDER "/" CZINC_NEW + 20]; /* as many digits at most */
};

static inline struct czinc_new_path czinc_new_path(uint64_t number) {
    struct czinc_new_path path;
    snprintf(path.text, sizeof path.text, CZINC_FOLDER "/" CZINC_NEW "%llu", (unsigned long long)number);
    return path;
}

static inline const char *czinc_new_prefix(void) { return CZINC_NEW; }

/* Numbers are drawn: none comes again. Before it is locked nobody but this user may lock it. */
static inline int32_t czinc_create_new(uint32_t mode, uint64_t *number) {
    int fd;
    do {
        int error = czinc_random(number, sizeof *number);
        if (error < 0) return error;
        fd = open(czinc_new_path(*number).text, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, (mode_t)mode & 0600);
    } while (fd < 0 && errno == EEXIST);
    return fd < 0 ? -errno : fd;
}

static inline int32_t czinc_publish(int32_t fd, uint64_t number, const char *to) {
    (void)fd;
    return czinc_rename(czinc_new_path(number).text, to);
}

static inline int32_t czinc_open_new(uint64_t number) { return czinc_open(czinc_new_path(number).text, 1); }

static inline int32_t czinc_discard_new(uint64_t number) { return czinc_unlink(czinc_new_path(number).text); }

/* A new file that has lost its name; whoever takes it for a left one is as welcome to remove that. */
static inline int32_t czinc_create_anonymous(void) {
    uint64_t number;
    int fd = czinc_create_new(0600, &number);
    if (fd >= 0) czinc_discard_new(number);
    return fd;
}

/* Nothing forbids it: whoever has a descriptor to write can cut the file. */
static inline int32_t czinc_fix_size(int32_t fd) {
    (void)fd;
    return 0;
}

static inline int32_t czinc_is_size_fixed(int32_t fd) {
    struct czinc_status status;
    return czinc_fstat(fd, &status) == 0 && status.is_regular && status.links == 0;
}

/* Each thread would have to sleep on one of them. */
static inline int32_t czinc_futex_wait_many(const struct czinc_sleep_entry *entries, uint32_t count,
                                            uint64_t deadline) {
    (void)entries, (void)count, (void)deadline;
    return -ENOSYS;
}

static inline struct czinc_sleep_entry czinc_sleep_on(const void *word, uint32_t expected) {
    return (struct czinc_sleep_entry){expected, (uintptr_t)word, 0, 0};
}

#pragma clang assume_nonnull end

#endif
