/*
 * zinc: named regions of memory that several processes share.
 *
 * One process creates a region, others open it; each gets a pointer onto the
 * same pages. zinc_notify() says that there is something new, zinc_wait()
 * sleeps until then. A region goes away with its last user, however that user
 * ended.
 *
 * Results: 0 is success, a negative number is -errno of <errno.h>:
 *
 *    -17  EEXIST     create: a living region has this name
 *     -2  ENOENT     open, unlink: no living region has this name
 *    -22  EINVAL     a name, size, option or handle that can't be
 *     -1  EPERM      the system, or the region's owner or mode, forbids it
 *    -74  EBADMSG    the object of this name is not a region, or a damaged one
 *   -110  ETIMEDOUT  wait: nothing came in time
 *    -11  EAGAIN     zinc_try_wait: nothing pending
 *    -28  ENOSPC     create: the memory is not there
 *    -16  EBUSY      another process stopped in the middle of a change to the name
 *   -125  ECANCELED  wait: the handle was closed meanwhile
 *
 * and others as the system gave them. zinc_error_message() tells the whole
 * story. A failing create or open sets *out to null. A null handle is harmless:
 * null, 0 or no effect; waits return -22.
 *
 * Names match [A-Za-z0-9_-]+ and have at most 250 bytes.
 *
 * Threads: a handle may be used by any number of threads at once, but
 * zinc_close() ends it: of the calls then in progress only waits may be. A
 * forked child may use and close the handles that it inherits, as its own.
 * Nothing is inherited across exec.
 */
#ifndef ZINC_H
#define ZINC_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A region that this process is attached to. Opaque. */
typedef void *ZincHandle;

/**
 * Creates a region of `capacity` bytes, a positive multiple of the page size,
 * zeroed, with its memory reserved, and attaches to it. Private to the user
 * (mode 0600), gone with its last user.
 */
int32_t zinc_create(const char *name, uintptr_t capacity, ZincHandle *out);

/** Attaches to the living region of this name, for reading and writing. */
int32_t zinc_open(const char *name, ZincHandle *out);

/**
 * The first byte of the data: page-aligned, zinc_capacity() bytes long, at an
 * address of this process's own. Valid until zinc_close().
 */
uint8_t *zinc_ptr(ZincHandle handle);

/** The size of the data in bytes, exactly as it was created. */
uintptr_t zinc_capacity(ZincHandle handle);

/**
 * Detaches, unmaps and frees the handle. If this was the last user, the region
 * is gone on return. Waits of other threads on this handle end with ECANCELED
 * first.
 */
void zinc_close(ZincHandle handle);

/**
 * Says that there is something new: adds one to the region's sequence and wakes
 * who sleeps. All that this thread wrote before is seen by whoever returns from
 * a wait because of it. No system call unless somebody may be asleep.
 */
void zinc_notify(ZincHandle handle);

/**
 * Waits until the sequence differs from the one that this handle saw last (0 at
 * first), at most `timeout_ms` milliseconds: 0 only looks, UINT32_MAX waits for
 * ever. Several notifications may be seen as one. Signals do not end it.
 */
int32_t zinc_wait(ZincHandle handle, uint32_t timeout_ms);

/** 0 if there was something new, which is now seen; -11 if not. Never sleeps. */
int32_t zinc_try_wait(ZincHandle handle);

/** Layout version << 16 | minor version of this interface. */
uint32_t zinc_version(void);

/*
 * The nine functions above are stable. What follows may gain functions, flags
 * and fields; a struct starts with its own size, so older callers stay right.
 */

enum {
    ZINC_PERSISTENT = 1, /* create: the region lasts until it is unlinked */
    ZINC_SPARSE = 2,     /* create: reserve no memory; a page that can't be had
                            later is a SIGBUS for whoever touches it */
    ZINC_READONLY = 4,   /* open: the data can't be written through this handle */
    ZINC_ANY_USER = 8,   /* open: the region may belong to another user */
};

/** How to create, open or attach: `size`, and zeros for what does not matter. */
typedef struct ZincOptions {
    uintptr_t size;            /**< sizeof(ZincOptions) */
    uint32_t flags;            /**< of ZINC_PERSISTENT to ZINC_ANY_USER, or 0 */
    uint32_t mode;             /**< create: permissions, must include 0600; 0 is 0600 */
    const void *metadata;      /**< create: bytes to keep in the header, or null */
    uintptr_t metadata_length; /**< at most 2048 */
    uint32_t kind;             /**< create: what the data is; 0 raw, 1 an array of numpy's,
                                  whose description is the metadata; yours from 1000 */
    uint32_t reserved;         /**< 0 */
} ZincOptions;

