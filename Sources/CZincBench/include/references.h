/*
 * The bare references: what the system itself has for what zinc does, with nothing around it.
 * Each kind has one function that says and one that hears; `round` counts from 1.
 */
#ifndef ZINCBENCH_REFERENCES_H
#define ZINCBENCH_REFERENCES_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#pragma clang assume_nonnull begin

static inline uint64_t zincbench_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline void zincbench_sleep_until(uint64_t time) {
    struct timespec t = {(time_t)(time / 1000000000u), (long)(time % 1000000000u)};
    while (syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) != 0) {
    }
}

static inline void zincbench_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static inline void zincbench_mark(void) { syscall(SYS_getppid); }

/* ---- a line of memory, without sleep ---- */

static inline void zincbench_spin_say(uintptr_t line, uint32_t round) {
    atomic_store_explicit((_Atomic uint32_t *)line, round, memory_order_release);
}

static inline int zincbench_is_said(uintptr_t line, uint32_t round) {
    return atomic_load_explicit((_Atomic uint32_t *)line, memory_order_acquire) == round;
}

/* As any message, it is out when this returns. */
static inline void zincbench_line_send(uintptr_t line, uint32_t round) {
    atomic_exchange((_Atomic uint32_t *)line, round);
}

static inline void zincbench_spin_hear(uintptr_t line, uint32_t round) {
    while (!zincbench_is_said(line, round)) zincbench_pause();
}

/* ---- a futex ---- */

