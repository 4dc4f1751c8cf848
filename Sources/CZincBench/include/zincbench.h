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
    ZINCBENCH_SPIN = 0,      /* a line of memory, watched without sleeping */
    ZINCBENCH_FUTEX = 1,     /* the same, asleep in the kernel */
    ZINCBENCH_RAW = 2,       /* what one writes by hand: watched for a while, then asleep */
    ZINCBENCH_FILE = 3,      /* eight bytes through a pipe, an eventfd or a socket */
    ZINCBENCH_SEMAPHORE = 4, /* sem_post and sem_wait */
    ZINCBENCH_WAIT = 5,      /* zinc_notify and zinc_wait */
    ZINCBENCH_TRY_WAIT = 6,  /* zinc_notify, and zinc_try_wait in a loop */
    ZINCBENCH_SLEEP = 7,     /* zinc_notify, and zinc_region_wait that sleeps at once */
    ZINCBENCH_CROWD = 8,     /* the same; the answer is a futex */
};

/*
 * One side of a conversation. A place is the address of a line of memory, a handle, or two
 * descriptors: the one to write in the upper half, the one to read in the lower.
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

/* Asks, and waits for each answer. */
void zincbench_ask(uint32_t channel, const ZincBenchTalk *talk);

/* Answers. Returns how many payloads were not what the asker had written. */
uint64_t zincbench_answer(uint32_t channel, const ZincBenchTalk *talk);

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
 * Calls zinc_ptr, zinc_capacity, zinc_notify and zinc_wait, each `calls` times, and then does
 * `faults` times what they must not: an allocation and a system call, for whoever counts to
 * prove that he does. Calls getppid(2) before and after, for a trace to show. Returns how many allocations it
 * made, as far as this library's malloc was preloaded.
 */
uint64_t zincbench_hot_path(void *handle, uint64_t calls, uint64_t faults);

#endif
