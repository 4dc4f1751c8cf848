/*
 * Channels: messages that are handed over in place, from any number of writers to any number of
 * readers, and that nobody who is killed can tear, lose or block. A part of zinc.h, which includes
 * it.
 *
 * A channel is a region of kind ZINC_CHANNEL, which is opened, closed and waited for as any. A writer
 * takes a slot on loan, fills it, and publishes it; each reader receives each message, and reads it
 * where it is until it gives it back. Messages are numbered from 1, without gaps. Who writes or reads
 * does so through a handle of its own, which sits on one of the region's 120 seats.
 *
 * Threads: one at a time uses a ZincWriter, but for zinc_writer_wait(), or receives of a ZincReader;
 * any gives back what was received. A forked child goes on with both as its own: loans and messages
 * of before stay its parent's.
 */
#ifndef ZINC_CHANNEL_H
#define ZINC_CHANNEL_H

#include "../zinc.h"
#include "seat.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ZincOptions ZincOptions;         /* of region.h */
typedef struct ZincWaitOptions ZincWaitOptions; /* of notification.h */

/** The kind of a region that is a channel. */
#define ZINC_CHANNEL 2

enum {
    ZINC_CHANNEL_WAIT = 1,       /* a writer waits for the slowest reader; else it displaces the oldest
                                    message, whoever has not read it yet */
    ZINC_QUEUE = 2,              /* each message goes to one worker: see queue.h. It waits, too */
    ZINC_QUEUE_AT_MOST_ONCE = 4, /* with ZINC_QUEUE */
};

/** How large a channel is. */
typedef struct ZincChannelOptions {
    uintptr_t size;    /**< sizeof(ZincChannelOptions) */
    uint64_t payload;  /**< bytes of a message, at most */
    uint32_t messages; /**< that are kept: a power of two, or rounded up to one; of a queue, that may wait */
    uint32_t flags;    /**< ZINC_CHANNEL_WAIT, ZINC_QUEUE and ZINC_QUEUE_AT_MOST_ONCE, or 0 */
    uint32_t writers;  /**< for whom there are slots enough, whatever readers hold; 0 is 4 */
    uint32_t loans;    /**< of each writer at once; 0 is 1 */
    uint32_t readers;  /**< for whom there are; 0 is 8 */
    uint32_t views;    /**< messages that a reader may hold at once, at most 16, of a queue 1024; 0 is 8 */
} ZincChannelOptions;

/**
 * Creates a channel, and attaches to it. `options` as for zinc_region_create(), without kind and contents.
 * With ZINC_SPARSE a slot gets memory with the first loans of it, which are -28 (ENOSPC) where there is none,
 * and not a signal.
 */
int32_t zinc_channel_create(const char *name, const ZincChannelOptions *channel, const ZincOptions *options,
                            ZincHandle *out);

/** The same as zinc_region_create_anonymous(). */
int32_t zinc_channel_create_anonymous(const ZincChannelOptions *channel, const ZincOptions *options,
                                      ZincHandle *out);

/** What can be told of a channel. */
typedef struct ZincChannelInfo {
    uintptr_t size;    /**< sizeof(ZincChannelInfo) */
    uint64_t payload;  /**< bytes of a message, at most */
    uint64_t newest;   /**< the number of the newest message; 0 if there is none */
    uint32_t messages; /**< that are kept; of a queue, that may wait */
    uint32_t slots;    /**< of them, of loans, and of what readers hold */
    uint32_t views;    /**< that a reader may hold at once */
    uint32_t flags;    /**< ZINC_CHANNEL_WAIT, ZINC_QUEUE and ZINC_QUEUE_AT_MOST_ONCE, or 0 */
} ZincChannelInfo;

/** Tells of the channel of a handle. -74 if the region is none, or a damaged one. */
int32_t zinc_channel_examine(ZincHandle handle, ZincChannelInfo *info);

/** Who takes part in a channel, or did and was killed; `seat.role` is ZINC_SEAT_WRITES, _READS or _WORKS. */
typedef struct ZincChannelUser {
    ZincSeat seat;
    uint64_t waiting_since; /**< of who writes, and waits for readers: ns since 1970; else 0 */
    uint64_t next;          /**< of who reads, as what follows: the number of the message that it wants
                                 next, or 0; of who works the first that it is at work on, or 0 */
    uint64_t lost;          /**< messages that it has missed */
    uint32_t views;         /**< messages that it holds; who works, that it is at work on */
    uint32_t is_evicted;    /**< 1 if writers do not wait for it; see zinc_writer_evict_after() */
} ZincChannelUser;

/** Calls `tell` for each user, as zinc_seats(). -74 if the region is no channel, or a damaged one. */
int32_t zinc_channel_users(ZincHandle handle, void (*tell)(const ZincChannelUser *user, void *context),
                           void *context);

/**
 * 1 as long as somebody may still receive message `number`, or holds it, 0 from then on: for what lasts
 * as long as its message. Of a queue: 0 once it is done. -74 if the region is no channel, or a damaged one.
 */
int32_t zinc_channel_keeps(ZincHandle handle, uint64_t number);

/** Both from outside, of the channel of this name, as zinc_region_examine(). */
int32_t zinc_channel_examine_name(const char *name, ZincChannelInfo *info,
                                  void (*tell)(const ZincChannelUser *user, void *context), void *context);

