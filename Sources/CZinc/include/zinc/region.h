/*
 * Regions: how to make and find them, what they are, who may remove them. A part of zinc.h,
 * which includes it.
 */
#ifndef ZINC_REGION_H
#define ZINC_REGION_H

#include "../zinc.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    ZINC_PERSISTENT = 1,   /* create: the region lasts until it is unlinked */
    ZINC_SPARSE = 2,       /* create: reserve no memory; a page that can't be had
                              later is a SIGBUS for whoever touches it */
    ZINC_READONLY = 4,     /* open: the data can't be written through this handle */
    ZINC_ANY_USER = 8,     /* open: the region may belong to another user */
    ZINC_LOCAL = 32,       /* create anonymous: for the threads of this process, and the children
                              that it forks; it has no descriptor, takes no metadata or contents, and works
                              where memfd_create(2) is forbidden */
    ZINC_REPLACE = 64,     /* create: a region that has the name loses it, once the new one is
                              complete; who is attached goes on with what they have, and is told,
                              as by zinc_region_unlink() */
    ZINC_HUGEPAGES = 128,  /* create, open: map huge pages where the system has them; not for what
                              is sparse or local. zinc_region_shortfall() tells if it could not */
    ZINC_PREFAULT = 256,   /* create, open: touch all pages in the call, so that nobody waits for
                              them later; likewise. Of a sparse region, that takes all its memory */
    ZINC_GROUP = 512,      /* create: the region's file belongs to the group that `group` numbers, which
                              `mode` has to give something. -1 unless this user is of that group, or root */
    ZINC_TRANSIENT = 1024, /* create: of a lock that a dead one holds, the region goes with its last user
                              all the same: for one whose name nobody else knows */
};

/** Bytes of a region's contents. */
typedef struct ZincPiece {
    const void *bytes;
    uintptr_t length;
    uintptr_t offset; /**< in the data; it ends within the capacity */
} ZincPiece;

