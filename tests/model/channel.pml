/*
 * Channels, Sources/Zinc/Channels: writers, a reader and cleaners, each killed anywhere, and another
 * one then in its place on the seat, once that is cleaned. Its orders and its sequence of steps are
 * read from the source by the test, which defines here what another one would be.
 *
 *     spin -a -DKILLS=1 channel.pml && cc -O2 -DSAFETY pan.c && ./a.out -E
 *
 * What a writer stores is under way, in order, until somebody sees it: memory takes one store at a
 * time. A store that does not release may overtake those before it. Steps that read, modify and
 * write wait for all of them, unless they do not release. Who is killed has stored some of what is
 * under way: where a step stores several words, it was killed between two of them. What is read
 * after a step that is not sequentially consistent may have been read before it.
 *
 * The newest number is read in one step, for in the source it is what stands there when the place
 * after it is found to be older. The lock of a seat is the kernel's: who has it has seen all of who
 * had it before.
 *
 * What must hold: no slot is written that is in the ring, or read; none is of two; each message has
 * the number after the last; what is read is what was written as that number, however long it is
 * read, and what is not is counted; once all is quiet each slot is in the ring, with an owner that says so, or of one who lives,
 * or free, or parked; and where writers wait, nothing is lost from the reader's first number on, but
 * by one that they have evicted.
 */
#ifndef WRITERS
#define WRITERS 2
#endif
#ifndef READERS /* 0 or 1 */
#define READERS 1
#endif
#ifndef CLEANERS
#define CLEANERS 1
#endif
#ifndef PLACES /* of the ring */
#define PLACES 2
#endif
#ifndef SLOTS
#define SLOTS 4
#endif
#ifndef ROUNDS /* messages of the first writer, and of each other */
#define ROUNDS 2
#endif
#ifndef ROUNDS_OF_OTHERS
#define ROUNDS_OF_OTHERS ROUNDS
#endif
#ifndef KILLS
#define KILLS 0
#endif
#ifndef WAITS /* writers wait for the reader */
#define WAITS 0
#endif
#ifndef EVICTS /* how often they give up to */
#define EVICTS 0
#endif
#ifndef GIVES_BACK /* a writer keeps no slot of which it has many */
#define GIVES_BACK 0
#endif
#ifndef UNDER_WAY /* 0: without what may be, for it has too many states */
#define UNDER_WAY 1
#endif

#define READER WRITERS                  /* its seat */
#define SEATS (WRITERS + 1)
#define FOREVER 255

/* Of a slot's owner: who has it, seat + 1, or one of these. */
#define FREE 0
#define PARKED 9
#ifdef MARK_WITHOUT_NUMBER
#define PUBLISHED(n) 10
#else
#define PUBLISHED(n) (10 + n)
#endif

/* Slots count from 1: 0 is none. */
byte ring_number[PLACES], ring_slot[PLACES];
byte owner[SLOTS + 1];
byte content[SLOTS + 1];                /* the number that was written to the slot */
byte giving[WRITERS], giving_number[WRITERS], taking[WRITERS];
byte pin;
byte cursor = FOREVER, members;
byte reader_now = 1, evicted;           /* which reader it is, and which one writers do not wait for */
byte evictions;
bool locked[SEATS], sits[SEATS];        /* the role: it sits there, or did when it was killed */
byte kills;

/* Stores under way: of what, of which slot, and the value. */
#define CONTENT 1
#define GIVING 2
#define TAKING 3
#define OWNER 4
chan stores[WRITERS] = [4] of { byte, byte, byte };

/* Ghosts. */
byte newest;
byte held[WRITERS];                     /* a bit for each slot that one who lives may write */
bool is_read;                           /* and pinned, by one who lives */
byte next, first, got, lost;            /* of the reader that lives */

