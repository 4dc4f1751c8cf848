/*
 * Linux, 3.15 or newer. With CZINC_PORTABLE it uses no more of it than other systems have something
 * for, which shows that zinc hangs on nothing else: for the tests alone.
 */
#ifndef CZINC_LINUX_H
#define CZINC_LINUX_H

#include "posix.h"

#include <linux/futex.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/syscall.h>

#define CZINC_FOLDER "/dev/shm"

#ifdef CZINC_PORTABLE
#include "portable.h"
#endif

#pragma clang assume_nonnull begin

/*
 * A raw syscall() stands where the C library's function is younger than glibc 2.17, or has
 * moved since: a library built here then loads there.
 */

static inline const char *czinc_folder(void) { return CZINC_FOLDER; }

static inline int32_t czinc_fstat(int32_t fd, struct czinc_status *out) {
    struct stat s;
    return czinc_result_of_stat(syscall(SYS_fstat, fd, &s), s, out);
}

static inline int32_t czinc_lstat(const char *path, struct czinc_status *out) {
    struct stat s;
    return czinc_result_of_stat(syscall(SYS_newfstatat, AT_FDCWD, path, &s, AT_SYMLINK_NOFOLLOW), s, out);
}

/* random(4), pid_namespaces(7) */
static inline int32_t czinc_whereabouts(uint64_t *machine, uint64_t *processes) {
    struct stat s;
    if (syscall(SYS_newfstatat, AT_FDCWD, "/proc/self/ns/pid", &s, 0) < 0) return -errno;
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -errno;
    char uuid[37] = {0};
    ssize_t got = read(fd, uuid, sizeof uuid - 1);
    int error = got < 0 ? errno : EIO;
    close(fd);
    *machine = czinc_half(uuid);
    *processes = s.st_ino;
    return *machine ? 0 : -error;
}

static inline int32_t czinc_fallocate(int32_t fd, int64_t offset, int64_t length) {
    return fallocate(fd, 0, offset, length) < 0 ? -errno : 0;
}

static inline int32_t czinc_punch(int32_t fd, int64_t offset, int64_t length) {
    return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length) < 0 ? -errno : 0;
}