static inline void zincbench_futex_say(uintptr_t line, uint32_t round) {
    zincbench_spin_say(line, round);
    syscall(SYS_futex, line, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

static inline void zincbench_futex_hear(uintptr_t line, uint32_t round) {
    while (!zincbench_is_said(line, round)) syscall(SYS_futex, line, FUTEX_WAIT, round - 1, NULL, NULL, 0);
}

/* ---- what one writes by hand: a futex that is watched first, and a count of who sleeps ---- */

typedef struct ZincBenchLine {
    _Atomic uint32_t round, sleepers;
} ZincBenchLine;

static inline void zincbench_raw_say(uintptr_t place, uint32_t round) {
    ZincBenchLine *line = (ZincBenchLine *)place;
    atomic_store(&line->round, round);
    if (atomic_load(&line->sleepers) != 0) syscall(SYS_futex, place, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

static inline void zincbench_raw_hear(uintptr_t place, uint32_t round) {
    ZincBenchLine *line = (ZincBenchLine *)place;
    for (int i = 0; i < 250; i++) { /* some microseconds */
        if (zincbench_is_said(place, round)) return;
        zincbench_pause();
    }
    atomic_fetch_add(&line->sleepers, 1);
    while (atomic_load(&line->round) != round)
        syscall(SYS_futex, place, FUTEX_WAIT, round - 1, NULL, NULL, 0);
    atomic_fetch_sub(&line->sleepers, 1);
}

/* ---- eight bytes through a pipe, an eventfd or a socket ---- */

static inline void zincbench_file_say(uintptr_t place, uint32_t round) {
    uint64_t one = 1;
    (void)round;
    while (write((int)(place >> 32), &one, sizeof one) < 0 && errno == EINTR) {
    }
}

static inline void zincbench_file_hear(uintptr_t place, uint32_t round) {
    uint64_t one;
    (void)round;
    while (read((int)(place & UINT32_MAX), &one, sizeof one) < 0 && errno == EINTR) {
    }
}

/* ---- a POSIX semaphore ---- */

void zincbench_semaphore_say(uintptr_t line, uint32_t round);
void zincbench_semaphore_hear(uintptr_t line, uint32_t round);

/* ---- locks: 0 in `place` is free ---- */

/* What any lock is made of at least: an instruction that takes it, and one that gives it back. */
static inline int zincbench_word_take(uintptr_t place) {
    uint32_t nobody = 0;
    return atomic_compare_exchange_strong_explicit((_Atomic uint32_t *)place, &nobody, 1,
                                                   memory_order_acquire, memory_order_relaxed);
}

static inline uint32_t zincbench_word_give(uintptr_t place) {
    return atomic_exchange_explicit((_Atomic uint32_t *)place, 0, memory_order_release);
}

/* What one writes by hand: watched first, then asleep, when it is 2. */
static inline void zincbench_word_acquire(uintptr_t place) {
    _Atomic uint32_t *word = (_Atomic uint32_t *)place;
    for (int i = 0; i < 250; i++) { /* some microseconds */
        if (atomic_load_explicit(word, memory_order_relaxed) == 0 && zincbench_word_take(place)) return;
        zincbench_pause();
    }
    while (atomic_exchange_explicit(word, 2, memory_order_acquire) != 0)
        syscall(SYS_futex, place, FUTEX_WAIT, 2, NULL, NULL, 0);
}

static inline void zincbench_word_release(uintptr_t place) {
    if (zincbench_word_give(place) == 2) syscall(SYS_futex, place, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static inline void zincbench_mutex_acquire(uintptr_t place) { pthread_mutex_lock((pthread_mutex_t *)place); }

static inline void zincbench_mutex_release(uintptr_t place) {
    pthread_mutex_unlock((pthread_mutex_t *)place);
}

/* ---- a ring of one producer and one consumer, which both watch without sleeping ---- */

/* Each counter is on its owner's line, beside what that one has seen last of the other's. */
typedef struct ZincBenchRing {
    _Alignas(64) _Atomic uint64_t sent;
    uint64_t received_seen;
    _Alignas(64) _Atomic uint64_t received;
    uint64_t sent_seen;
    _Alignas(64) uint64_t count; /* of messages that it holds; a power of two */
    uint64_t stride;             /* bytes from one to the next */
    _Alignas(64) uint8_t slots[64];
} ZincBenchRing;

/* Where the next message goes, once there is room. */
static inline void *zincbench_ring_claim(uintptr_t place) {
    ZincBenchRing *ring = (ZincBenchRing *)place;
    uint64_t number = atomic_load_explicit(&ring->sent, memory_order_relaxed);
    while (number - ring->received_seen >= ring->count) {
        ring->received_seen = atomic_load_explicit(&ring->received, memory_order_acquire);
        if (number - ring->received_seen >= ring->count) zincbench_pause();
    }
    return ring->slots + (number & (ring->count - 1)) * ring->stride;
}

static inline void zincbench_ring_commit(uintptr_t place) {
    ZincBenchRing *ring = (ZincBenchRing *)place;
    uint64_t number = atomic_load_explicit(&ring->sent, memory_order_relaxed);
    atomic_store_explicit(&ring->sent, number + 1, memory_order_release);
}

/* Where the next message is, once there is one. */
static inline const void *zincbench_ring_next(uintptr_t place) {
    ZincBenchRing *ring = (ZincBenchRing *)place;
    uint64_t number = atomic_load_explicit(&ring->received, memory_order_relaxed);
    while (number == ring->sent_seen) {
        ring->sent_seen = atomic_load_explicit(&ring->sent, memory_order_acquire);
        if (number == ring->sent_seen) zincbench_pause();
    }
    return ring->slots + (number & (ring->count - 1)) * ring->stride;
}

static inline void zincbench_ring_done(uintptr_t place) {
    ZincBenchRing *ring = (ZincBenchRing *)place;
    uint64_t number = atomic_load_explicit(&ring->received, memory_order_relaxed);
    atomic_store_explicit(&ring->received, number + 1, memory_order_release);
}

/* ---- a mapped file ---- */

/* shm_open is open in /dev/shm, which `path` is in. Null for a failure, with errno. */
static inline void *_Nullable zincbench_raw_create(const char *path, uint64_t size, int32_t reserve) {
    int file = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0) return NULL;
    void *memory = NULL;
    if (ftruncate(file, (off_t)size) == 0 && (!reserve || posix_fallocate(file, 0, (off_t)size) == 0))
        memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    return memory == MAP_FAILED ? NULL : memory;
}

static inline void *_Nullable zincbench_raw_open(const char *path) {
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) return NULL;
    struct stat info;
    /* fstat by number: its name is younger than glibc 2.17 on some machines. */
    void *memory = NULL;
    if (syscall(SYS_fstat, file, &info) == 0)
        memory = mmap(NULL, (size_t)info.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    return memory == MAP_FAILED ? NULL : memory;
}

static inline void zincbench_raw_close(void *memory, uint64_t size) { munmap(memory, size); }

static inline void zincbench_raw_unlink(const char *path) { unlink(path); }

/* ---- what the hot path must not do ---- */

uint64_t zincbench_allocations(void);
void zincbench_fault(void); /* an allocation and a system call */

#pragma clang assume_nonnull end
#endif
