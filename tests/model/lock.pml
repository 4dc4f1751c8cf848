/*
 * Seats and the lock, Sources/Zinc/Seats and Sources/Zinc/Locks/Lock.swift: processes that sit,
 * acquire, write two words, release and leave, each killed anywhere; another one then comes in its
 * place, and may get its seat. Its orders are read from the source by the test, which defines here
 * what another order of steps would be.
 *
 *     spin -a -DKILLS=1 lock.pml && cc -O2 -DSAFETY pan.c && ./a.out -E
 *
 * A store is under way until somebody sees it: until then only who stored it does, and what it
 * does later may be seen before, unless that releases. The word is changed by read-modify-writes
 * alone, which happen at one moment. What is read after a step that does not acquire may have been
 * read before. A killed process lets go of its seat once all that it stored can be seen: the
 * kernel's own locks see to that, and to it that who asks for the seat sees so, too.
 *
 * What must hold: one at a time, however long one is stopped; who holds it sees what was
 * written by all before, and finds the two words equal unless it is told that a holder died; that
 * it is told exactly as long as nobody has repaired; no living owner is taken for one that
 * can't be; and each kill costs at most one silence, in which all wait and none is woken, until one
 * nap ends. So without a kill nobody depends on a nap, and nobody sleeps for ever.
 */
#define ACQUIRES 1
#define RELEASES 2

/* The orders in the source; -D weakens one. */
#ifndef STORE_ORDER /* of the two words; RELEASES leaves out what may be under way */
#define STORE_ORDER 0
#endif
#ifndef S2_ORDER
#define S2_ORDER RELEASES
#endif
#ifndef S2F_ORDER /* the fence behind it */
#define S2F_ORDER RELEASES
#endif
#ifndef S3_ORDER
#define S3_ORDER ACQUIRES
#endif
#ifndef A1_ORDER
#define A1_ORDER ACQUIRES
#endif
#ifndef A2_ORDER
#define A2_ORDER ACQUIRES
#endif
#ifndef A5_ORDER
#define A5_ORDER 0
#endif
#ifndef R1_ORDER
#define R1_ORDER RELEASES
#endif
#ifndef R3_ORDER
#define R3_ORDER RELEASES
#endif

#ifndef PROCESSES
#define PROCESSES 3
#endif
#ifndef SEATS
#define SEATS PROCESSES
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef GO_ROUND /* so many of the processes do: the others have one round */
#define GO_ROUND PROCESSES
#endif
#ifndef KILLS
#define KILLS 0
#endif
#ifndef TIMEOUTS /* some have a deadline, which comes whenever it likes */
#define TIMEOUTS 0
#endif
#ifndef STOPS /* a holder may stop for good */
#define STOPS 0
#endif

#ifndef TAKE_ANYTHING /* an exchange for the CAS of a5 */
#define TAKE_ANYTHING 0
#endif
#ifndef ABANDONS /* who has it may give it up half done */
#define ABANDONS 0
#endif
#ifndef SEATED /* they sit when it begins */
#define SEATED 0
#endif

/* A step that does not acquire: what is read ahead of its turn may be found. */
#define EARLY (!(A1_ORDER & A2_ORDER & S3_ORDER & ACQUIRES) || !(S2_ORDER & RELEASES))

#define DIED 64
#define WAITERS 128
#define OWNER(w) (w & 63)
#define IDENTITY(seat, generation) (1 + seat + SEATS * (generation))
#define SEAT(w) ((OWNER(w) - 1) % SEATS)
#define GENERATION(w) ((OWNER(w) - 1) / SEATS)

byte word;
byte a, b;                              /* what the lock is for */
bool locked[SEATS], sits[PROCESSES];
byte generation[SEATS];

bool asleep[PROCESSES], stopped[PROCESSES], ended[PROCESSES];
bool killed[PROCESSES];                 /* and its successor has not begun */
byte kills, silences;

/* Stores under way. */
bool stores_a[PROCESSES], stores_b[PROCESSES], stores_generation[PROCESSES];
byte new_a[PROCESSES], new_b[PROCESSES], sits_on[PROCESSES];

/* Ghosts. */
byte holder;                            /* who has it and lives, + 1 */
bool unrepaired;                        /* a holder died, and nobody has repaired */
byte last_a, last_b;                    /* what was stored last, seen or not */

