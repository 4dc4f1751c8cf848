/*
 * Stores: objects by key, for all processes of a machine, without a server. A part of zinc.h, which
 * includes it.
 *
 * A store is a region, which has a table of its objects; each object is a region of its own, and its
 * handle one as any (region.h): its data, kind and metadata are what who made it says. A handle of a
 * store is used by any number of threads; of the processes that have it open at once, 120 may use it.
 *
 * An object goes when its key is removed, replaced or evicted, and with the store: who has a handle of
 * it keeps it, and its bytes stay as they are. A store that is not ZINC_PERSISTENT goes with its last
 * user, as any region; zinc_region_unlink() removes it, and its objects. Whoever is killed at
 * whatever, the store is right for the others, within 20 ms.
 *
 * Each function returns -16 if somebody else who was stopped holds the store up, after five seconds, or
 * where it waits, at its deadline if that is later.
 *
 * A key is 0 to 176 bytes, whatever they are.
 */
#ifndef ZINC_STORE_H
#define ZINC_STORE_H

#include "region.h"

#ifdef __cplusplus
extern "C" {
#endif

/** What is done with an object that finds no room. */
enum {
    ZINC_STORE_EVICT = 0, /* those that nobody has used for longest, has open, or has pinned make way */
    ZINC_STORE_WAIT = 1,  /* whoever makes it waits until others have removed some */
    ZINC_STORE_ERROR = 2, /* it is an error, -28 */
};

/** The kind of a store's region (zinc_region_kind()). */
enum { ZINC_STORE_KIND = 10 };

/**
 * Creates a store whose objects may take `capacity` bytes, their headers and whole pages among them,
 * and attaches to it. `full` is of the above. `options` as zinc_region_create() takes them, but for
 * contents and kind; `mode` and group are its objects' as well. The name has at most 233 characters.
 */
int32_t zinc_store_create(const char *name, uint64_t capacity, uint32_t full, const ZincOptions *options,
                          ZincHandle *out);

/** The same, or opens it where there is one; -17 if that has another capacity or another `full`. */
int32_t zinc_store_open_or_create(const char *name, uint64_t capacity, uint32_t full,
                                  const ZincOptions *options, ZincHandle *out);

/** Opens a store, as zinc_region_open(): -74 if the region is none. It can't be read-only. */
int32_t zinc_store_open(const char *name, const ZincOptions *options, ZincHandle *out);

enum { ZINC_STORE_REPLACE = 1 /* begin, seal: what has the key makes way */ };

/**
 * Makes an object of `capacity` bytes: a region, of which kind, metadata and contents are as `options`
 * says, or null; how long it lasts and for whom it is, the store's say. Whoever has the handle fills it;
 * others find it once it is sealed, and if it is not until its maker closes the store or dies, it is gone.
 * Close the handle in any case.
 *
 * -17 if the key is there, unless `flags` is ZINC_STORE_REPLACE; -28 if there is no room: at once, or
 * with ZINC_STORE_WAIT once `wait` is over (null is for ever); -4 as of any wait.
 */
int32_t zinc_store_begin(ZincHandle store, const void *key, uintptr_t key_length, uintptr_t capacity,
                         uint32_t flags, const ZincOptions *options, const ZincWaitOptions *wait,
                         ZincHandle *object);

/**
 * Puts an object into the store. -17 if somebody else has put one by its key meanwhile, unless `flags`
 * is ZINC_STORE_REPLACE: abort it then. -22 if this handle of the store has not begun it.
 */
int32_t zinc_store_seal(ZincHandle store, ZincHandle object, uint32_t flags);

/** Gives up an object that this handle of the store, and not that of a parent process, has begun and not
    sealed. */
int32_t zinc_store_abort(ZincHandle store, ZincHandle object);

/**
 * Attaches to the object of a key, to read it. It waits for it to be there, as `wait` says: null is for
 * ever, a deadline of 0 only looks. -2 if it is not; -4 and -125 as of zinc_region_wait().
 */
int32_t zinc_store_get(ZincHandle store, const void *key, uintptr_t key_length, const ZincWaitOptions *wait,
                       ZincHandle *object);

/** Takes the key from its object. -2 if it has none. */
int32_t zinc_store_remove(ZincHandle store, const void *key, uintptr_t key_length);

/**
 * Attaches to the object of a key, to read it, and takes the key from it: of several who do so at once
 * one has it, the others get -2.
 */
int32_t zinc_store_take(ZincHandle store, const void *key, uintptr_t key_length, ZincHandle *object);

/**
 * Keeps the object of a key, and those that replace it, from being evicted, or, `pinned` being 0, does
 * not any more. -2 if there is none.
 */
int32_t zinc_store_pin(ZincHandle store, const void *key, uintptr_t key_length, uint32_t pinned);

/**
 * Frees at least so many bytes, if it can, and stores how many in `*freed`, unless that is null: of what
 * was used longest ago first, but nothing that somebody has open, or has pinned.
 */
int32_t zinc_store_evict(ZincHandle store, uint64_t bytes, uint64_t *freed);

/** How an object is. */
enum {
    ZINC_OBJECT_BUILDING = 1, /* it is being made */
    ZINC_OBJECT_PRESENT = 2,  /* it is in the store */
    ZINC_OBJECT_LEAVING = 3,  /* it has lost its key, and its memory goes with its last user */
};

/** What can be told of an object. */
typedef struct ZincStoreEntry {
    uintptr_t size;      /**< sizeof(ZincStoreEntry) */
    uint64_t capacity;   /**< bytes of data */
    uint64_t memory;     /**< bytes that it takes of the store's capacity */
    uint64_t created_at; /**< ns since 1970, when it was sealed; 0 before */
    uint32_t state;
    uint32_t kind; /**< as zinc_region_kind() */
    uint32_t pinned;
    uint32_t key_length;
    uint8_t key[176];
    char name[251]; /**< of its region */
} ZincStoreEntry;

/** Tells of the object of a key, without using it; `entry->size` has to be set. -2 if there is none. */
int32_t zinc_store_find(ZincHandle store, const void *key, uintptr_t key_length, ZincStoreEntry *entry);

/**
 * Calls `tell` with each object, what was used longest ago first, then what is being made, and what
 * has left and has memory still. They are of one moment, and `tell` may do what it likes.
 */
int32_t zinc_store_list(ZincHandle store, void (*tell)(const ZincStoreEntry *entry, void *context),
                        void *context);

/** What can be told of a store. */
typedef struct ZincStoreInfo {
    uintptr_t size;    /**< sizeof(ZincStoreInfo) */
    uint64_t capacity; /**< bytes */
    uint64_t used;     /**< of these, by objects in any state */
    uint64_t objects;  /**< in the store */
    uint64_t events;   /**< so many have happened */
    uint64_t puts;
    uint64_t hits; /**< uses of zinc_store_get() that found the key, and that did not at once */
    uint64_t misses;
    uint64_t evictions;
    uint64_t removals;
    uint32_t full; /**< ZINC_STORE_EVICT, ZINC_STORE_WAIT or ZINC_STORE_ERROR */
    uint32_t reserved;
} ZincStoreInfo;

/** Tells of a store; `info->size` has to be set. */
int32_t zinc_store_examine(ZincHandle store, ZincStoreInfo *info);

/** What happens to an object. */
enum {
    ZINC_STORE_PUT = 1, /* it is there, or another one in its place */
    ZINC_STORE_REMOVED = 2,
    ZINC_STORE_EVICTED = 3,
};

/** What has happened. */
typedef struct ZincStoreEvent {
    uint64_t time;     /**< ns since 1970 */
    uint64_t capacity; /**< bytes of the object */
    uint32_t change;   /**< ZINC_STORE_PUT, ZINC_STORE_REMOVED or ZINC_STORE_EVICTED */
    uint32_t key_length;
    uint8_t key[176];
} ZincStoreEvent;

/**
 * Stores the next events, at most `count`, how many there were, and moves `*next` on: the number of an
 * event, from 0 on; ZincStoreInfo has that of the next one to happen. The last 512 are kept: how many
 * of those that were asked for are not, is in `*lost`. zinc_region_wait() tells when there are more.
 */
int32_t zinc_store_events(ZincHandle store, uint64_t *next, ZincStoreEvent *events, uint32_t count,
                          uint32_t *found, uint64_t *lost);

#ifdef __cplusplus
}
#endif

#endif