/** How to create, open or attach: `size`, and zeros for what does not matter. */
typedef struct ZincOptions {
    uintptr_t size;            /**< sizeof(ZincOptions) */
    uint32_t flags;            /**< of ZINC_PERSISTENT to ZINC_TRANSIENT, or 0 */
    uint32_t mode;             /**< create: permissions, must include 0600; 0 is 0600 */
    const void *metadata;      /**< create: bytes to keep in the header, or null */
    uintptr_t metadata_length; /**< at most 2048 */
    uint32_t kind;             /**< create: what the data is; 0 raw, 1 an array of numpy's,
                                  whose description is the metadata; yours from 1000 */
    uint32_t group;            /**< create: with ZINC_GROUP a group's number; 0 without, and then the
                                  group is as the system gives it */
    const void *contents;      /**< create: what the data begins with, complete before anybody can
                                  open the region; the rest of it is zeros; or null */
    uintptr_t contents_length; /**< bytes, at most the capacity */
    const ZincPiece *pieces;   /**< create: contents that lie here and there, likewise; or null */
    uintptr_t piece_count;
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
 * a descriptor, through fork or a Unix socket. Of the flags only ZINC_SPARSE, ZINC_LOCAL,
 * ZINC_HUGEPAGES and ZINC_PREFAULT.
 */
int32_t zinc_region_create_anonymous(uintptr_t capacity, const ZincOptions *options, ZincHandle *out);

/**
 * Attaches to an anonymous region by a descriptor, which stays the caller's to
 * close. -74 if it is not one. Of the flags only ZINC_READONLY, ZINC_HUGEPAGES and ZINC_PREFAULT.
 */
int32_t zinc_region_open_descriptor(int32_t descriptor, const ZincOptions *options, ZincHandle *out);

/**
 * An anonymous region's descriptor, which stays zinc's and is closed with the
 * handle; -22 for a region with a name, -9 if somebody has closed it behind zinc's back.
 */
int32_t zinc_region_descriptor(ZincHandle handle);

/**
 * The one descriptor that a handle keeps open, whatever its region: for code that closes all
 * others, as what becomes a daemon does. It stays zinc's: a region with a name is attached as
 * long as it is open. -9 if somebody has closed it already; then others take the region for
 * unused, and zinc_close() leaves the number alone.
 */
int32_t zinc_region_held_descriptor(ZincHandle handle);

enum {
    ZINC_FORCE = 1,     /* unlink: whatever it is that has the name */
    ZINC_IF_UNUSED = 2, /* unlink: only if nobody is attached */
};

/**
 * Removes a region's name at once, whoever is attached; they go on with what they
 * have. -2 if there is none, -74 if what has its place is no region, unless `flags` is
 * ZINC_FORCE. With ZINC_IF_UNUSED -16 if somebody is attached: nobody can attach between
 * the look and the removal.
 *
 * Who is attached is told: the removal is one notification, after which zinc_region_is_linked()
 * is 0. Only who may write the region can tell.
 */
int32_t zinc_region_unlink(const char *name, uint32_t flags);

/**
 * Removes the name of this handle's region, if it still leads to this region; who is
 * attached goes on with what they have, and is told as by zinc_region_unlink(). -2 if it leads
 * elsewhere by now, or nowhere; -22 for an anonymous region.
 */
int32_t zinc_region_remove(ZincHandle handle);

/**
 * 1 if the name still leads to this region, 0 if it leads elsewhere or nowhere, or there is
 * none: then who opens the name comes to another region, or to none. One system call.
 */
int32_t zinc_region_is_linked(ZincHandle handle);

/**
 * Lets the region outlive its last user: takes a ticket, and without users it stays until
 * `lease` nanoseconds from now (a later time that was asked for before stays), as long as there
 * are tickets. Time counts while the machine sleeps. Who hands the name to somebody takes a
 * ticket, who has opened it gives one back; a ticket that nobody gives back ends with the time.
 * -22 for an anonymous region, -1 where this user may only read.
 */
int32_t zinc_region_keep(ZincHandle handle, uint64_t lease);

/**
 * Gives a ticket back, of whoever took it; no effect if there is none. With the last one the
 * region ends with its last user again. Fails as zinc_region_keep() does.
 */
int32_t zinc_region_give_back(ZincHandle handle);

/**
 * Removes every dead region that this user may remove: those whose last user was
 * killed, of whatever layout. Living and persistent ones and other files stay, and so does, this time, what
 * another process is just at work on: it waits for nobody. Calls `tell`, unless it is null,
 * with each name and the bytes that it freed; returns all bytes freed. `tell` may do what
 * it likes.
 */
uint64_t zinc_reclaim(void (*tell)(const char *name, uint64_t bytes, void *context), void *context);

/* How a region is: what zinc_region_examine() tells of its state. */
enum {
    ZINC_ATTACHED = 0,   /* somebody uses it */
    ZINC_UNATTACHED = 1, /* persistent or kept, and nobody uses it now */
    ZINC_DEAD = 2,       /* its last user was killed: the next call that meets it removes it, or the
                            first create or open of a process */
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
    uint32_t layout;   /**< its version, of which zinc_version() has that of the library */
    uint32_t reserved; /**< 0 */
} ZincRegionInfo;

/**
 * Tells all that can be told of a region without attaching to it: nothing is locked,
 * changed or removed, and its users do not notice. `info->size` has to be set. -2 if
 * there is none, -74 if what has its place is no region, or a damaged one, -1 if this
 * user may not read it.
 *
 * Of a region of another layout it tells layout, state, memory, device, inode, mode, owner, and
 * whether it is persistent; the rest is 0. A program that was built before there was `layout`
 * gets -74 for such a one.
 */
int32_t zinc_region_examine(const char *name, ZincRegionInfo *info);

/**
 * Calls `tell` with the name of each object in /dev/shm that is called like a region:
 * living, dead or none; zinc_region_examine() tells which. `tell` may do what it likes.
 */
void zinc_region_list(void (*tell)(const char *name, void *context), void *context);

/** What zinc_place() tells; none of them is 0. */
typedef struct ZincPlace {
    uintptr_t size;     /**< sizeof(ZincPlace) */
    uint64_t machine;   /**< a random number that this machine has had since it was started */
    uint64_t memory;    /**< its folder of regions: a container may have one of its own */
    uint64_t processes; /**< which processes can see each other, as those of a container */
} ZincPlace;

/**
 * Tells where this process is: a region's name leads to it wherever machine and memory are the same,
 * an anonymous region can be reached through /proc where machine and processes are. For who sends
 * either to other processes. `place->size` has to be set; what the system says where it tells no such
 * thing, and then the numbers are 0.
 */
int32_t zinc_place(ZincPlace *place);

/**
 * Detaches as zinc_close() does, but leaves the mapping and the handle in
 * place: zinc_ptr() stays valid, waits return -125, an anonymous region's descriptor is
 * closed, and zinc_close() frees the rest. For bindings, whose views outlive a close.
 */
void zinc_region_detach(ZincHandle handle);

/** The region's name, "" for an anonymous one or a null handle. Valid until zinc_close(). */
const char *zinc_region_name(ZincHandle handle);

/**
 * Stores how many bytes of memory the region really has, its header page among them: of a
 * ZINC_SPARSE one the pages that were touched. -9 if somebody has closed its descriptor behind
 * zinc's back, -22 once it is detached and for a ZINC_LOCAL one.
 */
int32_t zinc_region_used(ZincHandle handle, uint64_t *bytes);

/**
 * Zeroes `length` bytes of the data from `offset` on, for all who are attached, and gives back
 * the memory of whole pages among them. Whoever touches such a page later, to read it either,
 * takes memory anew, as in a ZINC_SPARSE region: a SIGBUS where there is none. -22 for bytes that
 * are not there, -1 for a read-only handle, and as zinc_region_used().
 */
int32_t zinc_region_trim(ZincHandle handle, uintptr_t offset, uintptr_t length);

/**
 * Why the system could not do what ZINC_HUGEPAGES or ZINC_PREFAULT, one of which is `flag`, asked
 * for when this handle was made, and what to do about it, in UTF-8: "" if it could, or was not
 * asked. The region is as good, only slower. Stays valid.
 */
const char *zinc_region_shortfall(ZincHandle handle, uint32_t flag);

/**
 * Forbids writes to the data through this handle from now on, as ZINC_READONLY does from the start:
 * for who has written all that there is to write. For before other threads have the handle. -22 if
 * it is closed.
 */
int32_t zinc_region_protect(ZincHandle handle);

/** 1 if the data can't be written through this handle, 0 if it can. */
int32_t zinc_region_is_readonly(ZincHandle handle);

/**
 * 1 if the call that this handle is from created the region, 0 if it attached to one that was
 * there: what zinc_region_open_or_create() did.
 */
int32_t zinc_region_is_created(ZincHandle handle);

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

typedef struct ZincWaitOptions ZincWaitOptions; /* of notification.h */

/**
 * As zinc_region_open(), and waits for the region to be there: until `wait->deadline_ns`, where 0
 * only looks and ZINC_FOREVER never gives up. -2 if it did not come in time; what is there and
 * can't be opened fails at once, as zinc_region_open() does. Of the flags of a wait only
 * ZINC_WAIT_INTERRUPTIBLE: a signal ends it with -4, and the same call goes on. It sleeps until
 * something comes into /dev/shm (inotify(7)); where the system has no watch left for this user, or
 * forbids it, it looks a hundred times a second.
 */
int32_t zinc_region_await(const char *name, const ZincOptions *options, const ZincWaitOptions *wait,
                          ZincHandle *out);

/**
 * 1 if nobody else is attached: no other handle, of this process or another, and no forked child,
 * however they ended; 0 if somebody is. -22 for an anonymous region, of whose users there is no
 * record, and for one that is detached; others as the system gave them.
 */
int32_t zinc_region_is_alone(ZincHandle handle);

/**
 * Gives the region another name, so that its memory can be used for something else, if nobody else
 * is attached, as zinc_region_is_alone() says, and no ticket of zinc_region_keep() is out: 1, and
 * from then on nobody who knows its former name alone can attach, however far they had come; 0, and
 * nothing has changed, if somebody is attached or may still come. Its id stays. Whoever still looks
 * at the memory after zinc_region_detach() is not attached: zinc_region_stop() is for these.
 *
 * No other thread may use the handle meanwhile, and what zinc_region_name() returned before is no
 * longer valid. -17 if something has the name, -2 if the region's own leads elsewhere, -22 for an
 * anonymous region and one that is detached, -1 where this user may only read; others as the system
 * gave them.
 */
int32_t zinc_region_rename(ZincHandle handle, const char *name);

/**
 * Ends the waits of other threads on this handle, and those that begin later, as zinc_region_detach()
 * does, but stays attached: for who is done with a region but for its memory, which is not to become
 * something else.
 */
void zinc_region_stop(ZincHandle handle);

#ifdef __cplusplus
}
#endif

#endif
