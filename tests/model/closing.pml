/*
 * Closing beside waits, Sources/Zinc/Notification/WaitsInFlight.swift: two threads that wait,
 * one that closes and then frees. The word has the waits in progress, and whether it closes.
 *
 *     spin -a closing.pml && cc -O2 -DSAFETY pan.c && ./a.out -E
 *
 * What must hold: nothing is touched that is freed, and the close comes to its end. The memory
 * of the word itself is never given back.
 */
#define WAITERS 2

byte count;
bool closing, freed, is_closed;
bool asleep[WAITERS];
byte ended;

#define TOUCH assert(!freed)

proctype waiter(byte me) {
#ifdef TOUCH_BEFORE_BEGIN
    TOUCH;
#endif
    bool has_begun;
    atomic {                                                       /* begin */
        if
        :: closing
        :: else -> count++; has_begun = true
        fi
    }
    if
    :: has_begun ->
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
        atomic { count-- }                                         /* end */
#ifdef TOUCH_AFTER_END
        TOUCH
#endif
    :: else
    fi;
    ended++
}

inline wake_all() {
    atomic { asleep[0] = false; asleep[1] = false }
}

proctype closer() {
    closing = true;
#ifdef WAKE_ONCE
    wake_all();
    count == 0;
#else
#ifndef FREE_AT_ONCE
    do
    :: count == 0 -> break
    :: count != 0 -> wake_all()
    od;
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
