/* What each system does that follows POSIX, for the others of this folder. */
#ifndef CZINC_POSIX_H
#define CZINC_POSIX_H

/*
 * None of these may include <sys/types.h>: with the GNU declarations its fd_set
 * differs from the one in Swift's Glibc module.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#pragma clang assume_nonnull begin

static inline int32_t czinc_open(const char *path, int32_t is_writable) {
    int fd = open(path, (is_writable ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static inline int32_t czinc_close(int32_t fd) { return close(fd) < 0 ? -errno : 0; }

static inline int32_t czinc_fchmod(int32_t fd, uint32_t mode) {
    return fchmod(fd, (mode_t)mode) < 0 ? -errno : 0;
}

static inline int32_t czinc_set_group(int32_t fd, uint32_t group) {
    return fchown(fd, (uid_t)-1, (gid_t)group) < 0 ? -errno : 0;
}

static inline int32_t czinc_ftruncate(int32_t fd, int64_t size) {
    return ftruncate(fd, size) < 0 ? -errno : 0;
}

static inline int64_t czinc_pread(int32_t fd, void *buffer, uintptr_t count, int64_t offset) {
    ssize_t n = pread(fd, buffer, count, offset);
    return n < 0 ? -errno : n;
}

static inline int64_t czinc_pwrite(int32_t fd, const void *buffer, uintptr_t count, int64_t offset) {
    ssize_t n = pwrite(fd, buffer, count, offset);
    return n < 0 ? -errno : n;
}

static inline int32_t czinc_duplicate(int32_t fd) {
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return copy < 0 ? -errno : copy;
}

static inline int32_t czinc_unlink(const char *path) { return unlink(path) < 0 ? -errno : 0; }

static inline int32_t czinc_rmdir(const char *path) { return rmdir(path) < 0 ? -errno : 0; }

static inline void *_Nullable czinc_opendir(const char *path) { return opendir(path); }

static inline const char *_Nullable czinc_readdir(void *folder) {
    struct dirent *entry = readdir(folder);
    return entry ? entry->d_name : NULL;
}

static inline void czinc_closedir(void *folder) { closedir(folder); }

static inline int32_t czinc_is_writable(int32_t fd) {
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && (flags & O_ACCMODE) == O_RDWR;
}

static inline void czinc_space(const char *path, uint64_t *available, uint64_t *total) {
    struct statvfs s;
    if (statvfs(path, &s) < 0) memset(&s, 0, sizeof s);
    *available = (uint64_t)s.f_bavail * s.f_frsize;
    *total = (uint64_t)s.f_blocks * s.f_frsize;
}

static inline void czinc_join(char *out, uintptr_t size, const char *root, const char *middle, int32_t length,
                              const char *file) {
    snprintf(out, size, "%s%.*s%s", root, (int)length, middle, file);
}

static inline int32_t czinc_number(const char *text, uint64_t *value) {
    while (*text == ' ') text++;
    if (*text < '0' || *text > '9') return 0;
    for (*value = 0; *text >= '0' && *text <= '9'; text++) *value = *value * 10 + (uint64_t)(*text - '0');
    return 1;
}

/* The first half of a UUID. */
static inline uint64_t czinc_half(const char *uuid) {
    uint64_t value = 0;
    for (int digits = 0; digits < 16 && *uuid; uuid++) {
        const char *hexadecimal = "0123456789abcdef";
        const char *digit = strchr(hexadecimal, *uuid | 0x20);
        if (!digit) continue;
        value = value << 4 | (uint64_t)(digit - hexadecimal);
        digits++;
    }
    return value;
}

static inline const char *_Nullable czinc_range(const char *text, uint64_t *first, uint64_t *last) {
    if (!czinc_number(text, first)) return NULL;
    text += strspn(text, " 0123456789");
    *last = *first;
    if (*text == '-' && czinc_number(text + 1, last)) text += 1 + strspn(text + 1, " 0123456789");
    return *text == ',' ? text + 1 : text;
}

static inline int32_t czinc_lock(int32_t fd, int32_t lock, int64_t byte) {
    short type = lock == CZINC_LOCK_SHARED ? F_RDLCK : lock == CZINC_LOCK_EXCLUSIVE ? F_WRLCK : F_UNLCK;
    struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    return fcntl(fd, F_OFD_SETLK, &l) < 0 ? (errno == EACCES ? -EAGAIN : -errno) : 0;
}

