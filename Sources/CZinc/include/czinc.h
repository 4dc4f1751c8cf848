/*
 * The platform, for the core alone, which names nothing else of the system but C's and POSIX's
 * errnos and string functions: what each call promises. Unless it says otherwise a call returns
 * -errno where it fails, and takes descriptors that no program inherits across exec. A platform is
 * a header in czinc/ with their bodies, inline since some are hot: linux.h, or darwin.h. Nothing
 * here and there decides anything.
 */
#ifndef CZINC_H
#define CZINC_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include <errno.h>
#include <stdint.h>
#include <string.h>

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

/* ---- files ---- */

/* The folder of regions: whoever has an account may make files in it, and remove his own alone. */
static inline const char *czinc_folder(void);

/* Opens a file to read it, and to write it too. Never blocks, on a FIFO say, nor follows a link. */
static inline int32_t czinc_open(const char *path, int32_t is_writable);

/* Has a file that is being made a name, for who lists the folder? 1 or 0. */
static inline int32_t czinc_names_what_is_new(void);

/*
 * A new file in the folder, to be read and written, with at most this mode. It has no name and
 * *number is 0, or it has the name of that number: czinc_new_prefix() and the number, which no
 * file ever had.
 */
static inline int32_t czinc_create_new(uint32_t mode, uint64_t *number);

/* That file gets the name `to` in one step, and has no other then; -EEXIST if something has it. */
static inline int32_t czinc_publish(int32_t fd, uint64_t number, const char *to);

/* The new file of that number, as czinc_open has it; and its name's end. */
static inline int32_t czinc_open_new(uint64_t number);
static inline int32_t czinc_discard_new(uint64_t number);
static inline const char *czinc_new_prefix(void);

/* An empty file without a name, in no folder, for czinc_fix_size. */
static inline int32_t czinc_create_anonymous(void);

/* From now on nobody changes the file's size, where the system can promise that. */
static inline int32_t czinc_fix_size(int32_t fd);

/* 1 if it came to that for this file, as far as the system can tell; 0 if not. */
static inline int32_t czinc_is_size_fixed(int32_t fd);

static inline int32_t czinc_close(int32_t fd);

/*
 * Who may see whom: a number that this machine has had at random since it was started, and that of the
 * processes that find each other by their numbers. Neither is 0.
 */
static inline int32_t czinc_whereabouts(uint64_t *machine, uint64_t *processes);

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

static inline int32_t czinc_fstat(int32_t fd, struct czinc_status *out);

/* Of what the path itself names, be it a link. */
static inline int32_t czinc_lstat(const char *path, struct czinc_status *out);

static inline int32_t czinc_fchmod(int32_t fd, uint32_t mode);

static inline int32_t czinc_set_group(int32_t fd, uint32_t group);

static inline int32_t czinc_ftruncate(int32_t fd, int64_t size);

/*
 * The file has memory for these bytes, and at least their size. -EINTR if a signal came: then it has
 * none of them. Never by writing them.
 */
static inline int32_t czinc_fallocate(int32_t fd, int64_t offset, int64_t length);

/* Zeroes a part of a file and gives back the memory of whole pages in it. */
static inline int32_t czinc_punch(int32_t fd, int64_t offset, int64_t length);

static inline int64_t czinc_pread(int32_t fd, void *buffer, uintptr_t count, int64_t offset);

static inline int64_t czinc_pwrite(int32_t fd, const void *buffer, uintptr_t count, int64_t offset);

/* The file of a descriptor anew: another description, with locks of its own. */
static inline int32_t czinc_reopen(int32_t fd, int32_t is_writable);

static inline int32_t czinc_duplicate(int32_t fd);

/* What `number` leads to is now what fd leads to; atomically, as other threads see it. */
static inline int32_t czinc_replace(int32_t fd, int32_t number);

static inline int32_t czinc_unlink(const char *path);

/* Gives a file another name, unless something has that. */
static inline int32_t czinc_rename(const char *from, const char *to);

static inline int32_t czinc_rmdir(const char *path);

/* A folder's names one after another, null at the end: opendir(3), readdir(3), closedir(3). */
static inline void *_Nullable czinc_opendir(const char *path);

static inline const char *_Nullable czinc_readdir(void *folder);

static inline void czinc_closedir(void *folder);

/* A descriptor that is readable once something has come into the folder. -ENOSYS for none such. */
static inline int32_t czinc_watch(const char *folder);

/* What came is known: it is not readable until more comes. */
static inline void czinc_watch_drain(int32_t fd);

/* Sleeps until there is something to read, at most so many nanoseconds. 0 if there was nothing. */
static inline int32_t czinc_sleep_until_readable(int32_t fd, uint64_t nanoseconds);

/* A descriptor, for others to wait on, that is readable if `is_readable`. Nothing on it blocks. */
static inline int32_t czinc_event(uint32_t is_readable);

/* Makes it readable, or not, if it is not that already. */
static inline void czinc_event_set(int32_t fd, uint32_t is_readable);

/*
 * Another one with the number of this, which is the parent's, or -1: that is closed first, so there
 * is a number to be had. For a forked child, which has a single thread.
 */
static inline int32_t czinc_event_anew(int32_t fd, uint32_t is_readable);

/* 1 if the descriptor was opened to read and to write, else 0. */
static inline int32_t czinc_is_writable(int32_t fd);

