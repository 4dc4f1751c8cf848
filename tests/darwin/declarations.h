/*
 * What Sources/CZinc takes from macOS's headers, as its manuals have it for arm64: for
 * tests/darwin/check alone, where there is no SDK. The numbers matter to nobody, the types do.
 */
#ifndef DECLARATIONS_H
#define DECLARATIONS_H

#include <stddef.h>
#include <stdint.h>

typedef long ssize_t;
typedef uint16_t mode_t;
typedef uint16_t nlink_t;
typedef int32_t dev_t;
typedef uint64_t ino_t;
typedef uint32_t uid_t;
typedef uint32_t gid_t;
typedef int64_t off_t;
typedef int32_t pid_t;
typedef long time_t;

/* errno.h */
int *__error(void);
#define errno (*__error())
#define EPERM 1
#define ENOENT 2
#define EINTR 4
#define EIO 5
#define ENXIO 6
#define EBADF 9
#define ENOMEM 12
#define EACCES 13
#define EFAULT 14
#define EBUSY 16
#define EEXIST 17
#define EISDIR 21
#define EINVAL 22
#define ENFILE 23
#define EMFILE 24
#define EFBIG 27
#define ENOSPC 28
#define EROFS 30
#define EPIPE 32
#define EAGAIN 35
#define EMSGSIZE 40
#define ENOTSUP 45
#define ENOBUFS 55
#define ETIMEDOUT 60
#define ELOOP 62
#define EUSERS 68
#define ENOSYS 78
#define ECANCELED 89
#define EBADMSG 94
#define EOPNOTSUPP 102
#define EOWNERDEAD 105

/* string.h, stdio.h, stdlib.h */
void *memcpy(void *to, const void *from, size_t count);
void *memset(void *at, int byte, size_t count);
int memcmp(const void *one, const void *other, size_t count);
size_t strlen(const char *text);
int strcmp(const char *one, const char *other);
int strncmp(const char *one, const char *other, size_t count);
char *strchr(const char *text, int character);
char *strstr(const char *text, const char *part);
size_t strspn(const char *text, const char *set);
int strerror_r(int error, char *text, size_t size);
int snprintf(char *out, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
void *malloc(size_t size);
void *realloc(void *memory, size_t size);
void free(void *memory);
char *getenv(const char *name);
int atexit(void (*function)(void));

/* fcntl.h */
#define O_RDONLY 0
#define O_RDWR 2
#define O_ACCMODE 3
#define O_NONBLOCK 4
#define O_NOFOLLOW 0x100
#define O_CREAT 0x200
#define O_EXCL 0x800
#define O_CLOEXEC 0x1000000
#define F_SETFD 2
#define F_GETFL 3
#define F_PREALLOCATE 42
#define F_GETPATH 50
#define F_DUPFD_CLOEXEC 67
#define F_PUNCHHOLE 99
#define FD_CLOEXEC 1
#define F_RDLCK 1
#define F_UNLCK 2
#define F_WRLCK 3
#define F_ALLOCATEALL 4
#define F_PEOFPOSMODE 3
#define SEEK_SET 0
struct flock {
    off_t l_start, l_len;
    pid_t l_pid;
    short l_type, l_whence;
};
typedef struct {
    unsigned int fst_flags;
    int fst_posmode;
    off_t fst_offset, fst_length, fst_bytesalloc;
} fstore_t;
typedef struct {
    unsigned int fp_flags, reserved;
    off_t fp_offset, fp_length;
} fpunchhole_t;
int open(const char *path, int flags, ...);
int fcntl(int fd, int command, ...);

/* unistd.h, and what it brings along */
#define _SC_PAGESIZE 29
#define _SC_NPROCESSORS_ONLN 58
#define RENAME_EXCL 4
int close(int fd);
int dup2(int fd, int number);
int fchown(int fd, uid_t user, gid_t group);
int ftruncate(int fd, off_t size);
ssize_t pread(int fd, void *buffer, size_t count, off_t offset);
ssize_t pwrite(int fd, const void *buffer, size_t count, off_t offset);
int unlink(const char *path);
int rmdir(const char *path);
int renamex_np(const char *from, const char *to, unsigned int flags);
long sysconf(int name);
uid_t geteuid(void);
pid_t getpid(void);
int issetugid(void);
int getentropy(void *buffer, size_t count);
int sysctlbyname(const char *name, void *old, size_t *size, void *value, size_t length);

/* dirent.h */
struct dirent {
    ino_t d_ino;
    uint64_t d_seekoff;
    uint16_t d_reclen, d_namlen;
    uint8_t d_type;
    char d_name[1024];
};
typedef struct folder DIR;
DIR *opendir(const char *path);
struct dirent *readdir(DIR *folder);
int closedir(DIR *folder);

/* time.h */
struct timespec {
    time_t tv_sec;
    long tv_nsec;
};
typedef enum { CLOCK_REALTIME = 0, CLOCK_MONOTONIC_RAW = 4, CLOCK_UPTIME_RAW = 8 } clockid_t;
int clock_gettime(clockid_t clock, struct timespec *time);
uint64_t clock_gettime_nsec_np(clockid_t clock);
int nanosleep(const struct timespec *time, struct timespec *left);

/* sys/stat.h, sys/statvfs.h */
#define S_ISREG(mode) (((mode) & 0170000) == 0100000)
struct stat {
    dev_t st_dev;
    mode_t st_mode;
    nlink_t st_nlink;
    ino_t st_ino;
    uid_t st_uid;
    gid_t st_gid;
    dev_t st_rdev;
    struct timespec st_atimespec, st_mtimespec, st_ctimespec, st_birthtimespec;
    off_t st_size;
    int64_t st_blocks;
    int32_t st_blksize;
    uint32_t st_flags, st_gen;
    int32_t st_lspare;
    int64_t st_qspare[2];
};
struct statvfs {
    unsigned long f_bsize, f_frsize;
    uint32_t f_blocks, f_bfree, f_bavail, f_files, f_ffree, f_favail;
    unsigned long f_fsid, f_flag, f_namemax;
};
int fstat(int fd, struct stat *out);
int lstat(const char *path, struct stat *out);
int fchmod(int fd, mode_t mode);
int statvfs(const char *path, struct statvfs *out);

/* sys/mman.h, mach/vm_inherit.h */
#define PROT_NONE 0
#define PROT_READ 1
#define PROT_WRITE 2
#define MAP_SHARED 1
#define MAP_PRIVATE 2
#define MAP_FIXED 0x10
#define MAP_NORESERVE 0x40
#define MAP_ANONYMOUS 0x1000
#define MAP_FAILED ((void *)-1)
#define VM_INHERIT_NONE 2
void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset);
int munmap(void *address, size_t length);
int mprotect(void *address, size_t length, int protection);
int minherit(void *address, size_t length, int inherit);

