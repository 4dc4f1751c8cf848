/*
 * macOS 14.4 or newer, after Apple's documentation. It compiles (tests/darwin), and has never run.
 *
 * A region is a file in the folder for temporary ones: what is written to it comes to the disk at
 * some time. What shm_open(2) makes does not, but can be neither locked nor listed, renamed, read
 * nor written there. Nothing tells with a single descriptor that a file has come into a folder, so
 * who awaits a region looks often; and who waits for many at once naps.
 */
#ifndef CZINC_DARWIN_H
#define CZINC_DARWIN_H

#include <fcntl.h>

#ifndef F_OFD_SETLK
#define F_OFD_SETLK 90
#define F_OFD_GETLK 92
#endif

#include "posix.h"

#include <mach/vm_inherit.h>
#include <os/os_sync_wait_on_address.h>
#include <sys/event.h>
#include <sys/random.h>
#include <sys/sysctl.h>

/* Everybody's, like /dev/shm; what confstr(_CS_DARWIN_USER_TEMP_DIR) says is one user's. */
#define CZINC_FOLDER "/tmp"

#include "portable.h"

#pragma clang assume_nonnull begin

static inline const char *czinc_folder(void) { return CZINC_FOLDER; }

static inline int32_t czinc_fstat(int32_t fd, struct czinc_status *out) {
    struct stat s;
    int result = fstat(fd, &s);
    return czinc_result_of_stat(result, s, out);
}

static inline int32_t czinc_lstat(const char *path, struct czinc_status *out) {
    struct stat s;
    int result = lstat(path, &s);
    return czinc_result_of_stat(result, s, out);
}

/* Takes the space on the disk if the file system lets it, from the file's end on; then the size. */
static inline int32_t czinc_fallocate(int32_t fd, int64_t offset, int64_t length) {
    struct czinc_status status;
    int32_t error = czinc_fstat(fd, &status);
    if (error < 0) return error;
    int64_t more = offset + length - status.size;
    if (more <= 0) return 0;
    fstore_t store = {.fst_flags = F_ALLOCATEALL, .fst_posmode = F_PEOFPOSMODE, .fst_length = more};
    if (fcntl(fd, F_PREALLOCATE, &store) < 0 && errno == ENOSPC) return -errno;
    return czinc_ftruncate(fd, offset + length);
}

/* F_PUNCHHOLE takes whole blocks of the file system alone: what is beside them is written. */
static inline int32_t czinc_punch(int32_t fd, int64_t offset, int64_t length) {
    enum { BLOCK = 4096 };
    static const char zeros[BLOCK];
    int64_t end = offset + length;
    while (offset < end) {
        int64_t whole = offset % BLOCK == 0 ? (end - offset) / BLOCK * BLOCK : 0;
        fpunchhole_t hole = {.fp_offset = offset, .fp_length = whole};
        if (whole > 0 && fcntl(fd, F_PUNCHHOLE, &hole) == 0) {
            offset += whole;
            continue;
        }
        int64_t count = BLOCK - offset % BLOCK;
        if (count > end - offset) count = end - offset;
        int64_t done = czinc_pwrite(fd, zeros, (uintptr_t)count, offset);
        if (done < 0) return (int32_t)done;
        offset += done;
    }
    return 0;
}

/* By the name that it has now. What comes to have that meanwhile is another file. */
static inline int32_t czinc_reopen(int32_t fd, int32_t is_writable) {
    char path[1024]; /* MAXPATHLEN */
    if (fcntl(fd, F_GETPATH, path) < 0) return -errno;
    int32_t copy = czinc_open(path, is_writable);
    struct czinc_status this, other;
    int32_t error = copy < 0 ? copy : czinc_fstat(fd, &this);
    if (error >= 0) error = czinc_fstat(copy, &other);
    if (error >= 0 && this.inode == other.inode && this.device == other.device) return copy;
    if (copy >= 0) close(copy);
    return error < 0 ? error : -ENOENT;
}

/* Between the two steps an exec of another thread takes it along. */
static inline int32_t czinc_replace(int32_t fd, int32_t number) {
    return dup2(fd, number) < 0 || fcntl(number, F_SETFD, FD_CLOEXEC) < 0 ? -errno : 0;
}

static inline int32_t czinc_rename(const char *from, const char *to) {
    return renamex_np(from, to, RENAME_EXCL) < 0 ? -errno : 0;
}

/* kqueue(2) would need a descriptor of the folder beside its own for as long. */
static inline int32_t czinc_watch(const char *folder) {
    (void)folder;
    return -ENOSYS;
}

static inline void czinc_watch_drain(int32_t fd) { (void)fd; }