/**
 * Creates a region of `capacity` bytes, any number from 1. `options` may be
 * null. -22 for flags that create does not know.
 */
int32_t zinc_region_create(const char *name, uintptr_t capacity, const ZincOptions *options, ZincHandle *out);

/** Attaches to a living region. `options` may be null. */
int32_t zinc_region_open(const char *name, const ZincOptions *options, ZincHandle *out);

/**
 * Opens the region of this name, or creates it if there is none: of several
 * processes that call this at once one creates. -17 if it exists with another
 * capacity. `options` as for create, and ZINC_ANY_USER.
 */
int32_t zinc_region_open_or_create(const char *name, uintptr_t capacity, const ZincOptions *options,
                                   ZincHandle *out);

/**
 * Creates a region without a name: no entry in /dev/shm, not bound by its size,
 * gone with its last descriptor and handle, and nobody can shrink it. It travels as
 * a descriptor, through fork or a Unix socket. Of the flags only ZINC_SPARSE.
 */
int32_t zinc_region_create_anonymous(uintptr_t capacity, const ZincOptions *options, ZincHandle *out);

/**
 * Attaches to an anonymous region by a descriptor, which stays the caller's to
 * close. -74 if it is not one. Of the flags only ZINC_READONLY.
 */
int32_t zinc_region_open_descriptor(int32_t descriptor, const ZincOptions *options, ZincHandle *out);

/**
 * An anonymous region's descriptor, which stays zinc's and is closed with the
 * handle; -22 for a region with a name.
 */
int32_t zinc_region_descriptor(ZincHandle handle);

enum { ZINC_FORCE = 1 }; /* unlink: whatever it is that has the name */

/**
 * Removes a region's name at once, whoever is attached; they go on with what they
 * have. -2 if there is none, -74 if what has its place is no region, unless
 * `flags` is ZINC_FORCE.
 */
int32_t zinc_region_unlink(const char *name, uint32_t flags);

/**
 * Removes every dead region that this user may remove: those whose last user was
 * killed. Living and persistent ones and other files stay. Calls `tell`, unless it
 * is null, with each name and the bytes that it freed; returns all bytes freed.
 */
uint64_t zinc_reclaim(void (*tell)(const char *name, uint64_t bytes, void *context), void *context);

/* How a region is: what zinc_region_examine() tells of its state. */
enum {
    ZINC_ATTACHED = 0,   /* somebody uses it */
    ZINC_UNATTACHED = 1, /* persistent, and nobody uses it now */
    ZINC_DEAD = 2,       /* its last user was killed: the next call that meets it removes it */
};

/* What zinc_region_examine() tells beside ZINC_PERSISTENT. */
enum {
    ZINC_WAKES_ALWAYS = 16, /* some may only read, and can't say that they sleep: each
                               notification makes the system call that wakes them */
};

/** What zinc_region_examine() tells. */
typedef struct ZincRegionInfo {
    uintptr_t size;       /**< sizeof(ZincRegionInfo) */
    uint64_t capacity;    /**< bytes of data */
    uint64_t data_offset; /**< bytes before them in the file */
    uint64_t memory;      /**< bytes that the file really has */
    uint64_t id;          /**< as zinc_region_id() */
    uint64_t created_at;  /**< ns since 1970 */
    uint64_t device;      /**< of the file, as stat(2) has it */
    uint64_t inode;
    uint32_t flags; /**< ZINC_PERSISTENT, ZINC_WAKES_ALWAYS */
    uint32_t state; /**< ZINC_ATTACHED, ZINC_UNATTACHED or ZINC_DEAD */
    uint32_t mode;  /**< permissions */
    uint32_t owner; /**< user */
    int32_t creator_pid;
    uint32_t sequence; /**< notifications so far, modulo 2^32 */
    uint32_t parked;   /**< how often a waiter has gone to sleep, modulo 2^32 */
    uint32_t woken;    /**< of these, how many had been answered when somebody last looked */
    uint32_t kind;
    uint32_t metadata_length;
    uint8_t metadata[2048];
} ZincRegionInfo;