#define BIT(slot) (1 << (slot))
#define HOLDS(writer, slot) ((held[writer] >> (slot)) & 1)
#if WRITERS > 1
#define SOMEBODY_HOLDS(slot) (HOLDS(0, slot) || HOLDS(1, slot))
#else
#define SOMEBODY_HOLDS(slot) HOLDS(0, slot)
#endif
#define STANDS_AS(n, slot) (ring_number[(n) % PLACES] == n && ring_slot[(n) % PLACES] == slot)
#if PLACES == 2
#define STANDS(slot) (ring_slot[0] == slot || ring_slot[1] == slot)
#else
#define STANDS(slot) (ring_slot[0] == slot || ring_slot[1] == slot || ring_slot[2] == slot || ring_slot[3] == slot)
#endif
#define IS_PINNED(slot) (sits[READER] && pin == slot)
#ifdef TAKE_DISPLACED
#define SEES_PINNED(slot) false
#else
#define SEES_PINNED(slot) IS_PINNED(slot)
#endif
#define MAY_WRITE(slot) (!STANDS(slot) && !(is_read && pin == slot))

#ifdef JOIN_AT_THE_LAST
#define OLDEST (newest + 1 > PLACES -> newest + 1 - PLACES : 1)
#else
#define OLDEST (newest + 2 > PLACES -> newest + 2 - PLACES : 1)
#endif
#define IS_EVICTED (evicted == reader_now)
#define LEAST (sits[READER] && !IS_EVICTED -> cursor : FOREVER)

inline see(writer) {
    stores[writer]?what, which, value;
    if
    :: what == CONTENT -> content[which] = value
    :: what == GIVING -> giving[writer] = which; giving_number[writer] = value
    :: what == TAKING -> taking[writer] = which
    :: what == OWNER -> owner[which] = value
    fi;
    what = 0; which = 0; value = 0
}

inline see_all(writer) {
    do
    :: nempty(stores[writer]) -> see(writer)
    :: empty(stores[writer]) -> break
    od
}

/* Whatever it was about to store is never stored. */
inline see_some(writer) {
    do
    :: nempty(stores[writer]) -> see(writer)
    :: nempty(stores[writer]) -> stores[writer]?what, which, value; what = 0; which = 0; value = 0
       do
       :: nempty(stores[writer]) -> stores[writer]?what, which, value; what = 0; which = 0; value = 0
       :: empty(stores[writer]) -> break
       od
    :: empty(stores[writer]) -> break
    od
}

proctype memory() {
    byte what, which, value;
end:
    do
    :: atomic { nempty(stores[0]) -> see(0) }
#if WRITERS > 1
    :: atomic { nempty(stores[1]) -> see(1) }
#endif
    od
}

inline hold(slot) {
    assert(!SOMEBODY_HOLDS(slot));
    held[me] = held[me] | BIT(slot)
}

inline any_slot() {
    select (slot : 1 .. SLOTS)
}

/* The steps of a writer: what it does next. */
#define W0 0                            /* a slot */
#define W0_PARKED 1
#define W2 2
#define W2_OLD 3
#define W3_MEMBERS 4
#define W3_LEAST 5
#define W3_WAIT 6
#define W3_MORE 7
#define W4 8
#define W5_BEFORE 9
#define W5 10
#define GONE 11
#define W3_EVICT 12