static inline int32_t czinc_sleep_until_readable(int32_t fd, uint64_t nanoseconds) {
    struct pollfd entry = {.fd = fd, .events = POLLIN};
    uint64_t milliseconds = nanoseconds / 1000000u + (nanoseconds % 1000000u != 0);
    int count = poll(&entry, 1, milliseconds > INT32_MAX ? INT32_MAX : (int)milliseconds);
    return count < 0 ? -errno : count;
}

/* A kqueue is readable as long as one of its events is there, and EVFILT_USER is ours to set. */
static inline int32_t czinc_event_change(int32_t fd, uint16_t flags, uint32_t filter_flags) {
    struct kevent change = {.ident = 0, .filter = EVFILT_USER, .flags = flags, .fflags = filter_flags};
    return kevent(fd, &change, 1, NULL, 0, NULL) < 0 ? -errno : 0;
}

/* All processes of a machine find each other. */
static inline int32_t czinc_whereabouts(uint64_t *machine, uint64_t *processes) {
    char uuid[37] = {0};
    size_t size = sizeof uuid;
    if (sysctlbyname("kern.bootsessionuuid", uuid, &size, NULL, 0) < 0) return -errno;
    *machine = czinc_half(uuid);
    *processes = 1;
    return *machine ? 0 : -EIO;
}

static inline void czinc_event_set(int32_t fd, uint32_t is_readable) {
    if (is_readable) {
        czinc_event_change(fd, EV_ADD, NOTE_TRIGGER);
    } else {
        czinc_event_change(fd, EV_DELETE, 0);
    }
}

static inline int32_t czinc_event(uint32_t is_readable) {
    int fd = kqueue();
    if (fd < 0) return -errno;
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (is_readable) czinc_event_set(fd, 1);
    return fd;
}

/* A child has none of its parent's kqueues: the number is free already. */
static inline int32_t czinc_event_anew(int32_t fd, uint32_t is_readable) {
    if (fd < 0) return -1;
    int made = czinc_event(is_readable);
    if (made < 0 || made == fd) return made < 0 ? -1 : made;
    int32_t error = czinc_replace(made, fd);
    close(made);
    return error < 0 ? -1 : fd;
}

static inline int32_t czinc_collapse(void *address, uintptr_t length) {
    (void)address, (void)length;
    return -EINVAL;
}

static inline int32_t czinc_populate(void *address, uintptr_t length, int32_t for_writing) {
    (void)address, (void)length, (void)for_writing;
    return -EINVAL;
}

static inline void czinc_keep_from_children(void *address, uintptr_t length) {
    minherit(address, length, VM_INHERIT_NONE);
}

static inline void czinc_keep_from_dumps(void *address, uintptr_t length) { (void)address, (void)length; }

/* That of os_sync's timeouts: it stands still while the machine sleeps, as it does on Linux. */
static inline uint64_t czinc_monotonic(void) { return clock_gettime_nsec_np(CLOCK_UPTIME_RAW); }

static inline uint64_t czinc_boot(void) { return clock_gettime_nsec_np(CLOCK_MONOTONIC_RAW); }

static inline uint64_t czinc_wall(void) { return czinc_clock(CLOCK_REALTIME); }

static inline uint64_t czinc_wall_coarse(void) { return czinc_wall(); }

static inline int32_t czinc_random(void *buffer, uintptr_t count) {
    return getentropy(buffer, count) < 0 ? -errno : 0;
}

/*
 * The system's timeout is relative, and 0 is none it takes. It says how many still wait, be it that
 * the word was another; EFAULT that its page was out, just then.
 */
static inline int32_t czinc_futex_wait(const void *word, uint32_t expected, uint64_t deadline) {
    if (__atomic_load_n((const uint32_t *)word, __ATOMIC_SEQ_CST) != expected) return -EAGAIN;
    uint64_t now = czinc_monotonic();
    if (now >= deadline) return -ETIMEDOUT;
    int waiters = os_sync_wait_on_address_with_timeout((void *)(uintptr_t)word, expected, sizeof expected,
                                                       OS_SYNC_WAIT_ON_ADDRESS_SHARED,
                                                       OS_CLOCK_MACH_ABSOLUTE_TIME, deadline - now);
    return waiters >= 0 || errno == EFAULT ? 0 : -errno;
}

static inline void czinc_futex_wake(const void *word) {
    os_sync_wake_by_address_all((void *)(uintptr_t)word, sizeof(uint32_t), OS_SYNC_WAKE_BY_ADDRESS_SHARED);
}

static inline void czinc_futex_wake_one(const void *word) {
    os_sync_wake_by_address_any((void *)(uintptr_t)word, sizeof(uint32_t), OS_SYNC_WAKE_BY_ADDRESS_SHARED);
}

static inline const char *czinc_describe(int32_t error, char *scratch, uintptr_t size) {
    return strerror_r(error, scratch, size) == 0 ? scratch : "unknown error";
}

#pragma clang assume_nonnull end

#endif