/**
 * Waits until `count` who live read the channel: 0, or -110, -4 and -125 as of zinc_region_wait(). A
 * reader that is killed is not counted from the next look on, 50 times a second.
 */
int32_t zinc_channel_wait_for_readers(ZincHandle handle, uint32_t count, const ZincWaitOptions *wait);

/* ---- writing ---- */

/** Who writes to a channel. Opaque. */
typedef void *ZincWriter;

/**
 * Writes to the channel of a handle from now on, until zinc_writer_end(), which comes before
 * zinc_close(). The handle writes, and does nothing else that takes a seat before: -16 (EBUSY) if it
 * reads, or has used a lock. -74 if the region is no channel, or a damaged one.
 */
int32_t zinc_writer_begin(ZincHandle handle, ZincWriter *out);

/**
 * From now on a reader that holds one of this writer's messages up for so many nanoseconds is evicted:
 * writers wait for it no more, until it goes on, which is when it learns what it has lost.
 * ZINC_FOREVER, as at first, waits for it as long as it lives.
 */
void zinc_writer_evict_after(ZincWriter writer, uint64_t nanoseconds);

/** Gives its loans back. */
void zinc_writer_end(ZincWriter writer);

/** A slot to fill. */
typedef struct ZincLoan {
    void *data;         /**< at a multiple of 64 */
    uintptr_t capacity; /**< bytes */
    uint32_t slot;
    uint32_t reserved;
} ZincLoan;

/**
 * Takes a slot on loan: 0. It holds whatever it held before. -105 (ENOBUFS) if there is none: then
 * more write, or hold loans and messages, than the channel was made for.
 */
int32_t zinc_writer_loan(ZincWriter writer, ZincLoan *loan);

/**
 * The same for a message of up to `length` bytes, which are its `capacity`. Of a channel without ZINC_SPARSE
 * it costs as much; of one with it takes memory for so many only. -90 (EMSGSIZE) for more than the channel
 * has; -28 (ENOSPC) if there is no memory for them.
 */
int32_t zinc_writer_loan_for(ZincWriter writer, uint64_t length, ZincLoan *loan);

/** Gives a loan back as it is. -22 if it is none of this writer's. */
int32_t zinc_writer_discard(ZincWriter writer, const ZincLoan *loan);

/** What a message says beside its bytes. */
typedef struct ZincMessageHead {
    uint64_t number; /**< of the message, from 1; publishing sets it */
    uint64_t length; /**< bytes */
    uint64_t time;   /**< the writer's to say, as ns since 1970 */
    uint64_t tag;    /**< the writer's to say */
} ZincMessageHead;

/**
 * Publishes a loan: 0, `head->number` is set, and what was the loan can't be written any more. Of a
 * ZINC_CHANNEL_WAIT channel it waits for readers as `wait` says: -110, -4 and -125 as of
 * zinc_region_wait(), and the loan stays one.
 */
int32_t zinc_writer_publish(ZincWriter writer, const ZincLoan *loan, ZincMessageHead *head,
                            const ZincWaitOptions *wait);

/**
 * Waits for readers as zinc_writer_publish(), for who has called that with a deadline of 0, and in any
 * thread: 0 as soon as there may be room. Then it is to be called again.
 */
int32_t zinc_writer_wait(ZincWriter writer, const ZincWaitOptions *wait);

/* ---- reading ---- */

/** Who reads a channel. Opaque. */
typedef void *ZincReader;

/**
 * Reads the channel of a handle from now on, and so many messages back, as far as they are kept, until
 * zinc_reader_end(), which comes before zinc_close(). The messages can't be written through the
 * handle then. Otherwise as zinc_writer_begin().
 */
int32_t zinc_reader_begin(ZincHandle handle, uint64_t history, ZincReader *out);

/** Gives all messages back that it holds. */
void zinc_reader_end(ZincReader reader);

/** A message that a reader holds. */
typedef struct ZincMessage {
    const void *data;
    ZincMessageHead head;
    uint32_t view;
    uint32_t reader; /**< which one has it: in a forked child another */
} ZincMessage;

/**
 * Receives the next message: 0. It stays as it is until zinc_reader_release(). -110, -4 and -125 as
 * of zinc_region_wait(); -105 if the reader holds as many as it may. With ZINC_WAIT_UNTIL_GONE -32
 * (EPIPE) if somebody has written, none of them is left, and nothing of theirs either.
 */
int32_t zinc_reader_receive(ZincReader reader, ZincMessage *message, const ZincWaitOptions *wait);

/** Gives a message back, once. */
void zinc_reader_release(ZincReader reader, const ZincMessage *message);

/** Goes on to the newest message, for zinc_reader_receive(): those before it count as lost. */
int32_t zinc_reader_skip(ZincReader reader);

/**
 * Wants no further message for now: writers do not wait for it. What it holds stays as it is, and
 * zinc_reader_receive() goes on as after an eviction. For who is done, but for what it holds.
 */
void zinc_reader_stop(ZincReader reader);

/** How many messages were displaced before this reader came to them, or skipped. */
uint64_t zinc_reader_lost(ZincReader reader);

/** The number of the message that it wants next. */
uint64_t zinc_reader_next(ZincReader reader);

#ifdef __cplusplus
}
#endif

#include "queue.h"

#endif
