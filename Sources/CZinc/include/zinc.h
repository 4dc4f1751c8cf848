/*
 * zinc: named regions of memory that several processes share.
 *
 * One process creates a region, others open it; each gets a pointer onto the
 * same pages. zinc_notify() says that there is something new, zinc_wait()
 * sleeps until then. A region goes away with its last user; if that one was killed, with the
 * next call that meets the name, or the first create or open of another process.
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
 * The nine functions above are stable. What follows, and the parts that are included
 * below, may gain functions, flags and fields; a struct starts with its own size, so older
 * callers stay right.
 */

/**
 * What the last failing create, open or unlink of this thread was about: the
 * call, the region and what to do, in UTF-8. Valid until the thread's next
 * failure; "" if there was none. Waits do not set it.
 */
const char *zinc_error_message(void);

#ifdef __cplusplus
}
#endif

#include "zinc/notification.h"
#include "zinc/region.h"
#include "zinc/lock.h"
#include "zinc/primitives.h"
#include "zinc/channel.h"
#include "zinc/store.h"

#endif
