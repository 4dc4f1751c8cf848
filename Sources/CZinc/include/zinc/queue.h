/*
 * Queues: channels whose messages wait for who works, and go to exactly one of these. A part of
 * channel.h, which includes it.
 *
 * A queue is a channel with the flag ZINC_QUEUE. It is written to as any (channel.h), and writers
 * wait for workers: -110, -4 and -125 as of a channel that waits, and -32 (EPIPE) once it is closed.
 * A worker takes a message, reads it where it is, and says that it is done. What a worker has taken
 * and not done when it is killed, or ends, goes to another one, with its number, and so does what it
 * gives back: each message is done at least once. With ZINC_QUEUE_AT_MOST_ONCE nobody gets it any more.
 *
 * Of ZincChannelOptions `messages` may wait, exactly so many; `readers` are the workers for whom there
 * are slots, and `views` the messages that each may hold at once: be at work on, or not have released.
 *
 * Threads: one at a time takes for a ZincWorker, any does all else but ending it. A forked child goes
 * on with it as its own, and is at work on nothing then: what was taken before stays its parent's.
 * One that is stopped keeps what it has taken.
 */
#ifndef ZINC_QUEUE_H
#define ZINC_QUEUE_H

#include "channel.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Who takes messages of a queue. Opaque. */
typedef void *ZincWorker;

/**
 * Takes messages of the queue of a handle from now on, until zinc_worker_end(), which comes before
 * zinc_close(). The messages can't be written through the handle then. -74 if the region is no queue;
 * otherwise as zinc_writer_begin().
 */
int32_t zinc_worker_begin(ZincHandle handle, ZincWorker *out);

/**
 * Leaves all that is not done to others, as if it were killed, and releases the rest: who still reads
 * messages ends the worker later.
 */
void zinc_worker_end(ZincWorker worker);

/** A message that a worker is at work on. */
typedef struct ZincTask {
    const void *data;
    ZincMessageHead head;
    uint32_t slot;
    uint32_t worker;      /**< which one is: in a forked child another */
    uint32_t redelivered; /**< how many had it before, and were killed or gave it back; 7 for more, too */
    uint32_t reserved;
} ZincTask;

/**
 * Takes the next message: 0. It stays as it is until zinc_worker_done() or zinc_worker_release(). -110,
 * -4 and -125 as of zinc_region_wait(); -105 if the worker holds as many as it may; -32 (EPIPE) once
 * the queue is closed and nothing is left. A worker that is at work on nothing is told so only once
 * others can't leave it anything either.
 */
int32_t zinc_worker_take(ZincWorker worker, ZincTask *task, const ZincWaitOptions *wait);

/**
 * Waits until zinc_worker_take() may find something, or tell the end, in any thread: 0, or -110, -4 and
 * -125. So threads take with a deadline of 0, one at a time, and wait together.
 */
int32_t zinc_worker_wait(ZincWorker worker, const ZincWaitOptions *wait);

/** Says that a message is done, and is not read any more, once: 0. -22 if this worker is not at work on it.
 */
int32_t zinc_worker_done(ZincWorker worker, const ZincTask *task);

/**
 * The same in two steps. From the first on the message is done for all others, and nobody gets it again;
 * its bytes stay as they are until the second, and count as one that the worker holds. -22 if this
 * worker is not at work on it, or has not finished it, or has released it.
 */
int32_t zinc_worker_finish(ZincWorker worker, const ZincTask *task);
int32_t zinc_worker_release(ZincWorker worker, const ZincTask *task);

/**
 * Gives a message back, undone, to others: 0, and `redelivered` is one more then. To this worker it
 * comes again only once others have had 20 ms for it; who has given back as many as it may hold takes
 * nothing meanwhile, or writers would find no slot. With ZINC_QUEUE_AT_MOST_ONCE as
 * zinc_worker_done(). -22 if this worker is not at work on it.
 */
int32_t zinc_worker_give_back(ZincWorker worker, const ZincTask *task);

/** What can be told of a queue. While others go on, each number is of another moment. */
typedef struct ZincQueueInfo {
    uintptr_t size;     /**< sizeof(ZincQueueInfo) */
    uint64_t waiting;   /**< messages that nobody has taken */
    uint64_t held;      /**< that somebody is at work on, or was and was killed */
    uint64_t left;      /**< that somebody was, or gave back, and that wait for another one */
    uint32_t is_closed; /**< 1 after zinc_queue_close() */
    uint32_t reserved;
} ZincQueueInfo;

/** Tells of the queue of a handle. -74 if the region is none, or a damaged one. */
int32_t zinc_queue_examine(ZincHandle handle, ZincQueueInfo *info);

/** The same from outside, and who works and writes, as zinc_channel_examine_name(): both of one look. */
int32_t zinc_queue_examine_name(const char *name, ZincQueueInfo *info,
                                void (*tell)(const ZincChannelUser *user, void *context), void *context);

/** Where a message of a queue is. */
enum {
    ZINC_TASK_GONE = 0,  /* done; or lost, with ZINC_QUEUE_AT_MOST_ONCE */
    ZINC_TASK_WAITS = 1, /* nobody has taken it */
    ZINC_TASK_HELD = 2,  /* somebody who lives is at work on it */
    ZINC_TASK_LEFT = 3,  /* who was has been killed, has ended, or has given it back */
};

/** Tells where the message of this number is now. -22 if none was published as that; -74 if the region is
 *  no queue. */
int32_t zinc_queue_find(ZincHandle handle, uint64_t number, uint32_t *state);

/**
 * Closes a queue for good, for all: who writes gets -32 (EPIPE) from the next message on, and who
 * works once nothing is left. Any handle may; again is no error.
 */
int32_t zinc_queue_close(ZincHandle handle);

/**
 * Waits until all messages that were published are done: 0, or -110, -4 and -125 as of
 * zinc_region_wait(). Who waits also looks who has died, unless it may only read the queue.
 */
int32_t zinc_queue_join(ZincHandle handle, const ZincWaitOptions *wait);

#ifdef __cplusplus
}
#endif

#endif