/* poll.h, sys/event.h */
#define POLLIN 1
struct pollfd {
    int fd;
    short events, revents;
};
int poll(struct pollfd *entries, unsigned int count, int milliseconds);
#define EVFILT_USER (-10)
#define EV_ADD 1
#define EV_DELETE 2
#define NOTE_TRIGGER 0x01000000
struct kevent {
    uintptr_t ident;
    int16_t filter;
    uint16_t flags;
    uint32_t fflags;
    intptr_t data;
    void *udata;
};
int kqueue(void);
int kevent(int fd, const struct kevent *changes, int change_count, struct kevent *events, int event_count,
           const struct timespec *timeout);

/* signal.h, pthread.h, sys/resource.h */
typedef uint32_t sigset_t;
#define SIG_SETMASK 3
#define sigfillset(set) (*(set) = ~(sigset_t)0, 0)
typedef struct thread *pthread_t;
int pthread_sigmask(int how, const sigset_t *set, sigset_t *before);
int pthread_create(pthread_t *thread, const void *attributes, void *(*run)(void *), void *argument);
int pthread_join(pthread_t thread, void **result);
int pthread_detach(pthread_t thread);
int pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void));
#define RLIMIT_FSIZE 1
struct rlimit {
    uint64_t rlim_cur, rlim_max;
};
int getrlimit(int resource, struct rlimit *limit);

/* os/os_sync_wait_on_address.h */
typedef enum { OS_CLOCK_MACH_ABSOLUTE_TIME = 32 } os_clockid_t;
typedef enum { OS_SYNC_WAIT_ON_ADDRESS_SHARED = 1 } os_sync_wait_on_address_flags_t;
typedef enum { OS_SYNC_WAKE_BY_ADDRESS_SHARED = 1 } os_sync_wake_by_address_flags_t;
int os_sync_wait_on_address_with_timeout(void *address, uint64_t value, size_t size,
                                         os_sync_wait_on_address_flags_t flags, os_clockid_t clock,
                                         uint64_t timeout);
int os_sync_wake_by_address_any(void *address, size_t size, os_sync_wake_by_address_flags_t flags);
int os_sync_wake_by_address_all(void *address, size_t size, os_sync_wake_by_address_flags_t flags);

#endif
