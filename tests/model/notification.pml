/*
 * The notification protocol of Sources/Zinc/Notification/Notification.swift, for spin to
 * search in full: every interleaving, and every reordering that its memory orders allow.
 *
 *     spin -a -DN3_ORDER=1 notification.pml && cc -O2 -DSAFETY pan.c && ./a.out -E
 *
 * A step is done when `d` says so, and may be done before one that stands before it in the
 * program unless something keeps them apart: the same word, a value or a branch that it
 * depends on (stores and system calls are never speculated, loads are), or their orders.
 * FUTEX_WAKE and FUTEX_WAIT order nothing by themselves. Memory is multi-copy atomic.
 * Read-modify-writes happen at one moment, that of their write.
 *
 * What must hold: who sees a sequence sees the data that was written before it; when
 * notify returns, everybody who was asleep when it counted has been woken; and when all
 * is quiet nobody sleeps on an old sequence, unless a notifier was killed.
 */
#define RELAXED 0
#define ACQUIRE_RELEASE 1
#define SEQUENTIAL 2

/* The orders in the source; -D weakens one. */
#ifndef N2_ORDER
#define N2_ORDER SEQUENTIAL
#endif
#ifndef N3_ORDER /* the load of parked */
#define N3_ORDER SEQUENTIAL
#endif
#ifndef N3_WOKEN_ORDER
#define N3_WOKEN_ORDER RELAXED
#endif
#ifndef N5_ORDER
#define N5_ORDER ACQUIRE_RELEASE
#endif
#ifndef W1_ORDER
#define W1_ORDER ACQUIRE_RELEASE
#endif
#ifndef W2_ORDER
#define W2_ORDER SEQUENTIAL
#endif
#ifndef W3_ORDER
#define W3_ORDER SEQUENTIAL
#endif

/* Does an earlier load, or an earlier store or read-modify-write, come before a later one? */
#define LOAD_THEN_LOAD(a, b) (a >= ACQUIRE_RELEASE)
#define LOAD_THEN_STORE(a, b) (a >= ACQUIRE_RELEASE || b >= ACQUIRE_RELEASE)
#define STORE_THEN_LOAD(a, b) (a == SEQUENTIAL && b == SEQUENTIAL)
#define STORE_THEN_STORE(a, b) (b >= ACQUIRE_RELEASE)
#define AFTER(step, kept) (d[step] || !(kept))

#ifndef NOTIFIERS
#define NOTIFIERS 2
#endif
#ifndef WAITERS
#define WAITERS 2
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef DATA /* look at what is written before a notify, too */
#define DATA 0
#endif
#ifndef KILLS
#define KILLS 0
#endif

byte sequence, parked, woken, data;
bool asleep[WAITERS];
byte last[WAITERS];            /* what a waiter has seen */
byte owed[WAITERS];            /* ghost: notifiers that counted while it was asleep */
bool dead[NOTIFIERS + WAITERS];
byte kills;
bool notifier_was_killed;

inline count() {
    sequence++;
    for (w : 0 .. WAITERS - 1) {
        if
        :: asleep[w] -> owed[w] = owed[w] | (1 << me)
        :: else
        fi
    }
    w = 0
}

inline wake() {
    for (w : 0 .. WAITERS - 1) { asleep[w] = false; owed[w] = 0 }
    w = 0
}

#define WROTE 0
#define N2 1
#define N3 2
#define N3W 3
#define N4 4
#define N5 5
#ifdef ANSWER_WHAT_CAME_AFTER /* forgets n1: takes parked from after the add */
#define ANSWERED p3
#else
#define ANSWERED p
#endif