/**
 * Tells all that can be told of a region without attaching to it: nothing is locked,
 * changed or removed, and its users do not notice. `info->size` has to be set. -2 if
 * there is none, -74 if what has its place is no region, or a damaged one, -1 if this
 * user may not read it.
 */
int32_t zinc_region_examine(const char *name, ZincRegionInfo *info);

/**
 * Calls `tell` with the name of each object in /dev/shm that is called like a region:
 * living, dead or none; zinc_region_examine() tells which.
 */
void zinc_region_list(void (*tell)(const char *name, void *context), void *context);

/**
 * Detaches as zinc_close() does, but leaves the mapping and the handle in
 * place: zinc_ptr() stays valid, waits return -125, and zinc_close() frees the
 * rest. For bindings, whose views outlive a close.
 */
void zinc_region_detach(ZincHandle handle);

/** The region's name, "" for an anonymous one or a null handle. Valid until zinc_close(). */
const char *zinc_region_name(ZincHandle handle);

/** 1 if the data can't be written through this handle, 0 if it can. */
int32_t zinc_region_is_readonly(ZincHandle handle);

/** A random number, given at creation, that tells two regions of one name apart. */
uint64_t zinc_region_id(ZincHandle handle);

/** What the data is, as create was told: 0 raw. */
uint32_t zinc_region_kind(ZincHandle handle);

/**
 * The bytes that create was given to keep, at most 2048 of them, and how many in
 * `*length` unless that is null. Valid until zinc_close(). Who may write the region
 * can change them, behind zinc's back: check what you read.
 */
const void *zinc_region_metadata(ZincHandle handle, uintptr_t *length);

/** The number of notifications so far, modulo 2^32. */
uint32_t zinc_region_sequence(ZincHandle handle);

/** The sequence that this handle has seen last: what a wait compares with. */
uint32_t zinc_region_seen(ZincHandle handle);

/**
 * As zinc_notify(), and stores the new sequence in `*sequence` unless that is
 * null. -1 if this user may only read the region: nobody was told.
 */
int32_t zinc_region_notify(ZincHandle handle, uint32_t *sequence);

enum {
    ZINC_WAIT_AFTER = 1,         /* wait past `after`, leave what the handle saw alone */
    ZINC_WAIT_INTERRUPTIBLE = 2, /* a signal ends the wait with -4 (EINTR) */
};

/** deadline_ns for waits without end. */
#define ZINC_FOREVER UINT64_MAX

/** How long to wait, and for what. */
typedef struct ZincWaitOptions {
    uintptr_t size;       /**< sizeof(ZincWaitOptions) */
    uint64_t deadline_ns; /**< CLOCK_MONOTONIC, ns; 0 only looks; ZINC_FOREVER */
    uint32_t flags;       /**< ZINC_WAIT_AFTER, ZINC_WAIT_INTERRUPTIBLE, or 0 */
    uint32_t after;       /**< with ZINC_WAIT_AFTER: return once the sequence is not this */
} ZincWaitOptions;

/**
 * As zinc_wait(), with an absolute deadline, so that an interrupted wait is
 * resumed by the same call. -22 for a null or unknown option.
 */
int32_t zinc_region_wait(ZincHandle handle, const ZincWaitOptions *options);

/** One of many to wait for. */
typedef struct ZincWaitItem {
    ZincHandle handle;
    uint32_t after;  /**< with ZINC_WAIT_AFTER: there is news once the sequence is not this */
    uint32_t is_new; /**< on return: 1 if there was something new, else 0 */
} ZincWaitItem;

/**
 * Waits until at least one of `count` handles has something new, and marks which:
 * zinc_region_wait() for any number of regions, all of which it sees that it marks.
 * `options` as there, its `after` unused; with ZINC_WAIT_AFTER each item has its own
 * and what the handles saw is left alone. -22 for no item, or a null handle; -125 if
 * one of them is closed, before or meanwhile; then, and with -110 and -4, none is
 * marked or seen.
 */
int32_t zinc_wait_any(ZincWaitItem *items, uintptr_t count, const ZincWaitOptions *options);

/** As zinc_wait_any(), until every one of them has something new. */
int32_t zinc_wait_all(ZincWaitItem *items, uintptr_t count, const ZincWaitOptions *options);

/**
 * What the last failing create, open or unlink of this thread was about: the
 * call, the region and what to do, in UTF-8. Valid until the thread's next
 * failure; "" if there was none. Waits do not set it.
 */
const char *zinc_error_message(void);

#ifdef __cplusplus
}
#endif

#endif
