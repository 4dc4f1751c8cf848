/*
 * Closing beside waits, Sources/Zinc/Notification/WaitsInFlight.swift: two threads that wait,
 * one that closes and then frees. One wait may have the place `only`, others are counted in
 * the word that also says that it closes. Its orders are read from the source by the test, which
 * defines here what weaker ones allow.
 *
 *     spin -a closing.pml && cc -O2 -DSAFETY pan.c && ./a.out -E
 *
 * What must hold: nothing is touched that is freed, and the close comes to its end. The memory
 * of the words themselves is never given back.
 */
#define WAITERS 2

byte count;
bool only, closing, freed, is_closed;
bool asleep[WAITERS];
byte ended;

#define TOUCH assert(!freed)

proctype waiter(byte me) {
    bool has_only, is_counted;
#ifdef TOUCH_BEFORE_BEGIN
    TOUCH;
#endif
    /* begin */
#ifdef LOOK_BEFORE_TAKING /* what a weaker order than sequentially consistent allows */
    bool seen = closing;
#define IS_CLOSING seen
#else
#define IS_CLOSING closing
#endif
    atomic {
        if
        :: !only -> only = true; has_only = true
        :: else
        fi
    }
    if
    :: has_only && IS_CLOSING -> only = false; has_only = false
    :: has_only && !IS_CLOSING -> skip
    :: !has_only -> atomic {
            if
            :: closing
            :: else -> count++; is_counted = true
            fi
        }
    fi;
    if
    :: has_only || is_counted ->
        do
        :: true -> TOUCH; break                                    /* news */
        :: true ->
            TOUCH;                                                 /* a ticket, a look at S */
            if
            :: closing -> break
            :: else
            fi;
            atomic { TOUCH; asleep[me] = true }                    /* FUTEX_WAIT */
            !asleep[me]
        od;
#ifndef TOUCH_AFTER_END
        TOUCH;                                                     /* sees what is new */
#endif
        atomic {                                                   /* end */
            if
            :: has_only -> only = false
            :: else -> count--
            fi
        }
#ifdef TOUCH_AFTER_END
        TOUCH
#endif
    :: else
    fi;
    ended++
}

#ifdef FORGET_ONLY
#define NOBODY (count == 0)
#else
#define NOBODY (count == 0 && !only)
#endif
#ifdef LOOK_BEFORE_SAYING /* the first look at `only`, the same on the other side */
#define FIRST_NOBODY (count == 0 && !seen)
#else
#define FIRST_NOBODY NOBODY
#endif

inline wake_all() {
    atomic { asleep[0] = false; asleep[1] = false }
}

proctype closer() {
#ifdef LOOK_BEFORE_SAYING
    bool seen = only;
#endif
    closing = true;
#ifdef WAKE_ONCE
    wake_all();
    NOBODY;
#else
#ifndef FREE_AT_ONCE
    if
    :: FIRST_NOBODY
    :: !FIRST_NOBODY ->
        wake_all();
        do
        :: NOBODY -> break
        :: !NOBODY -> wake_all()
        od
    fi;
#endif
#endif
    freed = true;
    is_closed = true
}

init {
    atomic {
        run waiter(0);
        run waiter(1);
        run closer()
    }
    timeout;
    assert(is_closed && ended == WAITERS)
}
