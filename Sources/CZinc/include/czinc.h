/*
 * The platform, for the core alone: one inline function per system call, which
 * returns -errno, and the layout of the header page. Nothing here decides
 * anything. Linux.
 */
#ifndef CZINC_H
#define CZINC_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

/*
 * None of these may include <sys/types.h>: with the GNU declarations its fd_set
 * differs from the one in Swift's Glibc module.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#pragma clang assume_nonnull begin

/* The start of a region's file, layout version 4. Offsets are asserted in layout.c. */
struct czinc_header {
    uint64_t magic;
    uint16_t version;
    uint16_t flags;
    uint32_t sequence;
    uint64_t capacity;
    uint32_t parked;
    int32_t creator_pid;
    uint64_t created_at;
    uint64_t id;
    uint64_t data_offset;
    uint32_t woken;
    uint32_t reserved;
    uint32_t kind;
    uint32_t metadata_length;
    uint64_t kept_until;
    uint32_t tickets;
    uint32_t unused;
    uint64_t owner; /* id of the store that it is an object of, or 0 */
    uint32_t lock_word;
    int32_t lock_pid;
    uint64_t lock_since;
};

/*
 * A raw syscall() stands where the C library's function is younger than glibc 2.17, or has
 * moved since: a library built here then loads there.
 */

/* ---- files ---- */

/*
 * Opens a file to read it, and to write it too. Never blocks, on a FIFO say, and never follows a
 * link. No descriptor of these functions is inherited across exec.
 */