static inline int32_t czinc_lock_of_others(int32_t fd, int64_t byte) {
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    if (fcntl(fd, F_OFD_GETLK, &l) < 0) return -errno;
    return l.l_type == F_RDLCK   ? CZINC_LOCK_SHARED
           : l.l_type == F_WRLCK ? CZINC_LOCK_EXCLUSIVE
                                 : CZINC_LOCK_NONE;
}

static inline int32_t czinc_mmap(int32_t fd, uintptr_t length, int32_t is_writable,
                                 void *_Nullable *_Nonnull out) {
    int protection = is_writable ? PROT_READ | PROT_WRITE : PROT_READ;
    void *address = mmap(NULL, length, protection, MAP_SHARED, fd, 0);
    *out = address == MAP_FAILED ? NULL : address;
    return address == MAP_FAILED ? -errno : 0;
}

static inline int32_t czinc_mmap_aligned(int32_t fd, uintptr_t length, int32_t is_writable,
                                         uintptr_t alignment, void *_Nullable *_Nonnull out) {
    int protection = is_writable ? PROT_READ | PROT_WRITE : PROT_READ;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t whole = (length + page - 1) / page * page;
    char *start =
        mmap(NULL, whole + alignment, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED) return -errno;
    char *aligned = start + (alignment - (uintptr_t)start % alignment) % alignment;
    char *end = start + whole + alignment;
    if (mmap(aligned, whole, protection, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED) {
        int error = errno;
        munmap(start, whole + alignment);
        return -error;
    }
    if (aligned > start) munmap(start, (uintptr_t)(aligned - start));
    if (aligned + whole < end) munmap(aligned + whole, (uintptr_t)(end - aligned) - whole);
    *out = aligned;
    return 0;
}

static inline int32_t czinc_mmap_unnamed(uintptr_t length, void *_Nullable *_Nonnull out) {
    void *address = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    *out = address == MAP_FAILED ? NULL : address;
    return address == MAP_FAILED ? -errno : 0;
}

static inline int32_t czinc_protect(void *address, uintptr_t length) {
    return mprotect(address, length, PROT_READ) < 0 ? -errno : 0;
}

static inline int32_t czinc_munmap(void *address, uintptr_t length) {
    return munmap(address, length) < 0 ? -errno : 0;
}

static inline uintptr_t czinc_page_size(void) { return (uintptr_t)sysconf(_SC_PAGESIZE); }

static inline uint64_t czinc_clock(clockid_t clock) {
    struct timespec t = {0, 0};
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline void czinc_sleep(uint64_t nanoseconds) {
    struct timespec t = {(time_t)(nanoseconds / 1000000000u), (long)(nanoseconds % 1000000000u)};
    nanosleep(&t, NULL);
}

static inline int64_t czinc_processors(void) { return sysconf(_SC_NPROCESSORS_ONLN); }

static inline void czinc_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}

static inline void czinc_prefetch(const void *word) { __builtin_prefetch(word); }

static inline void czinc_prefetch_to_write(const void *word) {
#if defined(__x86_64__) /* where compilers take it for what old processors have not: these skip it */
    __asm__("prefetchw %0" : : "m"(*(const char *)word));
#else
    __builtin_prefetch(word, 1);
#endif
}

static inline uint32_t czinc_user(void) { return geteuid(); }

static inline int32_t czinc_process(void) { return (int32_t)getpid(); }

static inline int32_t czinc_at_fork(void (*prepare)(void), void (*parent)(void), void (*child)(void)) {
    return -pthread_atfork(prepare, parent, child);
}

static inline int32_t czinc_result_of_stat(long result, struct stat s, struct czinc_status *out) {
    if (result < 0) return -errno;
    *out = (struct czinc_status){.device = (uint64_t)s.st_dev,
                                 .inode = s.st_ino,
                                 .size = s.st_size,
                                 .mode = s.st_mode & 07777,
                                 .is_regular = S_ISREG(s.st_mode),
                                 .owner = s.st_uid,
                                 .group = s.st_gid,
                                 .links = (uint32_t)s.st_nlink,
                                 .memory = (uint64_t)s.st_blocks * 512};
    return 0;
}

#pragma clang assume_nonnull end

#endif