proctype writer(byte me; byte rounds) {
    byte step, slot, n, old, old_number, gate, seen, unpinned, slow;
    byte what, which, value;
end:
    do
    /* One that it has: spare, or displaced and not read. */
    :: atomic { step == W0 && rounds > 0 -> any_slot();
        if
        :: HOLDS(me, slot) && (!SEES_PINNED(slot) || (unpinned & BIT(slot))) -> step = W2
        :: !HOLDS(me, slot) && owner[slot] == FREE ->
            see_all(me); owner[slot] = me + 1; hold(slot); step = W2
#ifdef LOOK_AT_PINS_FIRST
        :: !HOLDS(me, slot) && !IS_PINNED(slot) -> step = W0_PARKED
#elif defined(TAKE_PARKED)
        :: owner[slot] == PARKED -> step = W0_PARKED
#else
        :: owner[slot] == PARKED && !IS_PINNED(slot) -> step = W0_PARKED
#endif
        :: else -> slot = 0
        fi;
        unpinned = 0
#if WAITS
        ; if
        :: step == W2 -> step = W3_MEMBERS; n = newest + 1
        :: else
        fi
#endif
        }
    :: atomic { step == W0_PARKED ->
        if
        :: owner[slot] == PARKED ->
            see_all(me); owner[slot] = me + 1; hold(slot); step = W2
#if WAITS
            ; step = W3_MEMBERS; n = newest + 1
#endif
        :: else -> slot = 0; step = W0
        fi }
#if WAITS
    /* Is there room? */
    :: atomic { step == W3_MEMBERS ->
        if
        :: n <= PLACES || members == seen && n - PLACES < gate -> step = W2
#ifdef LEAST_BEFORE_MEMBERS
        :: else -> gate = LEAST; step = W3_LEAST
        fi }
    :: atomic { step == W3_LEAST ->
        seen = members;
#else
        :: else -> seen = members; step = W3_LEAST
        fi }
    :: atomic { step == W3_LEAST ->
        gate = LEAST;
#endif
        step = (n - PLACES < gate -> W2 : W3_WAIT) }
    :: atomic { step == W3_WAIT && newest + 1 - PLACES < LEAST -> step = W3_MEMBERS; n = newest + 1 }
#if EVICTS
    :: atomic { step == W3_WAIT && evictions < EVICTS && newest + 1 - PLACES >= LEAST ->
        evictions++;
        slow = reader_now;
        step = W3_EVICT }
    :: atomic { step == W3_EVICT -> evicted = slow; slow = 0; step = W3_MEMBERS; n = newest + 1 }
#endif
#endif
    :: atomic { step == W2 -> assert(MAY_WRITE(slot)); n = newest + 1; step = W2_OLD } /* w1 */
    :: atomic { step == W2_OLD && empty(stores[me]) ->
        old = ring_slot[n % PLACES];
        old_number = ring_number[n % PLACES];
        if
#ifndef PUBLISH_AGAIN
        :: old_number >= n -> old = 0; old_number = 0; step = W2
#endif
        :: else ->
#ifndef PUBLISH_AGAIN
            assert(old_number == (n > PLACES -> n - PLACES : 0));
#endif
#ifdef DISPLACE_NOTHING
            old = (old -> old : 1);     /* the first one, it seems */
#endif
            step = W4
#if WAITS
            ; if
            :: n > PLACES -> step = W3_MORE
            :: else
            fi
#endif
        fi }
#if WAITS
    :: atomic { step == W3_MORE ->
        if
#ifdef MEMBERS_BEFORE_OLD
        :: n - PLACES >= gate -> old = 0; old_number = 0; n = newest + 1; step = W3_MEMBERS
#else
        :: members != seen || n - PLACES >= gate -> old = 0; old_number = 0; n = newest + 1; step = W3_MEMBERS
#endif
        :: else -> step = W4
        fi }
#endif
    :: atomic { step == W4 ->
        assert(MAY_WRITE(slot));
        stores[me]!CONTENT, slot, n;
        stores[me]!GIVING, slot, n;
        stores[me]!TAKING, old, 0;
#ifndef MARK_AFTER
        stores[me]!OWNER, slot, PUBLISHED(n);
#endif
#if !UNDER_WAY
        see_all(me);
#endif
#if READERS && (defined(PINS_BEFORE) || defined(ROLE_BEFORE))
        step = W5_BEFORE }
    :: atomic { step == W5_BEFORE ->
#ifdef PINS_BEFORE
        unpinned = (old && !IS_PINNED(old) -> BIT(old) : 0);
#else
        unpinned = (old && !sits[READER] -> BIT(old) : 0); /* for all that it knew before */
#endif
#endif
        step = W5 }
    :: atomic { step == W5 ->
#ifndef SEE_NOTHING
        see_all(me);
#endif
        if
        :: ring_number[n % PLACES] == old_number ->
            assert(n == newest + 1);
            ring_number[n % PLACES] = n; ring_slot[n % PLACES] = slot;
            newest = n;
            held[me] = held[me] & ~BIT(slot);
#ifdef MARK_AFTER
            stores[me]!OWNER, slot, PUBLISHED(n);
#endif
            if
            :: old -> hold(old)
            :: else
            fi;
            rounds--;
            step = W0
        :: else ->
            old = 0;
            stores[me]!OWNER, slot, me + 1;
            unpinned = 0;
#if WAITS
            n = newest + 1;
#endif
            step = W2
        fi;
#ifndef FORGET_TAKING_FIRST
        if
        :: step == W0 && old -> stores[me]!OWNER, old, me + 1
        :: else
        fi;
        stores[me]!TAKING, 0, 0;
#else
        if
        :: stores[me]!TAKING, 0, 0;
            if
            :: step == W0 && old -> stores[me]!OWNER, old, me + 1
            :: else
            fi
        :: step == W0 && old -> stores[me]!OWNER, old, me + 1; stores[me]!TAKING, 0, 0
        fi;
#endif
        stores[me]!GIVING, 0, 0;
#if GIVES_BACK
        if
        :: step == W0 && old -> see_all(me); owner[old] = PARKED; held[me] = held[me] & ~BIT(old)
        :: true
        fi;
#endif
#if !UNDER_WAY
        see_all(me);
#endif
        old = 0;
        old_number = 0;
        if
        :: step == W0 -> slot = 0; n = 0
        :: else
        fi }
#if KILLS
    :: atomic { step != GONE && kills < KILLS ->
        kills++;
        see_some(me);
        locked[me] = false; held[me] = 0;
        slot = 0; n = 0; old = 0; old_number = 0; gate = 0; seen = 0; unpinned = 0; slow = 0;
        step = GONE }
    :: atomic { step == GONE && !sits[me] && !locked[me] ->
        locked[me] = true; sits[me] = true; step = W0 }
#endif
    od
}

