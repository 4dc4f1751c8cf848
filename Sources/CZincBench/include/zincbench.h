/*
 * What `zinc bench` measures with: the loops that are too quick for Python. Python arranges
 * the processes, shares the memory and reads the times; see python/zinc/bench/native.py, which
 * declares these again. libzincbench.so calls the libzinc.so beside it, as a C program would.
 *
 * Nobody but zinc bench calls these: what they are given is taken on trust. Times are
 * CLOCK_MONOTONIC in nanoseconds, which all processes of a machine read alike.
 */
#ifndef ZINCBENCH_H
#define ZINCBENCH_H

#include <stdint.h>

/* How one process tells another that there is something. */
enum {
    ZINCBENCH_SPIN = 0,           /* a line of memory, watched without sleeping */
    ZINCBENCH_FUTEX = 1,          /* the same, asleep in the kernel */
    ZINCBENCH_RAW = 2,            /* what one writes by hand: watched for a while, then asleep */
    ZINCBENCH_FILE = 3,           /* eight bytes through a pipe, an eventfd or a socket */
    ZINCBENCH_SEMAPHORE = 4,      /* sem_post and sem_wait */
    ZINCBENCH_WAIT = 5,           /* zinc_notify and zinc_wait */
    ZINCBENCH_TRY_WAIT = 6,       /* zinc_notify, and zinc_try_wait in a loop */
    ZINCBENCH_SLEEP = 7,          /* zinc_notify, and zinc_region_wait that sleeps at once */
    ZINCBENCH_CROWD = 8,          /* the same; the answer is a futex */
    ZINCBENCH_MESSAGE = 9,        /* a message of a channel */
    ZINCBENCH_MESSAGE_SLEEP = 10, /* the same, received by who sleeps at once */
};

/*
 * One side of a conversation. A place is the address of a line of memory, a handle, a channel's
 * writer or reader, or two descriptors: the one to write in the upper half, the one to read in the
 * lower.
 */
typedef struct ZincBenchTalk {
    uint64_t rounds;
    uintptr_t there;       /* the place of the questions */
    uintptr_t back;        /* the place of the answers */
    uint64_t pause;        /* ns from one question to the next; 0: as soon as it is answered */
    uint8_t *payload;      /* null, or what is written before each question and read after it */
    uint64_t payload_size; /* a multiple of 64 bytes */
    uint64_t *sent;        /* times of `rounds` questions, or null: each before it is said, */
    uint64_t *heard;       /* when it was heard, */
    uint64_t *used;        /* when the payload had been read, */
    uint64_t *answered;    /* and when the answer was back */
    uint32_t *present;     /* null, or where a crowd counts who has heard; the last one answers */
    uint64_t crowd;        /* how many they are */
} ZincBenchTalk;

/* Makes a line of memory a semaphore. */
void zincbench_semaphore(void *line);
/* Makes one a semaphore that is free, to be used as a lock. */
void zincbench_binary_semaphore(void *line);
/* Makes one a mutex between processes. */
void zincbench_mutex(void *line, int32_t is_robust);

/* Asks, and waits for each answer. */
void zincbench_ask(uint32_t channel, const ZincBenchTalk *talk);

/* Answers. Returns how many payloads were not what the asker had written. */
uint64_t zincbench_answer(uint32_t channel, const ZincBenchTalk *talk);

/* ---- locks ---- */

/* Kinds of locks. A place is a handle, or a line of memory: zeros, or what was made of it. */
enum {
    ZINCBENCH_ZINC_LOCK = 0,      /* the own lock of a region */
    ZINCBENCH_WORD = 1,           /* two atomic instructions, and nobody who waits */
    ZINCBENCH_FUTEX_LOCK = 2,     /* what one writes by hand: watched for a while, then asleep */
    ZINCBENCH_MUTEX = 3,          /* of pthread, robust or not */
    ZINCBENCH_SEMAPHORE_LOCK = 4, /* sem_wait and sem_post, as multiprocessing.Lock has it */
};

/*
 * What a lock guards, on a line of its own. It counts from the tenth change on, when both have
 * begun for sure.
 */
typedef struct ZincBenchGuarded {
    uint64_t taken;   /* how often; both stop at `most` */
    uint64_t changed; /* how often by another than before */
    uint64_t last;    /* who had it last */
    uint64_t check;   /* as `taken`, or nobody was excluded */
    uint64_t most;
    uint64_t began; /* times */
    uint64_t ended;
} ZincBenchGuarded;