/* Needs /proc. */
static inline int32_t czinc_reopen(int32_t fd, int32_t is_writable) {
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int copy = open(path, (is_writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
    return copy < 0 ? -errno : copy;
}

static inline int32_t czinc_replace(int32_t fd, int32_t number) {
    return dup3(fd, number, O_CLOEXEC) < 0 ? -errno : 0;
}

static inline int32_t czinc_rename(const char *from, const char *to) {
    enum { NO_REPLACE = 1 };
    return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, NO_REPLACE) < 0 ? -errno : 0;
}

static inline int32_t czinc_watch(const char *folder) {
    int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (fd < 0) return -errno;
    if (inotify_add_watch(fd, folder, IN_CREATE | IN_MOVED_TO | IN_ONLYDIR) >= 0) return fd;
    int error = errno;
    close(fd);
    return -error;
}

static inline void czinc_watch_drain(int32_t fd) {
    char events[4096]; /* what is not read now wakes again */
    ssize_t done = read(fd, events, sizeof events);
    (void)done;
}

static inline int32_t czinc_sleep_until_readable(int32_t fd, uint64_t nanoseconds) {
    struct timespec t = {(time_t)(nanoseconds / 1000000000u), (long)(nanoseconds % 1000000000u)};
    struct pollfd entry = {.fd = fd, .events = POLLIN};
    int count = ppoll(&entry, 1, &t, NULL);
    return count < 0 ? -errno : count;
}

static inline int32_t czinc_event(uint32_t is_readable) {
    int fd = eventfd(is_readable, EFD_CLOEXEC | EFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

static inline void czinc_event_set(int32_t fd, uint32_t is_readable) {
    uint64_t number = is_readable;
    ssize_t done = is_readable ? write(fd, &number, sizeof number) : read(fd, &number, sizeof number);
    (void)done;
}

static inline int32_t czinc_event_anew(int32_t fd, uint32_t is_readable) {
    if (fd < 0) return -1;
    close(fd);
    int made = czinc_event(is_readable);
    if (made < 0 || made == fd) return made < 0 ? -1 : made;
    int placed = dup3(made, fd, O_CLOEXEC);
    close(made);
    return placed;
}

/* MADV_COLLAPSE; a kernel that is older than Linux 6.1 says EINVAL. */
static inline int32_t czinc_collapse(void *address, uintptr_t length) {
    madvise(address, length, MADV_HUGEPAGE); /* for what is touched later */
    return madvise(address, length, 25) < 0 ? -errno : 0;
}

/* MADV_POPULATE_READ or MADV_POPULATE_WRITE; EINVAL before Linux 5.14. */
static inline int32_t czinc_populate(void *address, uintptr_t length, int32_t for_writing) {
    return madvise(address, length, for_writing ? 23 : 22) < 0 ? -errno : 0;
}

static inline void czinc_keep_from_children(void *address, uintptr_t length) {
    madvise(address, length, MADV_DONTFORK);
}

static inline void czinc_keep_from_dumps(void *address, uintptr_t length) {
    madvise(address, length, MADV_DONTDUMP);
}

static inline uint64_t czinc_monotonic(void) { return czinc_clock(CLOCK_MONOTONIC); }

static inline uint64_t czinc_boot(void) { return czinc_clock(CLOCK_BOOTTIME); }

static inline uint64_t czinc_wall(void) { return czinc_clock(CLOCK_REALTIME); }

static inline uint64_t czinc_wall_coarse(void) { return czinc_clock(CLOCK_REALTIME_COARSE); }

static inline int32_t czinc_random(void *buffer, uintptr_t count) {
    long got;
    do got = syscall(SYS_getrandom, buffer, count, 0);
    while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got == (long)count ? 0 : -EIO; /* up to 256 bytes come whole */
}

static inline int32_t czinc_futex_wait(const void *word, uint32_t expected, uint64_t deadline) {
    struct timespec t = {(time_t)(deadline / 1000000000u), (long)(deadline % 1000000000u)};
    return syscall(SYS_futex, word, FUTEX_WAIT_BITSET, expected, &t, NULL, FUTEX_BITSET_MATCH_ANY) < 0
               ? -errno
               : 0;
}

static inline void czinc_futex_wake(const void *word) {
    syscall(SYS_futex, word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

static inline void czinc_futex_wake_one(const void *word) {
    syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static inline const char *czinc_describe(int32_t error, char *scratch, uintptr_t size) {
#ifdef __GLIBC__
    return strerror_r(error, scratch, size);
#else /* POSIX */
    return strerror_r(error, scratch, size) == 0 ? scratch : "unknown error";
#endif
}

#ifndef CZINC_PORTABLE

static inline int32_t czinc_names_what_is_new(void) { return 0; }

static inline int32_t czinc_create_new(uint32_t mode, uint64_t *number) {
    *number = 0;
    int fd = open(CZINC_FOLDER, O_TMPFILE | O_RDWR | O_CLOEXEC, (mode_t)mode);
    return fd < 0 ? -errno : fd;
}

/*
 * The direct way is for the privileged and, from Linux 6.10 on, for who opened the file, and says
 * ENOENT to others; /proc is for all, at twice the price.
 */
static inline int32_t czinc_publish(int32_t fd, uint64_t number, const char *to) {
    (void)number;
    if (linkat(fd, "", AT_FDCWD, to, AT_EMPTY_PATH) == 0) return 0;
    if (errno != ENOENT && errno != EPERM) return -errno;
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return linkat(AT_FDCWD, path, AT_FDCWD, to, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

/* There are none. */
static inline int32_t czinc_open_new(uint64_t number) {
    (void)number;
    return -ENOENT;
}

static inline int32_t czinc_discard_new(uint64_t number) {
    (void)number;
    return -ENOENT;
}

static inline const char *czinc_new_prefix(void) { return ""; }

static inline int32_t czinc_create_anonymous(void) {
    int fd = (int)syscall(SYS_memfd_create, "zinc", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    return fd < 0 ? -errno : fd;
}

static inline int32_t czinc_fix_size(int32_t fd) {
    return fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0 ? -errno : 0;
}

static inline int32_t czinc_is_size_fixed(int32_t fd) {
    int seals = fcntl(fd, F_GET_SEALS);
    return seals >= 0 && (seals & F_SEAL_SHRINK) && (seals & F_SEAL_GROW);
}

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449 /* on every machine; old headers have no name for it */
#endif

/* From Linux 5.16 on, whose struct futex_waitv an entry is. */
static inline int32_t czinc_futex_wait_many(const struct czinc_sleep_entry *entries, uint32_t count,
                                            uint64_t deadline) {
    struct timespec t = {(time_t)(deadline / 1000000000u), (long)(deadline % 1000000000u)};
    return syscall(SYS_futex_waitv, entries, count, 0, &t, CLOCK_MONOTONIC) < 0 ? -errno : 0;
}

static inline struct czinc_sleep_entry czinc_sleep_on(const void *word, uint32_t expected) {
    enum { WORD_OF_32_BITS = 2 };
    return (struct czinc_sleep_entry){expected, (uintptr_t)word, WORD_OF_32_BITS, 0};
}

#endif

#pragma clang assume_nonnull end

#endif