/* The steps of a reader. */
#define R0 0                            /* sits */
#define J1 1
#define J2 2
#define J3 3
#define J4 4
#define R1 5
#define R2 6
#define R3 7
#define R3_BACK 8
#define R4 9
#define R5 10
#define R5_LATE 11
#define LEFT 12
#define J1_BACK 13
#if EVICTS
#define RECEIVE 14                      /* is it to begin again? */
#else
#define RECEIVE R1
#endif

proctype reader() {
    byte step, slot, number;
    bool is_back;
end:
    do
    :: atomic { step == R0 ->
        locked[READER] = true; sits[READER] = true;
#if WAITS
        select (next : 1 .. PLACES);    /* of what has been it wants so much */
        next = (newest >= next -> newest - next + 1 : 1);
        step = J1 }
#ifdef COUNT_BEFORE_CURSOR
    :: atomic { step == J1 -> members++; step = J2 }
    :: atomic { step == J2 -> cursor = next; step = J3 }
#elif defined(NEWEST_BEFORE_COUNTING)
    :: atomic { step == J1 -> cursor = next; number = OLDEST; step = J2 }
    :: atomic { step == J2 -> members++; step = J3 }
#elif defined(BACK_AFTER_COUNTING)
    :: atomic { step == J1 -> cursor = next; step = J2 }
    :: atomic { step == J2 -> members++; step = J1_BACK }
    :: atomic { step == J1_BACK -> evicted = 0; step = J3 }
#else
#if EVICTS
    :: atomic { step == J1 -> cursor = next; step = J1_BACK }
    :: atomic { step == J1_BACK -> evicted = 0; step = J2 }
#else
    :: atomic { step == J1 -> cursor = next; step = J2 }
#endif
    :: atomic { step == J2 -> members++; step = J3 }
#endif
    :: atomic { step == J3 ->
#ifndef NEWEST_BEFORE_COUNTING
        number = OLDEST;
#endif
#ifndef COUNT_NOTHING_AGAIN
        lost = (is_back && number > next -> lost + number - next : lost);
#endif
        next = (number > next -> number : next);
        number = 0;
        step = J4 }
    :: atomic { step == J4 -> cursor = next;
#else
        next = OLDEST;
#endif
        first = (is_back -> first : next);
        is_back = false;
        step = RECEIVE }
#if EVICTS
    :: atomic { step == RECEIVE -> is_back = IS_EVICTED; step = (is_back -> J1 : R1) }
    :: atomic { step == R1 && ring_number[next % PLACES] < next && IS_EVICTED -> step = RECEIVE }
#endif
    :: atomic { step == R1 && ring_number[next % PLACES] >= next ->
        if
        :: ring_number[next % PLACES] > next ->
            assert(!WAITS || IS_EVICTED);
            number = (OLDEST > next + 1 -> OLDEST : next + 1);
#ifdef COUNT_NOTHING
            next = number;
#endif
            lost = lost + number - next;
            next = number;
            number = 0
        :: else ->
            number = ring_number[next % PLACES]; slot = ring_slot[next % PLACES];
#ifdef CURSOR_FIRST
            cursor = next + 1;
#endif
            step = R2
        fi }
#ifdef PIN_LATE /* it is seen after r3 */
    :: atomic { step == R2 -> step = (STANDS_AS(number, slot) -> R3 : R3_BACK) }
    :: atomic { step == R3 -> pin = slot; is_read = true; step = R4 }
#else
    :: atomic { step == R2 -> pin = slot; step = R3 }
    :: atomic { step == R3 ->
        if
#ifndef PIN_AT_ONCE
        :: !STANDS_AS(number, slot) -> step = R3_BACK
#endif
        :: else -> is_read = true; step = R4
        fi }
#endif
    :: atomic { step == R3_BACK -> pin = 0; slot = 0; number = 0; step = R1 }
    :: atomic { step == R4 -> assert(content[slot] == number); next++; got++;
#if WAITS
        cursor = next;
#endif
        step = R5 }
    :: atomic { step == R5 -> assert(content[slot] == number);
        pin = 0;
#ifdef READ_AFTER
        step = R5_LATE }
    :: atomic { step == R5_LATE -> assert(content[slot] == number);
#endif
        is_read = false; slot = 0; number = 0; step = RECEIVE }
#if KILLS
    :: atomic { step != LEFT && step != R0 && kills < KILLS ->
        kills++;
        locked[READER] = false; is_read = false;
        slot = 0; number = 0; next = 0; first = 0; got = 0; lost = 0; is_back = false;
        step = LEFT }
    :: atomic { step == LEFT && !sits[READER] && !locked[READER] -> reader_now++; step = R0 }
#endif
    od
}