proctype notifier(byte me) provided (!dead[me]) {
    byte p, p3, w3, round, w;
    bool d[6];
again:
    do
    /* the data */
    :: DATA && !d[WROTE] -> atomic { data++; d[WROTE] = true }
    /* n2  sequence += 1; n1, the load that gave p, was in another round */
    :: !d[N2] && (!DATA || AFTER(WROTE, STORE_THEN_STORE(RELAXED, N2_ORDER))) -> atomic { count(); d[N2] = true }
    /* n3  if parked != woken */
#ifdef SWAP_N2_N3
    :: !d[N3] && !d[N2] -> atomic { p3 = parked; d[N3] = true }
#else
    :: !d[N3] && AFTER(N2, STORE_THEN_LOAD(N2_ORDER, N3_ORDER)) -> atomic { p3 = parked; d[N3] = true }
#endif
    :: !d[N3W] && AFTER(N2, STORE_THEN_LOAD(N2_ORDER, N3_WOKEN_ORDER)) &&
        AFTER(N3, LOAD_THEN_LOAD(N3_ORDER, N3_WOKEN_ORDER)) -> atomic { w3 = woken; d[N3W] = true }
    :: d[N2] && d[N3] && d[N3W] && p3 == w3 -> break
    /* n4  FUTEX_WAKE: on the branch of n3 */
#ifdef SWAP_N4_N5
    :: !d[N5] && d[N2] && d[N3] && d[N3W] && p3 != w3 -> atomic { woken = p; d[N5] = true }
    :: !d[N4] && d[N5] -> atomic { wake(); d[N4] = true }
#else
    :: !d[N4] && d[N3] && d[N3W] && p3 != w3 -> atomic { wake(); d[N4] = true }
    /* n5  woken = p */
    :: !d[N5] && d[N3] && d[N3W] && p3 != w3 &&
        AFTER(N2, STORE_THEN_STORE(N2_ORDER, N5_ORDER)) &&
        AFTER(N4, STORE_THEN_STORE(RELAXED, N5_ORDER)) -> atomic { woken = ANSWERED; d[N5] = true }
#endif
    :: d[N2] && d[N4] && d[N5] -> break
    od;
    atomic {
        for (w : 0 .. WAITERS - 1) { assert((owed[w] & (1 << me)) == 0) }
        w = 0;
        for (w : 0 .. 5) { d[w] = false }
        w = 0;
        p = p3;                                                              /* n1 */
        p3 = 0; w3 = 0;
        round++;
        if
        :: round < ROUNDS -> goto again
        :: else
        fi
    }
}

#define W2 0
#define W3 1
#define W4 2
#ifdef SWAP_W2_W3
#define W2_MAY (d[W3] && now == last[me])
#define W3_MAY true
#else
#define W2_MAY true
#define W3_MAY AFTER(W2, STORE_THEN_LOAD(W2_ORDER, W3_ORDER))
#endif

proctype waiter(byte me; byte id) provided (!dead[id]) {
    byte now, early, round;
    bool d[3], is_acquired;
again:
#if DATA
    early = data;                                /* what a read ahead of its turn may find */
#endif
    atomic { now = sequence; is_acquired = (W1_ORDER >= ACQUIRE_RELEASE) }            /* w1 */
    do
    :: now != last[me] -> break
    :: else ->
        do
        /* w2  parked += 1; on the branch of w1 */
        :: !d[W2] && W2_MAY -> atomic { parked++; d[W2] = true }
        /* w3  if sequence != last */
        :: !d[W3] && W3_MAY -> atomic { now = sequence; d[W3] = true }
        :: d[W3] && now != last[me] -> is_acquired = (W3_ORDER >= ACQUIRE_RELEASE); break
        /* w4  FUTEX_WAIT; on the branch of w3 */
        :: !d[W4] && d[W3] && now == last[me] ->
            atomic { d[W4] = true; asleep[me] = (sequence == last[me]) }
        :: d[W2] && d[W4] && !asleep[me] -> break
        od;
        atomic {
            if
            :: now != last[me] -> skip
            :: else -> now = sequence; is_acquired = (W1_ORDER >= ACQUIRE_RELEASE)  /* w1 again */
            fi;
            d[W2] = false; d[W3] = false; d[W4] = false
        }
    od;
    atomic {
        assert(!DATA || data >= now && (is_acquired || early >= now));
        last[me] = now;
        now = 0; early = 0; is_acquired = false;
        round++;
        if
        :: round < ROUNDS -> goto again
        :: else
        fi
    }
}

proctype killer() {
    byte victim;
    do
    :: kills < KILLS -> atomic {
            select(victim : 0 .. NOTIFIERS + WAITERS - 1);
            if
            :: !dead[victim] ->
                dead[victim] = true;
                kills++;
                if
                :: victim < NOTIFIERS -> notifier_was_killed = true
                :: else -> asleep[victim - NOTIFIERS] = false; owed[victim - NOTIFIERS] = 0
                fi
            :: else
            fi
            victim = 0
        }
    :: break
    od
}

init {
    byte i;
    atomic {
        for (i : 0 .. NOTIFIERS - 1) { run notifier(i) }
        for (i : 0 .. WAITERS - 1) { run waiter(i, NOTIFIERS + i) }
#if KILLS
        run killer();
#endif
        i = 0
    }
    timeout;
    atomic {
        for (i : 0 .. WAITERS - 1) {
            assert(!asleep[i] || last[i] == sequence || notifier_was_killed)
        }
    }
}
