/*
 * Descriptors to poll, Sources/Zinc/Notification/EventDescriptors.swift: two notifiers, two
 * threads that see, and the thread that sleeps for the descriptor. What the source has in another
 * order is defined here by the test.
 *
 *     spin -a events.pml && cc -O2 -DSAFETY pan.c && ./a.out -E
 *
 * What must hold: when nobody has anything left to do, and the thread sleeps, the descriptor is
 * readable exactly if there is news. What is done inside the lock is one step, for all but the
 * sequence, which notifiers move meanwhile. The lock's release shows what was seen before it to who
 * takes it next, and the kernel's look at the sequence comes after all of the listener's steps; so
 * the notifier alone has two steps that an order has to hold.
 */
#define NOTIFIERS 2
#define SEERS 2

byte sequence, parked, woken;
byte seen, settled, armed, changes, armed_changes;
bool readable, locked, asleep;
byte ended;

inline lock() { atomic { !locked -> locked = true } }

inline unlock() { locked = false }

/* The eventfd becomes what the last look says. */
inline settle(now) {
    now = sequence;
    readable = (now != settled)
}

inline wake() { asleep = false }

proctype notifier() {
    byte tickets;
#ifdef LOOK_BEFORE_TELLING /* what a weaker order than sequentially consistent allows */
    tickets = parked;
    sequence++;
#else
    sequence++;
    tickets = parked;
#endif
    if
    :: tickets != woken -> wake(); woken = 0 /* what its last one found: none */
    :: else
    fi;
    ended++
}

proctype seer() {
    byte now, late;
    bool was_readable;
#ifdef SETTLE_BEFORE_SEEN
    late = sequence;
#else
    now = sequence;
    if
    :: now != seen -> seen = now
    :: else
    fi;
#endif
    lock();
    settled = seen;
    was_readable = readable;
    settle(now);
#ifndef SLEEP_ON
    if
    :: was_readable && !readable -> changes++; wake()
    :: else
    fi;
#endif
    unlock();
#ifdef SETTLE_BEFORE_SEEN
    if
    :: late != seen -> seen = late
    :: else
    fi;
#endif
    ended++
}

proctype listener() {
    byte now;
    bool is_watched;
    do
    :: true ->
        lock();
        is_watched = false;
        if
        :: !readable ->
#ifndef NO_TICKET
            parked++;
#endif
            settle(now);
            if
            :: !readable ->
                is_watched = true;
#ifdef ARM_WITH_WHAT_IS_THERE
                armed = sequence
#else
                armed = settled
#endif
            :: else
            fi
        :: else
        fi;
        armed_changes = changes;
        unlock();
        atomic { /* FUTEX_WAITV */
            if
            :: changes == armed_changes && (!is_watched || sequence == armed) -> asleep = true
            :: else
            fi
        }
        !asleep
    od
}

init {
    atomic {
        run notifier();
        run notifier();
        run seer();
        run seer();
        run listener()
    }
    timeout;
    assert(ended == NOTIFIERS + SEERS && asleep);
    assert(readable == (sequence != seen))
}