#if KILLS
#define C0 0
#define C2_OWNER 1
#define C2_RING 2
#define C3 3
#define C3_ALIVE 4
#define C3_TAKE 5
#define C4_GIVING 6
#define C4_TAKING 7
#define C5 8
#define C5_STORE 9
#define C_END 10
#define C1_END 11

#define OTHER (1 - seat)

#ifdef FREE_FIRST
#define AFTER_RESOLVED C5
#define AFTER_FREED C4_GIVING
#define AFTER_FORGOTTEN C_END
#else
#define AFTER_RESOLVED C4_GIVING
#define AFTER_FREED C_END
#define AFTER_FORGOTTEN C5
#endif

inline next_of_two() {
    if
    :: !second ->
        second = true;
#ifndef FORGET_TAKEN
        slot = taking[seat];
#else
        slot = 0;
#endif
        number = giving_number[seat] - PLACES;
        step = (slot -> C2_OWNER : AFTER_RESOLVED)
    :: else -> step = AFTER_RESOLVED
    fi;
    if
    :: step == AFTER_RESOLVED -> slot = 0; number = 0; second = false
    :: else
    fi
}

inline stop_cleaning() {
    locked[seat] = false;
    seat = 0; slot = 0; number = 0; second = false; is_pinned = false; step = C0
}

