/*
 * Waiting for many, Sources/Zinc/Region/WaitSet.swift and Notification/Sleepers.swift: what
 * notification.pml is for one region, by the same rules of reordering, for one waiter and two
 * regions with a notifier each.
 *
 *     spin -a -DFOR_ALL=1 many.pml && cc -O2 -DSAFETY pan.c && ./a.out -E
 *
 * futex_waitv(2) looks at one word after the other: each look, and that a wake-up of the word is
 * noticed from then on, is one moment. With GROUPS the words are too many for one call: a
 * thread sleeps on each, and both on `done`, which the first to wake sets.
 *
 * What must hold: when notify returns, who slept on that region when it counted, and had a
 * ticket for it, has been woken; a word keeps the waiter from its sleep only if it has moved
 * since it was read, else it would be busy until there is enough; when all is quiet the waiter
 * does not sleep though enough of its regions have news, unless a notifier was killed; and who
 * is told of news sees the data that was written before.
 */
#define RELAXED 0
#define ACQUIRE_RELEASE 1
#define SEQUENTIAL 2

/* The orders in the source; -D weakens one. n1 to n5 are as in notification.pml. */
#ifndef W1_ORDER
#define W1_ORDER ACQUIRE_RELEASE
#endif
#ifndef W2_ORDER
#define W2_ORDER SEQUENTIAL
#endif
#ifndef W3_ORDER
#define W3_ORDER SEQUENTIAL
#endif

#define STORE_THEN_LOAD(a, b) (a == SEQUENTIAL && b == SEQUENTIAL)

#ifndef FOR_ALL
#define FOR_ALL 0
#endif
#ifndef GROUPS
#define GROUPS 0
#endif
#ifndef NOTIFICATIONS
#define NOTIFICATIONS 2
#endif
#ifndef WAITS
#define WAITS 2
#endif
#ifndef DATA /* look at what is written before a notify, too */
#define DATA 0
#endif
#ifndef KILLS
#define KILLS 0
#endif

#define REGIONS 2
#if GROUPS
#define SLEEPERS 2
#define SLEEPER_OF(region) region
#define FIRST(sleeper) sleeper
#define END(sleeper) (sleeper + 1)
#else
#define SLEEPERS 1
#define SLEEPER_OF(region) 0
#define FIRST(sleeper) 0
#define END(sleeper) REGIONS
#endif

byte sequence[REGIONS], parked[REGIONS], woken[REGIONS];
byte data[REGIONS];
byte last[REGIONS];                     /* what the waiter has seen */
byte was[REGIONS];                      /* ghost: the sequence as w3 read it */
bool has_ticket[REGIONS];               /* ghost: of this round of its loop */
bool queued[REGIONS], done_queued[SLEEPERS], roused[SLEEPERS];
bool done;
bool owed[REGIONS];                     /* ghost: counted while it slept there, with a ticket */
bool is_waiting, notifier_was_killed;
bool dead[REGIONS];
byte kills;

#define HAS_NEWS(region) (sequence[region] != last[region])
#if FOR_ALL
#define ENOUGH (HAS_NEWS(0) && HAS_NEWS(1))
#else
#define ENOUGH (HAS_NEWS(0) || HAS_NEWS(1))
#endif

inline wake(region) {
    if
    :: queued[region] -> roused[SLEEPER_OF(region)] = true
    :: else
    fi;
    owed[region] = false
}

proctype notifier(byte me) provided (!dead[me]) {
    byte p, found, round;
    do
    :: break                                                  /* or it says nothing more */
    :: round < NOTIFICATIONS ->
#if DATA
        data[me]++;
#endif
        atomic {                                                          /* n2 */
            sequence[me]++;
            owed[me] = queued[me] && has_ticket[me] && !roused[SLEEPER_OF(me)]
        }
        found = parked[me];                                               /* n3 */
        if
        :: found != woken[me] ->
            atomic { wake(me) }                                           /* n4 */
            woken[me] = p                                                 /* n5 */
        :: else
        fi;
        atomic {
            assert(!owed[me]);
            p = found;                                                    /* n1 of the next */
            found = 0;
            round++
        }
    od
}

#ifdef WAKE_BEFORE_DONE /* what a weaker order than sequentially consistent allows, too */
#define TELL wake_others()
#define TELL_MORE FINISH
#else
#define TELL FINISH
#define TELL_MORE wake_others()
#endif
#ifdef FORGET_DONE
#define FINISH skip
#else
#define FINISH done = true /* whoever wakes, or could not sleep, ends the others' sleep */
#endif

inline wake_others() {
#ifndef WAKE_NO_OTHERS
    if
    :: SLEEPERS == 2 && done_queued[0] -> roused[0] = true
    :: else
    fi;
    if
    :: SLEEPERS == 2 && done_queued[SLEEPERS - 1] -> roused[SLEEPERS - 1] = true
    :: else
    fi
#else
    skip
#endif
}

#ifdef TICKET_AFTER_READ
#define TICKET_MAY(region) (!w2[region] && w3[region])
#define READ_MAY(region) (!w3[region])
#else
#define TICKET_MAY(region) (!w2[region])
#define READ_MAY(region) (!w3[region] && (w2[region] || !STORE_THEN_LOAD(W2_ORDER, W3_ORDER)))
#endif
#define READ(region) read[region] = sequence[region]; was[region] = read[region]; w3[region] = true

inline take_ticket(region) {
    atomic {
        if
        :: wants_ticket[region] -> parked[region]++; has_ticket[region] = true
        :: else
        fi;
        w2[region] = true
    }
}

#define SEES_DATA(region) (!DATA || data[region] >= sequence[region] && \
    (W1_ORDER >= ACQUIRE_RELEASE || early[region] >= sequence[region]))