/* Acquires and releases. */
void zincbench_lock(uint32_t kind, uintptr_t place, uint64_t calls);

/* Is the first or the second of two who do that at the same time. Returns how often the other was not
 * excluded. */
uint64_t zincbench_contend(uint32_t kind, uintptr_t place, ZincBenchGuarded *guarded, uint64_t me);

/* Asks who has a region's own lock. */
void zincbench_look(void *handle, uint64_t calls);

/* Asks the kernel alone for a byte of a file. */
void zincbench_kernel_look(int32_t file, uint64_t byte, uint64_t calls);

/* Opens a region by a descriptor, uses its lock once if it is to sit, and closes it. */
int32_t zincbench_sit(int32_t descriptor, int32_t sits, uint64_t rounds);

/* ---- messages ---- */

/*
 * What carries messages. Each is of `size` bytes: 8, or a multiple of 64, all of which are written and
 * read; or 0, of which none are. A place is a channel's writer, or reader, or the address of memory.
 */
enum {
    ZINCBENCH_CHANNEL = 0,
    ZINCBENCH_RING = 1, /* of one producer and one consumer */
    ZINCBENCH_LINE = 2, /* a line of memory, which holds the last one alone */
};

/* Makes zeros a ring of so many messages, a power of two, as many bytes from one to the next. It takes 192
 * bytes beside them. */
void zincbench_ring(void *place, uint64_t count, uint64_t stride);

/* Sends messages. */
void zincbench_send(uint32_t kind, uintptr_t writer, uint64_t size, uint64_t count);

/* Sends messages of 8 bytes, `pauses` apart. Returns the time that sending takes, clock included. */
uint64_t zincbench_send_paced(uint32_t kind, uintptr_t writer, uint64_t count, uint64_t pauses);

/* Receives messages, and waits for each. Returns how many were not what was sent. */
uint64_t zincbench_receive(uint32_t kind, uintptr_t reader, uint64_t size, uint64_t count);

/* Sends `batch` messages and receives them, `rounds` times, and adds the time of each up: times[2]. */
uint64_t zincbench_batches(uint32_t kind, uintptr_t writer, uintptr_t reader, uint64_t size, uint64_t batch,
                           uint64_t rounds, uint64_t *times);

/* Receives what there is without sleeping, until `*is_over`. Returns how many messages that were. */
uint64_t zincbench_follow(uint32_t kind, uintptr_t reader, const uint32_t *is_over);

/* ---- memory ---- */

/* Reads every byte, in order. Returns a sum. `size` is a multiple of 64. */
uint64_t zincbench_read(const void *memory, uint64_t size);

/* Writes every byte, in order. `size` is a multiple of 64. */
void zincbench_write(void *memory, uint64_t size, uint64_t value);

/* Reads eight bytes of each page of 4096, in an order that no prefetcher foresees. */
uint64_t zincbench_read_pages(const void *memory, uint64_t size);

/* ---- making and attaching ---- */

/* Creates, opens, closes and removes `rounds` times; each step's times go to its array. */
int32_t zincbench_zinc_lives(const char *name, uint64_t size, uint64_t rounds, uint64_t *created,
                             uint64_t *opened, uint64_t *closed, uint64_t *removed);

/* The same through open, ftruncate and mmap of `path`; with `reserve`, posix_fallocate too. */
int32_t zincbench_raw_lives(const char *path, uint64_t size, int32_t reserve, uint64_t rounds,
                            uint64_t *created, uint64_t *opened, uint64_t *closed, uint64_t *removed);

/* ---- calls that meet nobody ---- */

void zincbench_notify(void *handle, uint64_t calls);
void zincbench_try_wait(void *handle, uint64_t calls);

/* Does nothing, but reads the clock: what a time costs. */
void zincbench_clock(uint64_t calls);

/*
 * Calls zinc_ptr, zinc_capacity, zinc_notify, zinc_wait, zinc_lock_acquire and zinc_lock_release, each
 * `calls` times, on a handle that sits already, and then does
 * `faults` times what they must not: an allocation and a system call, for whoever counts to
 * prove that he does. Calls getppid(2) before and after, for a trace to show. Returns how many allocations it
 * made, as far as this library's malloc was preloaded.
 */
uint64_t zincbench_hot_path(void *handle, uint64_t calls, uint64_t faults);

/* The same of messages: loans, publishes, receives and releases as many. */
uint64_t zincbench_hot_path_of_messages(void *writer, void *reader, uint64_t calls, uint64_t faults);

#endif