inline show_a(p) {
    if
    :: stores_a[p] -> a = new_a[p]; stores_a[p] = false; new_a[p] = 0
    :: else
    fi
}

inline show_b(p) {
    if
    :: stores_b[p] -> b = new_b[p]; stores_b[p] = false; new_b[p] = 0
    :: else
    fi
}

inline show_generation(p) {
    if
    :: stores_generation[p] -> generation[sits_on[p]]++; stores_generation[p] = false
    :: else
    fi
}

inline show_all(p) {
    show_a(p);
    show_b(p);
    show_generation(p)
}

/* What a step with this order does first. */
inline release_by(order) {
    if
    :: order & RELEASES -> show_all(me)
    :: else
    fi
}

proctype memory() {
    byte p;
end:
    do
    :: atomic { stores_a[0] -> show_a(0) }
    :: atomic { stores_b[0] -> show_b(0) }
    :: atomic { stores_generation[0] -> show_generation(0) }
    :: atomic { stores_a[1] -> show_a(1) }
    :: atomic { stores_b[1] -> show_b(1) }
    :: atomic { stores_generation[1] -> show_generation(1) }
#if PROCESSES > 2
    :: atomic { stores_a[2] -> show_a(2) }
    :: atomic { stores_b[2] -> show_b(2) }
    :: atomic { stores_generation[2] -> show_generation(2) }
#endif
    od
}

#define SEES_A (stores_a[me] -> new_a[me] : a)
#define SEES_B (stores_b[me] -> new_b[me] : b)

/* It is mine, by a step with this order. */
inline obtain(is_acquired) {
    assert(holder == 0);
    holder = me + 1;
    is_told = (word & DIED) != 0;
    assert(is_told == unrepaired);
#if EARLY
    if
    :: is_acquired -> seen_a = SEES_A; seen_b = SEES_B
    :: else -> seen_a = early_a; seen_b = early_b
    fi;
    early_a = 0; early_b = 0;
#else
    seen_a = SEES_A; seen_b = SEES_B;
#endif
    assert(seen_a == last_a && seen_b == last_b);
    assert(is_told || seen_a == seen_b)
}

inline store_a(value) {
    atomic {
        show_a(me);                     /* one store at a time of a word */
        new_a[me] = value; stores_a[me] = true; last_a = value;
        release_by(STORE_ORDER)
    }
}

inline store_b(value) {
    atomic {
        show_b(me);
        new_b[me] = value; stores_b[me] = true; last_b = value;
        release_by(STORE_ORDER)
    }
}

/* FUTEX_WAKE of one, whichever, and of all. */
inline wake_one() {
    if
    :: asleep[0] -> asleep[0] = false
    :: asleep[1] -> asleep[1] = false
#if PROCESSES > 2
    :: asleep[2] -> asleep[2] = false
#endif
    :: else
    fi
}

inline wake_all() {
    for (i : 0 .. PROCESSES - 1) {
        if
        :: asleep[i] -> asleep[i] = false
        :: else
        fi
    }
    i = 0
}

#define WAITS(p) (ended[p] || stopped[p] || asleep[p] && !stores_generation[p])
#if PROCESSES > 2
#define QUIET (WAITS(0) && WAITS(1) && WAITS(2))
#define NOBODY_STOPPED (!stopped[0] && !stopped[1] && !stopped[2])
#else
#define QUIET (WAITS(0) && WAITS(1))
#define NOBODY_STOPPED (!stopped[0] && !stopped[1])
#endif

/* The end of a nap, for who sleeps. */
inline look_up() {
    if
    :: QUIET && NOBODY_STOPPED -> assert(silences < kills); silences++
    :: else
    fi;
    asleep[me] = false
}

/* The first seat whose lock can be had is any, for who came before may leave meanwhile. */
inline find_seat() {
    if
    :: !locked[0] -> sits_on[me] = 0
    :: !locked[1] -> sits_on[me] = 1
#if SEATS > 2
    :: !locked[2] -> sits_on[me] = 2
#endif
    fi
}

inline forget() {
    w = 0; is_told = false; has_slept = false; is_woken = false; is_late = false; is_dead = false;
    seen_a = 0; seen_b = 0; early_a = 0; early_b = 0
}