/* Where a sleeper is: putting itself on its words, asleep, awake, telling, done with that. */
#define SETTING_UP 0
#define ASLEEP 1
#define AWAKE 2
#define TELLING 3
#define TOLD 4

proctype waiter() {
    byte read[REGIONS];
    bool w2[REGIONS], w3[REGIONS], wants_ticket[REGIONS];
    byte next[SLEEPERS], state[SLEEPERS];
    byte early[REGIONS];                    /* what a read ahead of its turn may find */
    byte round, i;
    do
    :: round == WAITS -> break
    :: else ->
        atomic {
            is_waiting = true;
#if DATA
            early[0] = data[0]; early[1] = data[1]
#endif
        }
        do
        :: atomic {
                /* Looks, which decides nothing but who gets a ticket. */
                wants_ticket[0] = !HAS_NEWS(0);
                wants_ticket[1] = !HAS_NEWS(1)
            }
            do
            /* w2  P += 1 of each without news */
            :: TICKET_MAY(0) -> take_ticket(0)
            :: TICKET_MAY(1) -> take_ticket(1)
            /* w3  read each S once */
            :: READ_MAY(0) -> atomic { READ(0) }
            :: READ_MAY(1) -> atomic { READ(1) }
            :: w3[0] && w3[1] -> break
            od;
            if
#if FOR_ALL
            :: read[0] != last[0] && read[1] != last[1] -> break
#else
            :: read[0] != last[0] || read[1] != last[1] -> break
#endif
            :: else
            fi;
#ifdef REREAD_AT_SLEEP /* decides anew what each is compared with */
            atomic { read[0] = (HAS_NEWS(0) -> sequence[0] : last[0]) }
            atomic { read[1] = (HAS_NEWS(1) -> sequence[1] : last[1]) }
#endif
#ifdef ARM_WITH_AFTER /* compares with what was seen, news or not */
            atomic { read[0] = last[0]; read[1] = last[1] }
#endif
            /* w4  futex_waitv; a ticket that nothing orders before it may come as late */
            do
            :: TICKET_MAY(0) -> take_ticket(0)
            :: TICKET_MAY(1) -> take_ticket(1)
            :: state[0] == SETTING_UP && next[0] < END(0) - FIRST(0) -> atomic {
                    i = FIRST(0) + next[0];
                    if
                    :: sequence[i] == read[i] -> queued[i] = true; next[0]++
                    :: else -> assert(sequence[i] != was[i]); state[0] = AWAKE
                    fi;
                    i = 0
                }
            :: state[0] == SETTING_UP && next[0] == END(0) - FIRST(0) -> atomic {
                    if
                    :: GROUPS && done -> state[0] = AWAKE
                    :: else -> done_queued[0] = true; state[0] = ASLEEP
                    fi
                }
            :: state[0] == ASLEEP && roused[0] -> state[0] = AWAKE
            :: state[0] == AWAKE -> atomic { TELL; state[0] = TELLING }
            :: state[0] == TELLING -> atomic { TELL_MORE; state[0] = TOLD }
#if GROUPS
            :: state[1] == SETTING_UP && next[1] == 0 -> atomic {
                    if
                    :: sequence[1] == read[1] -> queued[1] = true; next[1] = 1
                    :: else -> assert(sequence[1] != was[1]); state[1] = AWAKE
                    fi
                }
            :: state[1] == SETTING_UP && next[1] == 1 -> atomic {
                    if
                    :: done -> state[1] = AWAKE
                    :: else -> done_queued[1] = true; state[1] = ASLEEP
                    fi
                }
            :: state[1] == ASLEEP && roused[1] -> state[1] = AWAKE
            :: state[1] == AWAKE -> atomic { TELL; state[1] = TELLING }
            :: state[1] == TELLING -> atomic { TELL_MORE; state[1] = TOLD }
#endif
            :: state[0] == TOLD && state[SLEEPERS - 1] == TOLD && w2[0] && w2[1] -> break
            od;
            atomic {
                w2[0] = false; w2[1] = false; w3[0] = false; w3[1] = false;
                queued[0] = false; queued[1] = false; has_ticket[0] = false; has_ticket[1] = false;
                owed[0] = false; owed[1] = false; done = false;
                done_queued[0] = false; done_queued[SLEEPERS - 1] = false;
                roused[0] = false; roused[SLEEPERS - 1] = false;
                state[0] = SETTING_UP; state[SLEEPERS - 1] = SETTING_UP;
                next[0] = 0; next[SLEEPERS - 1] = 0;
                read[0] = 0; read[1] = 0; was[0] = 0; was[1] = 0
            }
        od;
        atomic {
            w2[0] = false; w2[1] = false; w3[0] = false; w3[1] = false;
            has_ticket[0] = false; has_ticket[1] = false;
            /* w1  looks whose news it is, and sees all: what it has waited for, or some. */
            assert(!HAS_NEWS(0) || SEES_DATA(0));
            assert(!HAS_NEWS(1) || SEES_DATA(1));
            last[0] = sequence[0]; last[1] = sequence[1];
            read[0] = 0; read[1] = 0; was[0] = 0; was[1] = 0;
            early[0] = 0; early[1] = 0;
            is_waiting = false;
            round++
        }
    od
}

proctype killer() {
    byte victim;
    do
    :: kills < KILLS -> atomic {
            select(victim : 0 .. REGIONS - 1);
            if
            :: !dead[victim] -> dead[victim] = true; kills++; notifier_was_killed = true
            :: else
            fi;
            victim = 0
        }
    :: break
    od
}

init {
    atomic {
        run notifier(0);
        run notifier(1);
        run waiter();
#if KILLS
        run killer();
#endif
    }
    timeout;
    assert(!is_waiting || !ENOUGH || notifier_was_killed)
}