/* Bytes that a file system has free for this user, and its size; 0 and 0 if it won't say. */
static inline void czinc_space(const char *path, uint64_t *available, uint64_t *total);

/* ---- small texts ---- */

/* root, the first `length` bytes of middle, and file, one after the other. */
static inline void czinc_join(char *out, uintptr_t size, const char *root, const char *middle, int32_t length,
                              const char *file);

/* Does a decimal number follow, after spaces? Then stores it. */
static inline int32_t czinc_number(const char *text, uint64_t *value);

/* Does a number, or two as in 3-5, follow? Stores them; returns what comes after it and a comma. */
static inline const char *_Nullable czinc_range(const char *text, uint64_t *first, uint64_t *last);

/* ---- locks on one byte each, of a description: they end with its last descriptor ---- */

static const int32_t CZINC_LOCK_NONE = 0;
static const int32_t CZINC_LOCK_SHARED = 1;
static const int32_t CZINC_LOCK_EXCLUSIVE = 2;

/* Changes what this description holds. -EAGAIN where somebody else's lock is in the way. */
static inline int32_t czinc_lock(int32_t fd, int32_t lock, int64_t byte);

/* The lock that another description holds on the byte: one of these. */
static inline int32_t czinc_lock_of_others(int32_t fd, int64_t byte);

/* ---- memory ---- */

/* The file's bytes from the first on, shared with whoever maps them. */
static inline int32_t czinc_mmap(int32_t fd, uintptr_t length, int32_t is_writable,
                                 void *_Nullable *_Nonnull out);

/* The same at a multiple of `alignment`: in the middle of more address space, which goes again. */
static inline int32_t czinc_mmap_aligned(int32_t fd, uintptr_t length, int32_t is_writable,
                                         uintptr_t alignment, void *_Nullable *_Nonnull out);

/* Makes huge pages of what is mapped there. -EINVAL where the system can not. */
static inline int32_t czinc_collapse(void *address, uintptr_t length);

/* Maps each page as if it were read, or written. -EINVAL where the system can not. */
static inline int32_t czinc_populate(void *address, uintptr_t length, int32_t for_writing);

/* Of no file: shared with the children that are forked from now on, and with nobody else. */
static inline int32_t czinc_mmap_unnamed(uintptr_t length, void *_Nullable *_Nonnull out);

/* Whole pages can only be read from now on. */
static inline int32_t czinc_protect(void *address, uintptr_t length);

static inline int32_t czinc_munmap(void *address, uintptr_t length);

/* A forked child does not have this mapping. */
static inline void czinc_keep_from_children(void *address, uintptr_t length);

/* A core file does not have this mapping; nothing is said where the system can not. */
static inline void czinc_keep_from_dumps(void *address, uintptr_t length);

static inline uintptr_t czinc_page_size(void);

/* ---- time, processors, this process ---- */

/* Nanoseconds that never go back, the same in all processes: what deadlines are of. */
static inline uint64_t czinc_monotonic(void);

/* The same, which go on while the machine sleeps. */
static inline uint64_t czinc_boot(void);

/* Since 1970. */
static inline uint64_t czinc_wall(void);

/* The same as it was at most milliseconds ago, in a few nanoseconds. */
static inline uint64_t czinc_wall_coarse(void);

static inline void czinc_sleep(uint64_t nanoseconds);

/* Processors of this machine that are at work. */
static inline int64_t czinc_processors(void);

/* For a loop that looks again and again. */
static inline void czinc_pause(void);

/* Reads a word ahead, if it is there. */
static inline void czinc_prefetch(const void *word);
static inline void czinc_prefetch_to_write(const void *word);

/* Up to 256 bytes that nobody can know. */
static inline int32_t czinc_random(void *buffer, uintptr_t count);

static inline uint32_t czinc_user(void);

static inline int32_t czinc_process(void);

/* pthread_atfork(3). */
static inline int32_t czinc_at_fork(void (*prepare)(void), void (*parent)(void), void (*child)(void));

/* ---- sleep on words of shared memory, wherever each process has mapped it ---- */

/*
 * Sleeps while *word is `expected`, until czinc_monotonic() reaches `deadline`. 0 woken, perhaps for no
 * reason; -EAGAIN it was not `expected`; -ETIMEDOUT; -EINTR.
 */
static inline int32_t czinc_futex_wait(const void *word, uint32_t expected, uint64_t deadline);

/* Wakes all who sleep on it. */
static inline void czinc_futex_wake(const void *word);

static inline void czinc_futex_wake_one(const void *word);

/* A word to sleep on, and what it has to be; see czinc_sleep_on. */
struct czinc_sleep_entry {
    uint64_t expected;
    uint64_t word;
    uint32_t flags;
    uint32_t reserved;
};

/*
 * Sleeps while each of at most 128 words is what its entry says, as futex_wait does with one.
 * -ENOSYS where the system, -EPERM where a container's filter has no such call.
 */
static inline int32_t czinc_futex_wait_many(const struct czinc_sleep_entry *entries, uint32_t count,
                                            uint64_t deadline);

static inline struct czinc_sleep_entry czinc_sleep_on(const void *word, uint32_t expected);

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
static inline const char *czinc_describe(int32_t error, char *scratch, uintptr_t size);

#pragma clang assume_nonnull end

#if defined(__linux__)
#include "czinc/linux.h"
#elif defined(__APPLE__)
#include "czinc/darwin.h"
#else
#error "no header of czinc/ is for this system"
#endif

#endif