proctype cleaner() {
    byte step, seat, slot, number;
    bool second, is_pinned;
end:
    do
    :: atomic { step == C0 ->
        if
        :: sits[0] && !locked[0] -> seat = 0
#if WRITERS > 1
        :: sits[1] && !locked[1] -> seat = 1
#endif
        :: sits[READER] && !locked[READER] -> seat = READER
        fi;
        locked[seat] = true;
        if
        :: seat == READER -> pin = 0; step = C1_END                       /* c1 */
        :: else ->
            slot = giving[seat]; number = giving_number[seat];
#ifdef FORGET_GIVEN
            slot = 0;
#endif
            if
            :: slot -> step = C2_OWNER
            :: else -> next_of_two()
            fi
        fi }
    :: atomic { step == C1_END -> cursor = FOREVER; sits[READER] = false; stop_cleaning() }
#ifdef TAKERS_FIRST
    :: atomic { step == C2_OWNER ->
        if
#if WRITERS > 1
        :: taking[OTHER] == slot && locked[OTHER] -> stop_cleaning()
#endif
        :: else -> step = C3
        fi }
    :: atomic { step == C3 ->
        if
        :: owner[slot] == PUBLISHED(number) -> step = C2_RING
        :: else -> next_of_two()
        fi }
    :: atomic { step == C2_RING ->
        if
        :: STANDS_AS(number, slot) -> next_of_two()
        :: else -> step = C3_TAKE
        fi }
#else
    :: atomic { step == C2_OWNER ->
        if
        :: owner[slot] == PUBLISHED(number) -> step = C2_RING
        :: else -> next_of_two()
        fi }
    :: atomic { step == C2_RING ->
        if
#ifndef TAKE_WHAT_STANDS
        :: STANDS_AS(number, slot) -> next_of_two()
#endif
        :: else -> step = C3
        fi }
    :: atomic { step == C3 ->
#if WRITERS > 1 && !defined(TAKE_FROM_TAKERS)
        if
        :: taking[OTHER] == slot -> step = C3_ALIVE
        :: else -> step = C3_TAKE
        fi }
    :: atomic { step == C3_ALIVE ->
        if
        :: locked[OTHER] -> stop_cleaning()
        :: else -> step = C3_TAKE
        fi
#else
        step = C3_TAKE
#endif
        }
#endif
    :: atomic { step == C3_TAKE ->
        if
#ifdef TAKE_ANYTHING
        :: true ->
#else
        :: owner[slot] == PUBLISHED(number) ->
#endif
            assert(!SOMEBODY_HOLDS(slot) && !STANDS(slot));
            owner[slot] = seat + 1
        :: else
        fi;
        next_of_two() }
    :: atomic { step == C4_GIVING -> giving[seat] = 0; giving_number[seat] = 0; step = C4_TAKING }
    :: atomic { step == C4_TAKING -> taking[seat] = 0; step = AFTER_FORGOTTEN; slot = 0 }
    :: atomic { step == C5 ->
        slot++;
        do
        :: slot <= SLOTS && owner[slot] != seat + 1 -> slot++
        :: else -> break
        od;
        if
        :: slot > SLOTS -> slot = 0; step = AFTER_FREED
        :: else -> is_pinned = IS_PINNED(slot); step = C5_STORE
        fi }
    :: atomic { step == C5_STORE ->
        assert(!SOMEBODY_HOLDS(slot) && !STANDS(slot));
#ifdef FREE_WHAT_IS_READ
        owner[slot] = FREE;
#elif !defined(FREE_NOTHING)
        owner[slot] = (is_pinned -> PARKED : FREE);
#endif
        is_pinned = false;
        step = C5 }
    :: atomic { step == C_END -> sits[seat] = false; stop_cleaning() }
    :: atomic { step != C0 && kills < KILLS -> kills++; stop_cleaning() }
    od
}
#endif

init {
    byte i;
    atomic {
        run memory();
        for (i : 0 .. WRITERS - 1) {
            locked[i] = true; sits[i] = true;
            run writer(i, (i == 0 -> ROUNDS : ROUNDS_OF_OTHERS))
        }
#if READERS
        run reader();
#endif
#if KILLS
        for (i : 1 .. CLEANERS) { run cleaner() }
#endif
        i = 0
    }
    timeout;
    d_step {
        for (i : 1 .. SLOTS) {
            if
            :: STANDS(i) ->
                assert(!SOMEBODY_HOLDS(i) && owner[i] >= PUBLISHED(0));
#ifndef MARK_WITHOUT_NUMBER
                assert(STANDS_AS(owner[i] - PUBLISHED(0), i))
#endif
            :: !STANDS(i) && HOLDS(0, i) -> assert(owner[i] == 1 && locked[0])
#if WRITERS > 1
            :: !STANDS(i) && HOLDS(1, i) -> assert(owner[i] == 2 && locked[1])
#endif
            :: else -> assert(owner[i] == FREE || owner[i] == PARKED)
            fi
        }
    }
#if READERS
    assert(next == newest + 1 && got + lost == next - first);
#endif
    assert(newest == ROUNDS + (WRITERS > 1 -> ROUNDS_OF_OTHERS : 0))
}
