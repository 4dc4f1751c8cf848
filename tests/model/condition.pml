/*
 * Conditions, Sources/Zinc/Locks/Condition.swift: three wait, two are notified, and one of those who
 * wait is killed, wherever it is; another one comes in its place, and waits, too. What the source
 * has in another way is defined here by the test.
 *
 *     spin -a condition.pml && cc -O2 -DSAFETY pan.c && ./a.out -E
 *
 * Places are taken, notified and given back by who has the lock, which is here one that nobody
 * dies with. Those who sleep look at the end of their naps, without it, whether a dead one has kept a
 * notification. All changes of a state are compare-and-exchanges: no order of memory is left to
 * say.
 *
 * What must hold: two come to the end of their wait, as many as were notified, and nobody finds that
 * its place is another's.
 */
#define WAITERS 3
#define PLACES 3
#define NOTIFICATIONS 2
#define KILLS 1

#define FREE 0
#define WAITING 1
#define NOTIFIED 2
#define IDENTITY(process) (1 + (process) + WAITERS * generation[process])
#define IS_OVER(place) (generation[(who[place] - 1) % WAITERS] != (who[place] - 1) / WAITERS)
#ifdef FORGET_TICKETS
#define STATE(ticket, what) (what)
#else
#define STATE(ticket, what) ((ticket) * 4 + (what))
#endif
#define WHAT(state) ((state) % 4)

bool locked;
byte state[PLACES], who[PLACES];
byte next, generation[WAITERS];
bool killed[WAITERS], is_inside[WAITERS];
byte kills, waiting, ended;

#ifdef INHERIT_NOTHING
#define KEPT(place) false
#else
#define KEPT(place) (WHAT(state[place]) == NOTIFIED && IS_OVER(place))
#endif

inline lock() { atomic { !locked -> locked = true; is_inside[me] = true } }

inline unlock() { atomic { locked = false; is_inside[me] = false } }

proctype waiter(byte me) {
    byte place, ticket, other, seen;
start:
    {
        lock();
        atomic {                                                          /* begin */
            if
            :: state[0] == FREE -> place = 0
            :: state[0] != FREE && state[1] == FREE -> place = 1
            :: state[0] != FREE && state[1] != FREE && state[2] == FREE -> place = 2
            :: else ->                                                    /* one of a dead one */
                if
                :: WHAT(state[0]) == WAITING && IS_OVER(0) -> place = 0
                :: WHAT(state[1]) == WAITING && IS_OVER(1) -> place = 1
                :: WHAT(state[2]) == WAITING && IS_OVER(2) -> place = 2
                :: else -> unlock(); goto end                             /* no place for more */
                fi
            fi;
            ticket = next;
            next++;
            who[place] = IDENTITY(me);
            state[place] = STATE(ticket, WAITING);
            waiting++
        }
        unlock();
        do
        :: atomic { state[place] != STATE(ticket, WAITING) -> break }
        :: atomic { place != 0 && KEPT(0) -> other = 0; seen = state[0] } -> goto inherit
        :: atomic { place != 1 && KEPT(1) -> other = 1; seen = state[1] } -> goto inherit
        :: atomic { place != 2 && KEPT(2) -> other = 2; seen = state[2] };
inherit:
            atomic {                                                      /* mine first */
#ifndef TAKE_FIRST
                if
                :: state[place] == STATE(ticket, WAITING) -> state[place] = STATE(ticket, NOTIFIED)
                :: else -> other = 0; seen = 0; break
                fi
#else
                if
                :: state[other] == seen -> state[other] = FREE
                :: else -> other = 0; seen = 0; goto again
                fi
#endif
            }
            atomic {                                                      /* then its */
#ifndef TAKE_FIRST
                if
                :: state[other] == seen -> state[other] = FREE; other = 0; seen = 0; break
                :: else
                fi;
                other = 0;
                seen = 0
#else
                state[place] = STATE(ticket, NOTIFIED); other = 0; seen = 0; break
#endif
            }
#ifdef GO_BACK
            atomic {                                                      /* another was faster */
                if
                :: state[place] == STATE(ticket, NOTIFIED) -> state[place] = STATE(ticket, WAITING)
                :: else -> break
                fi
            }
#else
            break;
#endif
again:
            skip
        od;
        lock();
        atomic {                                                          /* end */
            assert(who[place] == IDENTITY(me) && state[place] == STATE(ticket, NOTIFIED));
            state[place] = FREE;
            ended++
        }
        unlock();
        goto end
    } unless {
        atomic {
            killed[me] -> killed[me] = false;
            place = 0; ticket = 0; other = 0; seen = 0;
            goto start
        }
    }
end:
    skip
}

proctype notifier() {
    byte i, seen, done;
    waiting >= WAITERS;
    do
    :: done == NOTIFICATIONS -> break
    :: else ->
        atomic { !locked -> locked = true }
        do
        :: atomic { WHAT(state[0]) == WAITING -> i = 0; seen = state[0] } -> goto tell
        :: atomic { WHAT(state[1]) == WAITING -> i = 1; seen = state[1] } -> goto tell
        :: atomic { WHAT(state[2]) == WAITING -> i = 2; seen = state[2] } -> goto tell
        :: atomic {
                WHAT(state[0]) != WAITING && WHAT(state[1]) != WAITING && WHAT(state[2]) != WAITING ->
                break
            };
tell:
            atomic {
                if
                :: state[i] == seen && IS_OVER(i) -> state[i] = FREE; i = 0; seen = 0
                :: state[i] == seen && !IS_OVER(i) -> state[i] = seen + NOTIFIED - WAITING; break
                :: else
                fi
            }
        od;
        atomic { i = 0; seen = 0; done++; locked = false }
    od
}

proctype killer() {
    byte victim;
    do
    :: kills < KILLS -> atomic {
            if
            :: !is_inside[0] -> victim = 0
            :: !is_inside[1] -> victim = 1
            :: !is_inside[2] -> victim = 2
            fi;
            waiting >= WAITERS;                                           /* it has begun */
            if
            :: !is_inside[victim] -> killed[victim] = true; generation[victim]++; kills++
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
        for (i : 0 .. WAITERS - 1) { run waiter(i) }
        run notifier();
        run killer();
        i = 0
    }
    timeout;
    assert(ended >= NOTIFICATIONS)
}