static inline int32_t czinc_open(const char *path, int32_t is_writable) {
    int fd = open(path, (is_writable ? O_RDWR : O_RDONLY) | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* A new file in the folder, to be read and written, that has no name yet. */
static inline int32_t czinc_create_unnamed(const char *folder, uint32_t mode) {
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, (mode_t)mode);
    return fd < 0 ? -errno : fd;
}

static inline int32_t czinc_close(int32_t fd) { return close(fd) < 0 ? -errno : 0; }

struct czinc_status {
    uint64_t device;
    uint64_t inode;
    int64_t size;
    uint32_t mode; /* permissions alone */
    uint32_t is_regular;
    uint32_t owner;
    uint32_t group;
    uint32_t links;
    uint64_t memory; /* bytes that the file really has */
};

static inline int32_t czinc_result_of_stat(long result, struct stat s, struct czinc_status *out) {
    if (result < 0) return -errno;
    *out = (struct czinc_status){.device = s.st_dev,
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

static inline int32_t czinc_fstat(int32_t fd, struct czinc_status *out) {
    struct stat s;
    return czinc_result_of_stat(syscall(SYS_fstat, fd, &s), s, out);
}

/* Of what the path itself names, be it a link. */
static inline int32_t czinc_lstat(const char *path, struct czinc_status *out) {
    struct stat s;
    return czinc_result_of_stat(syscall(SYS_newfstatat, AT_FDCWD, path, &s, AT_SYMLINK_NOFOLLOW), s, out);
}

static inline int32_t czinc_fchmod(int32_t fd, uint32_t mode) {
    return fchmod(fd, (mode_t)mode) < 0 ? -errno : 0;
}

static inline int32_t czinc_set_group(int32_t fd, uint32_t group) {
    return fchown(fd, (uid_t)-1, (gid_t)group) < 0 ? -errno : 0;
}

static inline int32_t czinc_ftruncate(int32_t fd, int64_t size) {
    return ftruncate(fd, size) < 0 ? -errno : 0;
}

/* fallocate itself: posix_fallocate would fall back to writing every page by hand. */
static inline int32_t czinc_fallocate(int32_t fd, int64_t offset, int64_t length) {
    return fallocate(fd, 0, offset, length) < 0 ? -errno : 0;
}

/* Zeroes a part of a file and gives back the memory of whole pages in it. */
static inline int32_t czinc_punch(int32_t fd, int64_t offset, int64_t length) {
    return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length) < 0 ? -errno : 0;
}

static inline int64_t czinc_pread(int32_t fd, void *buffer, uintptr_t count, int64_t offset) {
    ssize_t n = pread(fd, buffer, count, offset);
    return n < 0 ? -errno : n;
}

static inline int64_t czinc_pwrite(int32_t fd, const void *buffer, uintptr_t count, int64_t offset) {
    ssize_t n = pwrite(fd, buffer, count, offset);
    return n < 0 ? -errno : n;
}

/* The file of a descriptor anew: another description, with locks of its own. Needs /proc. */
static inline int32_t czinc_reopen(int32_t fd, int32_t is_writable) {
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int copy = open(path, (is_writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
    return copy < 0 ? -errno : copy;
}

static inline int32_t czinc_duplicate(int32_t fd) {
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return copy < 0 ? -errno : copy;
}

/* What `number` leads to is now what fd leads to; atomically, as other threads see it. */
static inline int32_t czinc_replace(int32_t fd, int32_t number) {
    return dup3(fd, number, O_CLOEXEC) < 0 ? -errno : 0;
}

/*
 * Gives an unnamed file a name. The direct way is for the privileged and, from Linux 6.10
 * on, for who opened the file, and says ENOENT to others; /proc is for all, at twice the price.
 */
static inline int32_t czinc_link(int32_t fd, const char *to) {
    if (linkat(fd, "", AT_FDCWD, to, AT_EMPTY_PATH) == 0) return 0;
    if (errno != ENOENT && errno != EPERM) return -errno;
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return linkat(AT_FDCWD, path, AT_FDCWD, to, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

static inline int32_t czinc_unlink(const char *path) { return unlink(path) < 0 ? -errno : 0; }

/* Gives a file another name, unless something has that. It takes Linux 3.15. */
static inline int32_t czinc_rename(const char *from, const char *to) {
    enum { NO_REPLACE = 1 };
    return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, NO_REPLACE) < 0 ? -errno : 0;
}

static inline int32_t czinc_rmdir(const char *path) { return rmdir(path) < 0 ? -errno : 0; }

/* A folder's names one after another, null at the end: opendir(3), readdir(3), closedir(3). */
static inline void *_Nullable czinc_opendir(const char *path) { return opendir(path); }

static inline const char *_Nullable czinc_readdir(void *folder) {
    struct dirent *entry = readdir(folder);
    return entry ? entry->d_name : NULL;
}

static inline void czinc_closedir(void *folder) { closedir(folder); }

/* A queue of what happens to files (inotify(7)), empty, whose reader never sleeps. */
static inline int32_t czinc_inotify(void) {
    int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

/* From now on the queue is told of whatever comes into the folder. */
static inline int32_t czinc_inotify_add(int32_t fd, const char *folder) {
    int watch = inotify_add_watch(fd, folder, IN_CREATE | IN_MOVED_TO | IN_ONLYDIR);
    return watch < 0 ? -errno : 0;
}

static inline int64_t czinc_read(int32_t fd, void *buffer, uintptr_t count) {
    ssize_t n = read(fd, buffer, count);
    return n < 0 ? -errno : n;
}

/* Sleeps until there is something to read, at most so many nanoseconds. 0 if there was nothing. */
static inline int32_t czinc_sleep_until_readable(int32_t fd, uint64_t nanoseconds) {
    struct timespec t = {(time_t)(nanoseconds / 1000000000u), (long)(nanoseconds % 1000000000u)};
    struct pollfd entry = {.fd = fd, .events = POLLIN};
    int count = ppoll(&entry, 1, &t, NULL);
    return count < 0 ? -errno : count;
}

/* A descriptor that is readable if `is_readable`, whose reader and writer never sleep: eventfd(2). */
static inline int32_t czinc_eventfd(uint32_t is_readable) {
    int fd = eventfd(is_readable, EFD_CLOEXEC | EFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

/* Makes an eventfd readable, or unreadable if it is not already. */
static inline void czinc_eventfd_set(int32_t fd, uint32_t is_readable) {
    uint64_t number = is_readable;
    ssize_t done = is_readable ? write(fd, &number, sizeof number) : read(fd, &number, sizeof number);
    (void)done;
}

/*
 * Another eventfd with the number of this one, or -1: that one is closed first, so there is a
 * number to be had. For a process with a single thread.
 */
static inline int32_t czinc_eventfd_anew(int32_t fd, uint32_t is_readable) {
    if (fd < 0) return -1;
    close(fd);
    int made = czinc_eventfd(is_readable);
    if (made < 0 || made == fd) return made < 0 ? -1 : made;
    int placed = dup3(made, fd, O_CLOEXEC);
    close(made);
    return placed;
}

/* An unnamed file that is in no file system, whose size can be fixed. */
static inline int32_t czinc_memfd(void) {
    int fd = (int)syscall(SYS_memfd_create, "zinc", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    return fd < 0 ? -errno : fd;
}

/* Fixes a memfd's size, and that it is fixed. */
static inline int32_t czinc_seal_size(int32_t fd) {
    return fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0 ? -errno : 0;
}

/* 1 if the file can neither shrink nor grow, 0 if it can. */
static inline int32_t czinc_is_size_sealed(int32_t fd) {
    int seals = fcntl(fd, F_GET_SEALS);
    return seals >= 0 && (seals & F_SEAL_SHRINK) && (seals & F_SEAL_GROW);
}

/* 1 if the descriptor was opened to read and to write, else 0. */
static inline int32_t czinc_is_writable(int32_t fd) {
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && (flags & O_ACCMODE) == O_RDWR;
}

/* Bytes that a file system has free for this user, and its size; 0 and 0 if it won't say. */
static inline void czinc_space(const char *path, uint64_t *available, uint64_t *total) {
    struct statvfs s;
    if (statvfs(path, &s) < 0) memset(&s, 0, sizeof s);
    *available = (uint64_t)s.f_bavail * s.f_frsize;
    *total = (uint64_t)s.f_blocks * s.f_frsize;
}

/* ---- small texts ---- */

/* root, the first `length` bytes of middle, and file, one after the other. */
static inline void czinc_join(char *out, uintptr_t size, const char *root, const char *middle, int32_t length,
                              const char *file) {
    snprintf(out, size, "%s%.*s%s", root, (int)length, middle, file);
}

/* Does a decimal number follow, after spaces? Then stores it. */
static inline int32_t czinc_number(const char *text, uint64_t *value) {
    while (*text == ' ') text++;
    if (*text < '0' || *text > '9') return 0;
    for (*value = 0; *text >= '0' && *text <= '9'; text++) *value = *value * 10 + (uint64_t)(*text - '0');
    return 1;
}

/* Does a number, or two as in 3-5, follow? Stores them; returns what comes after it and a comma. */
static inline const char *_Nullable czinc_range(const char *text, uint64_t *first, uint64_t *last) {
    if (!czinc_number(text, first)) return NULL;
    text += strspn(text, " 0123456789");
    *last = *first;
    if (*text == '-' && czinc_number(text + 1, last)) text += 1 + strspn(text + 1, " 0123456789");
    return *text == ',' ? text + 1 : text;
}

/* ---- open file description locks, one byte each (fcntl_locking(2)) ---- */

static const int32_t CZINC_LOCK_NONE = F_UNLCK;
static const int32_t CZINC_LOCK_SHARED = F_RDLCK;
static const int32_t CZINC_LOCK_EXCLUSIVE = F_WRLCK;

/* Changes what this description holds. -EAGAIN where somebody else's lock is in the way. */
static inline int32_t czinc_lock(int32_t fd, int32_t lock, int64_t byte) {
    struct flock l = {.l_type = (short)lock, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    return fcntl(fd, F_OFD_SETLK, &l) < 0 ? (errno == EACCES ? -EAGAIN : -errno) : 0;
}

/* The lock that another description holds on the byte. */
static inline int32_t czinc_lock_of_others(int32_t fd, int64_t byte) {
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    return fcntl(fd, F_OFD_GETLK, &l) < 0 ? -errno : l.l_type;
}

/* ---- memory ---- */

static inline int32_t czinc_mmap(int32_t fd, uintptr_t length, int32_t is_writable,
                                 void *_Nullable *_Nonnull out) {
    int protection = is_writable ? PROT_READ | PROT_WRITE : PROT_READ;
    void *address = mmap(NULL, length, protection, MAP_SHARED, fd, 0);
    *out = address == MAP_FAILED ? NULL : address;
    return address == MAP_FAILED ? -errno : 0;
}

/* The same at a multiple of `alignment`: in the middle of more address space, which goes again. */
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

/* MADV_COLLAPSE; a kernel that is older than Linux 6.1 says EINVAL. */
static inline int32_t czinc_collapse(void *address, uintptr_t length) {
    madvise(address, length, MADV_HUGEPAGE); /* for what is touched later */
    return madvise(address, length, 25) < 0 ? -errno : 0;
}

/* MADV_POPULATE_READ or MADV_POPULATE_WRITE; EINVAL before Linux 5.14. */
static inline int32_t czinc_populate(void *address, uintptr_t length, int32_t for_writing) {
    return madvise(address, length, for_writing ? 23 : 22) < 0 ? -errno : 0;
}

/* Of no file: shared with the children that are forked from now on, and with nobody else. */
static inline int32_t czinc_mmap_unnamed(uintptr_t length, void *_Nullable *_Nonnull out) {
    void *address = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    *out = address == MAP_FAILED ? NULL : address;
    return address == MAP_FAILED ? -errno : 0;
}

/* Whole pages can only be read from now on. */
static inline int32_t czinc_protect(void *address, uintptr_t length) {
    return mprotect(address, length, PROT_READ) < 0 ? -errno : 0;
}

static inline int32_t czinc_munmap(void *address, uintptr_t length) {
    return munmap(address, length) < 0 ? -errno : 0;
}

/* A forked child does not have this mapping. */
static inline void czinc_keep_from_children(void *address, uintptr_t length) {
    madvise(address, length, MADV_DONTFORK);
}

/* A core file does not have this mapping; no kernel without the advice has anything to say. */
static inline void czinc_keep_from_dumps(void *address, uintptr_t length) {
    madvise(address, length, MADV_DONTDUMP);
}

static inline uintptr_t czinc_page_size(void) { return (uintptr_t)sysconf(_SC_PAGESIZE); }

/* ---- time, processors, this process ---- */

static inline uint64_t czinc_clock(clockid_t clock) {
    struct timespec t = {0, 0};
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Nanoseconds, in all processes alike: since some start, that never go back; deadlines are such. */
static inline uint64_t czinc_monotonic(void) { return czinc_clock(CLOCK_MONOTONIC); }

/* The same, which go on while the machine sleeps. */
static inline uint64_t czinc_boot(void) { return czinc_clock(CLOCK_BOOTTIME); }

/* Since 1970. */
static inline uint64_t czinc_wall(void) { return czinc_clock(CLOCK_REALTIME); }

/* The same as it was at most milliseconds ago, in a few nanoseconds. */
static inline uint64_t czinc_wall_coarse(void) { return czinc_clock(CLOCK_REALTIME_COARSE); }

static inline void czinc_sleep(uint64_t nanoseconds) {
    struct timespec t = {(time_t)(nanoseconds / 1000000000u), (long)(nanoseconds % 1000000000u)};
    nanosleep(&t, NULL);
}

/* Processors of this machine that are at work. */
static inline int64_t czinc_processors(void) { return sysconf(_SC_NPROCESSORS_ONLN); }

static inline void czinc_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}

/* Reads a word ahead, if it is there. */
static inline void czinc_prefetch(const void *word) { __builtin_prefetch(word); }
static inline void czinc_prefetch_to_write(const void *word) {
#if defined(__x86_64__) /* where compilers take it for what old processors have not: these skip it */
    __asm__("prefetchw %0" : : "m"(*(const char *)word));
#else
    __builtin_prefetch(word, 1);
#endif
}

static inline int32_t czinc_random(void *buffer, uintptr_t count) {
    long got;
    do got = syscall(SYS_getrandom, buffer, count, 0);
    while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got == (long)count ? 0 : -EIO; /* up to 256 bytes come whole */
}

static inline uint32_t czinc_user(void) { return geteuid(); }

static inline int32_t czinc_process(void) { return (int32_t)getpid(); }

static inline int32_t czinc_at_fork(void (*prepare)(void), void (*parent)(void), void (*child)(void)) {
    return -pthread_atfork(prepare, parent, child);
}

/* ---- futex(2), the shared kind ---- */

/*
 * Sleeps while *word is `expected`, until CLOCK_MONOTONIC reaches `deadline`
 * (nanoseconds). 0 woken, perhaps for no reason; -EAGAIN it was not `expected`;
 * -ETIMEDOUT; -EINTR.
 */
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

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449 /* on every machine; musl 1.2.3 has no name for it */
#endif

/* A word to sleep on, and what it has to be. */
typedef struct futex_waitv czinc_sleep_entry;

/*
 * Sleeps while each of at most 128 words is what its entry says, as futex_wait does with one;
 * Linux 5.16. -ENOSYS where the kernel, -EPERM where a container's filter has no such call.
 */
static inline int32_t czinc_futex_wait_many(const czinc_sleep_entry *entries, uint32_t count,
                                            uint64_t deadline) {
    struct timespec t = {(time_t)(deadline / 1000000000u), (long)(deadline % 1000000000u)};
    return syscall(SYS_futex_waitv, entries, count, 0, &t, CLOCK_MONOTONIC) < 0 ? -errno : 0;
}

static inline czinc_sleep_entry czinc_sleep_on(const void *word, uint32_t expected) {
    return (czinc_sleep_entry){.val = expected, .uaddr = (uintptr_t)word, .flags = FUTEX_32};
}

/* ---- what needs an object file of its own: layout.c ---- */

/* malloc(3), realloc(3), free(3): null where there is no memory, which Swift's own would not see. */
void *_Nullable czinc_allocate(uintptr_t size);
void *_Nullable czinc_reallocate(void *_Nullable memory, uintptr_t size);
void czinc_free(void *_Nullable memory);

/* How large a file of this process may be: beyond it comes SIGXFSZ. */
uint64_t czinc_file_limit(void);

/* The environment's value of that name, null where there is none or the program is set-user-ID. */
const char *_Nullable czinc_environment(const char *name);

/* The core's: layout.c calls it as the library is loaded. */
void czinc_when_loaded(void);

/* atexit(3). */
int32_t czinc_at_exit(void (*function)(void));

struct czinc_thread {
    uintptr_t id;
};

/* Starts a thread that no signal is handled on. */
int32_t czinc_thread_start(struct czinc_thread *thread, void *_Nullable (*_Nonnull run)(void *_Nullable),
                           void *_Nullable argument);

void czinc_thread_join(struct czinc_thread thread);

/* As above, a thread that nobody joins. */
int32_t czinc_thread_start_detached(void *_Nullable (*_Nonnull run)(void *_Nullable),
                                    void *_Nullable argument);

enum { CZINC_MESSAGE_SIZE = 1024 };

/* This thread's buffer of CZINC_MESSAGE_SIZE bytes for the message of its last error. */
char *czinc_message(void);

/* The system's text for an errno, in `scratch` or not; lasts as long as that. */
static inline const char *czinc_describe(int32_t error, char *scratch, uintptr_t size) {
#ifdef __GLIBC__
    return strerror_r(error, scratch, size);
#else /* POSIX */
    return strerror_r(error, scratch, size) == 0 ? scratch : "unknown error";
#endif
}

#pragma clang assume_nonnull end

#endif