proctype process(byte me; byte id) {
    byte w, g, i, rounds;
    byte seen_a, seen_b, early_a, early_b;
    bool is_told, has_slept, is_woken, is_late, is_dead, is_acquired;
start:
    {
        if
        :: id != 0 -> goto begin
        :: else
        fi;
#ifdef COUNT_BEFORE_LOCKING
        atomic {                                                          /* s2 */
            find_seat();
            generation[sits_on[me]]++;
            id = IDENTITY(sits_on[me], generation[sits_on[me]])
        }
        atomic {                                                          /* s1 */
            if
            :: !locked[sits_on[me]] -> locked[sits_on[me]] = true; sits[me] = true
            :: else -> goto start
            fi
        }
#else
        atomic { find_seat(); locked[sits_on[me]] = true; sits[me] = true } /* s1 */
        atomic {                                                          /* s2 */
            id = IDENTITY(sits_on[me], generation[sits_on[me]]);
#ifndef SAME_GENERATION
            id = id + SEATS;
            release_by(S2_ORDER);
            stores_generation[me] = true;
            release_by(S2F_ORDER)
#endif
        }
#endif
begin:
        atomic {
            if
            :: rounds == ROUNDS || rounds == 1 && me >= GO_ROUND -> goto leave
            :: else -> rounds++
            fi;
#if EARLY
            early_a = SEES_A; early_b = SEES_B
#endif
        }
        atomic {                                                          /* a1 */
            if
            :: word == 0 ->
                release_by(A1_ORDER); word = id; obtain(A1_ORDER & ACQUIRES); goto held
            :: else
            fi
        }
look:
        atomic {
            w = word;
            if
            :: OWNER(w) != 0 -> goto say
            :: OWNER(w) != 0 && TIMEOUTS -> is_late = true; goto ask
            :: OWNER(w) == 0 && w & DIED -> assert(unrepaired); goto give_up /* it is told */
            :: OWNER(w) == 0                                              /* or recovers it */
            fi
        }
        atomic {                                                          /* a2 */
            if
            :: word == w ->
                release_by(A2_ORDER);
                word = id | w;
#ifndef FORGET_OTHERS
                if
                :: has_slept -> word = word | WAITERS
                :: else
                fi;
#endif
                obtain(A2_ORDER & ACQUIRES);
                goto held
            :: else -> goto look
            fi
        }
say:
#ifndef SLEEP_UNSAID
        atomic {                                                          /* a3 */
            if
            :: word == w -> word = w | WAITERS; w = word
            :: else -> goto look
            fi
        }
#endif
        atomic {                                                          /* a4 */
            is_woken = false;
            if
#ifdef SLEEP_ON_ANYTHING
            :: OWNER(word) != 0 -> w = word
#else
            :: word == w
#endif
            :: else -> goto look
            fi;
            asleep[me] = true;
            has_slept = true
        }
        if
        :: atomic { !asleep[me] -> is_woken = true; goto look }
        :: atomic { asleep[me] -> look_up() }
        fi;
ask:
        atomic {                                                          /* s3 */
#ifdef ASK_FOR_WHO_WAS_THERE
            if
            :: word == w
            :: else -> goto look
            fi;
#endif
            w = word;
            if
            :: OWNER(w) != 0 && OWNER(w) != id -> g = generation[SEAT(w)]
            :: OWNER(w) != 0 && OWNER(w) == id && is_late -> goto give_up
            :: else -> goto look
            fi
        }
        atomic {                                                          /* s4 */
            is_acquired = true;
#ifndef ASK_THE_SEAT_ALONE
            assert(g >= GENERATION(w));                                   /* else it can't be */
            if
            :: g != GENERATION(w) -> is_dead = true; is_acquired = (S2_ORDER & RELEASES) && (S3_ORDER & ACQUIRES)
            :: else
            fi;
#endif
            g = 0;
#ifndef ASK_THE_GENERATION_ALONE
            if
            :: !locked[SEAT(w)] -> is_dead = true; is_acquired = true     /* by the kernel */
            :: else
            fi;
#endif
            if
            :: is_dead -> is_dead = false
            :: !is_dead && is_late && OWNER(word) != 0 -> goto give_up    /* timed out */
            :: else -> goto look
            fi
        }
        atomic {                                                          /* a5 */
            if
            :: word == w || TAKE_ANYTHING ->
                release_by(A5_ORDER);
                word = id;
#ifndef TAKE_UNTOLD
                word = word | DIED;
#endif
#ifndef TAKE_FOR_ONE
                word = word | WAITERS;
#endif
                obtain(is_acquired);
                goto held
            :: word == w -> assert(holder == 0 && unrepaired); word = DIED /* does not recover it */
            :: else -> goto look
            fi
        }
#ifndef TELL_NOBODY
        atomic {                                                          /* a6 */
            if
            :: w & WAITERS -> wake_all()
            :: else
            fi
        }
#endif
give_up:
#ifndef KEEP_THE_WAKE
        atomic {                                                          /* a7 */
            if
            :: is_woken -> w = word
            :: else -> goto done
            fi
        }
        atomic {
            if
            :: OWNER(w) == 0 -> wake_one()
            :: OWNER(w) != 0 && word == w -> word = w | WAITERS
            :: else -> goto give_up
            fi
        }
#endif
        goto done;

held:
        if
        :: !is_told
        :: is_told ->                                                     /* repairs, and says so */
            store_b(seen_a);
            seen_b = seen_a;
            atomic { word = word & ~DIED; unrepaired = false; is_told = false } /* r5 */
        :: is_told ->                                                     /* tries to */
            store_b((seen_b + 1) % 2);
            goto abandon
        fi;
        store_a((seen_a + 1) % 2);
        if
        :: STOPS -> stopped[me] = true; false
        :: ABANDONS -> goto abandon
        :: true
        fi;
        store_b((seen_b + 1) % 2);
#ifdef WAKE_BEFORE_RELEASE
        w = word;
        atomic {                                                          /* r2 */
            if
            :: w & WAITERS -> wake_one()
            :: else
            fi
        }
#endif
        atomic {                                                          /* r1 */
            assert(OWNER(word) == id && holder == me + 1);
            release_by(R1_ORDER);
            w = word;
            word = 0;
            holder = 0
        }
#ifndef WAKE_BEFORE_RELEASE
#ifndef RELEASE_SILENTLY
        atomic {                                                          /* r2 */
            if
            :: w & WAITERS -> wake_one()
            :: else
            fi
        }
#endif
#endif
        goto done;
abandon:
        atomic {                                                          /* r3 */
            assert(OWNER(word) == id && holder == me + 1);
            release_by(R3_ORDER);
            w = word;
            word = DIED;
            holder = 0;
            unrepaired = true
        }
#ifndef ABANDON_SILENTLY
        atomic {                                                          /* r4 */
            if
            :: w & WAITERS -> wake_all()
            :: else
            fi
        }
#endif
done:
        atomic { forget(); goto begin }
leave:
        atomic { show_all(me); locked[sits_on[me]] = false; sits[me] = false; ended[me] = true } /* s6 */
        goto gone
    } unless {
        atomic { killed[me] -> killed[me] = false; forget(); id = 0; g = 0; i = 0; rounds = 0; goto start }
    }
gone: skip
}

#if KILLS == 1
#define VICTIMS 1                       /* they are all the same */
#else
#define VICTIMS PROCESSES
#endif

proctype killer() {
    byte victim;
    do
    :: kills < KILLS -> atomic {
            if
            :: !killed[0] && !ended[0] -> victim = 0
            :: VICTIMS > 1 && !killed[1] && !ended[1] -> victim = 1
#if PROCESSES > 2
            :: VICTIMS > 1 && !killed[2] && !ended[2] -> victim = 2
#endif
            fi;
            killed[victim] = true;
            kills++;
            show_all(victim);
            if
            :: sits[victim] -> locked[sits_on[victim]] = false; sits[victim] = false
            :: else
            fi;
            sits_on[victim] = 0;
            asleep[victim] = false;
            stopped[victim] = false;
            if
            :: holder == victim + 1 -> holder = 0; unrepaired = true
            :: else
            fi;
            victim = 0
        }
    :: kills == KILLS -> break
    od
}

init {
    byte i;
    atomic {
        run memory();
        for (i : 0 .. PROCESSES - 1) {
#if SEATED
            sits_on[i] = i; locked[i] = true; sits[i] = true; generation[i] = 1;
            run process(i, IDENTITY(i, 1))
#else
            run process(i, 0)
#endif
        }
#if KILLS
        run killer();
#endif
        i = 0
    }
    timeout;
    for (i : 0 .. PROCESSES - 1) { assert(ended[i] || STOPS) }
}
