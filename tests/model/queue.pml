/*
 * Queues, Sources/Zinc/Channels/ChannelMemory+Queue.swift: writers, workers, cleaners, one who closes
 * and one who waits for the end, of whom writers, workers and cleaners are killed anywhere, and others
 * then in their places. What channel.pml says of its steps, stores under way and kills is so here, too.
 *
 *     spin -a -DKILLS=1 queue.pml && cc -O2 -DSAFETY pan.c && ./a.out -E
 *
 * What must hold: no slot is written that somebody else has; each message has the number after the
 * last, and no more wait than may; it is taken once, and again only of one who died at work or gave it
 * back, never where it may be done at most once; it stays as it is until it is released; none is
 * published after the close, and who is told of the end has nothing left to come; who waits until all
 * is done is told only if there was such a moment meanwhile; and once all is quiet each message is
 * done, and each slot free.
 */
#ifndef WRITERS
#define WRITERS 1
#endif
#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef CLEANERS
#define CLEANERS 1
#endif
#ifndef PLACES /* of the ring */
#define PLACES 2
#endif
#ifndef CAPACITY /* messages that may wait */
#define CAPACITY PLACES
#endif
#ifndef SLOTS /* 3 or 4 */
#define SLOTS 3
#endif
#ifndef ROUNDS /* messages of the first writer, and of each other */
#define ROUNDS 3
#endif
#ifndef ROUNDS_OF_OTHERS
#define ROUNDS_OF_OTHERS 1
#endif
#ifndef KILLS
#define KILLS 0
#endif
#ifndef GIVES /* so often is one given back */
#define GIVES 0
#endif
#ifndef FINISHES /* some are done before they are released */
#define FINISHES 0
#endif
#ifndef ONCE /* at most */
#define ONCE 0
#endif
#ifndef CLOSES
#define CLOSES 0
#endif
#ifndef JOINS
#define JOINS 0
#endif
#ifndef UNDER_WAY /* 0: without what may be, for it has too many states */
#define UNDER_WAY 1
#endif

#define SEATS (WRITERS + WORKERS)
#define NOBODY SEATS
#define MOST 8                          /* messages, + 1 */

/* Of a slot's owner: who has it, seat + 1, to write it or as what is done; or one of these. */
#define FREE 0
#define PUBLISHED(n) (10 + (n))
#define IS_PUBLISHED(owner) ((owner) >= 10 && (owner) < 10 + MOST)
#define CLAIM(seat, n, times) (40 + ((seat) * 2 + (times)) * MOST + (n))
#define IS_CLAIM(owner) ((owner) >= 40)
#define SEAT_OF(owner) (((owner) - 40) / (2 * MOST))
#define NUMBER_OF(owner) (((owner) - 40) % MOST)
#define TIMES_OF(owner) ((((owner) - 40) / MOST) % 2)

/* Slots count from 1: 0 is none. */
byte ring_number[PLACES], ring_slot[PLACES];
bool ring_closed[PLACES];
byte owner[SLOTS + 1];
byte content[SLOTS + 1];                /* the number that was written to the slot */
byte giving[WRITERS], giving_number[WRITERS];
byte taken, returned;
bool locked[SEATS], sits[SEATS];        /* the role: it sits there, or did when it was killed */
byte kills, gives;

/* Stores under way: of what, of which slot, and the value. */
#define CONTENT 1
#define GIVING 2
#define OWNER 3
chan stores[WRITERS] = [3] of { byte, byte, byte };

/* Ghosts. */
byte newest, unfinished;
byte written[SLOTS + 1];                /* the writer that may write it, + 1 */
bool is_read[SLOTS + 1];                /* by one who lives */
bool handed[MOST], done[MOST];
bool is_closed, was_done, is_joined, is_left;

#define ENTRY_IS(place, n, slot) (ring_number[place] == n && ring_slot[place] == slot)
#define STANDS_AS(n, slot) ENTRY_IS((n) % PLACES, n, slot)

inline see(writer) {
    stores[writer]?what, which, value;
    if
    :: what == CONTENT -> content[which] = value
    :: what == GIVING -> giving[writer] = which; giving_number[writer] = value
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
    :: nempty(stores[writer]) ->
       do
       :: nempty(stores[writer]) -> stores[writer]?what, which, value; what = 0; which = 0; value = 0
       :: empty(stores[writer]) -> break
       od
    :: empty(stores[writer]) -> break
    od
}

#if UNDER_WAY
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
#endif

inline finish(n) {
    assert(!done[n]);
    done[n] = true;
    unfinished--;
    was_done = (unfinished == 0 -> true : was_done)
}

inline hold(slot) {
    assert(!written[slot] && !is_read[slot]);
    written[slot] = me + 1
}

/* The steps of a writer: what it does next. */
#define W0 0                            /* a slot */
#define W2 1
#define W2_OLD 2
#define G1 3
#define G1_RING 4
#define G1_OWNER 5
#define G1_TAKEN 6
#define W3_WAIT 7
#define W4 8
#define W5 9
#define GONE 10

#if SLOTS > 3
#define IS_ANY_FREE (owner[1] == FREE || owner[2] == FREE || owner[3] == FREE || owner[4] == FREE)
#else
#define IS_ANY_FREE (owner[1] == FREE || owner[2] == FREE || owner[3] == FREE)
#endif
#ifdef GATE_OF_PLACES
#define MOST_WAIT PLACES
#else
#define MOST_WAIT CAPACITY
#endif
#define IS_BEHIND \
    (ring_number[(taken + 1) % PLACES] == taken + 1 && \
     owner[ring_slot[(taken + 1) % PLACES]] != PUBLISHED(taken + 1))

proctype writer(byte me; byte rounds) {
    byte step, slot, n, old_number, old_slot, gate, before, other;
    byte what, which, value;
end:
    do
    :: atomic { step == W0 && rounds > 0 && IS_ANY_FREE ->
        if
        :: owner[1] == FREE -> slot = 1
        :: owner[2] == FREE -> slot = 2
        :: owner[3] == FREE -> slot = 3
#if SLOTS > 3
        :: owner[4] == FREE -> slot = 4
#endif
        fi;
        see_all(me); owner[slot] = me + 1; hold(slot); step = W2 }
    :: atomic { step == W2 -> n = newest + 1; step = W2_OLD }
    :: atomic { step == W2_OLD && empty(stores[me]) ->
        old_number = ring_number[n % PLACES];
        old_slot = ring_slot[n % PLACES];
        if
        :: old_number >= n -> step = W2
        :: else ->
            if
            :: ring_closed[n % PLACES] -> /* it gives its loan back, and up */
                stores[me]!OWNER, slot, FREE;
                see_all(me);
                written[slot] = 0; slot = 0; n = 0; rounds = 0; step = W0
#ifndef NO_GATE
            :: !ring_closed[n % PLACES] && n > MOST_WAIT + gate -> step = G1
            :: !ring_closed[n % PLACES] && n <= MOST_WAIT + gate -> step = W4
#else
            :: else -> step = W4
#endif
            fi
        fi;
        if
        :: step != W4 -> old_number = 0; old_slot = 0
        :: else
        fi }
    /* How far is all handed out? */
    :: atomic { step == G1 -> before = taken; step = G1_RING }
    :: atomic { step == G1_RING ->
        other = ring_slot[(before + 1) % PLACES];
        step = (ring_number[(before + 1) % PLACES] == before + 1 -> G1_OWNER : W3_WAIT) }
    :: atomic { step == G1_OWNER ->
#ifndef GATE_TRUSTS
        step = (owner[other] != PUBLISHED(before + 1) -> G1_TAKEN : W3_WAIT) }
#else
        step = G1_TAKEN }
#endif
    :: atomic { step == G1_TAKEN ->
        see_all(me);
        taken = (taken == before -> before + 1 : taken);
        before = 0; other = 0;
        step = G1 }
#ifdef GATE_LATE
#define SLACK 1
#else
#define SLACK 0
#endif
    :: atomic { step == W3_WAIT && (n <= MOST_WAIT + before + SLACK || n <= MOST_WAIT + taken || IS_BEHIND || is_closed) ->
        if
        :: n <= MOST_WAIT + before + SLACK -> gate = before + SLACK; step = W2
        :: else -> step = (is_closed -> W2 : G1)
        fi;
        before = 0; other = 0 }
    :: atomic { step == W4 ->
        assert(written[slot] == me + 1 && !is_read[slot]);
        stores[me]!CONTENT, slot, n;
        stores[me]!GIVING, slot, n;
        stores[me]!OWNER, slot, PUBLISHED(n);
#if !UNDER_WAY
        see_all(me);
#endif
        step = W5 }
    :: atomic { step == W5 ->
#ifndef SEE_NOTHING
        see_all(me);
#endif
        if
        :: ENTRY_IS(n % PLACES, old_number, old_slot) && !ring_closed[n % PLACES] ->
            assert(n == newest + 1 && !is_closed);
            assert(n <= CAPACITY || handed[n - CAPACITY]); /* too many, or nobody would get it */
            ring_number[n % PLACES] = n; ring_slot[n % PLACES] = slot;
            newest = n;
            unfinished++;
            written[slot] = 0;
            rounds--;
            step = W0
        :: else ->
#ifdef SEE_NOTHING
            see_all(me);
#endif
            stores[me]!OWNER, slot, me + 1;
            step = W2
        fi;
#ifdef DISPLACE
        if
        :: step == W0 && old_slot -> see_all(me); owner[old_slot] = FREE; assert(!is_read[old_slot] && !written[old_slot])
        :: else
        fi;
#endif
#ifdef SEE_NOTHING
        if
        :: len(stores[me]) < 3 -> stores[me]!GIVING, 0, 0
        :: else
        fi;
#else
        stores[me]!GIVING, 0, 0;
#endif
#if !UNDER_WAY
        see_all(me);
#endif
        old_number = 0; old_slot = 0;
        if
        :: step == W0 -> slot = 0; n = 0
        :: else
        fi }
#if KILLS
    :: atomic { step != GONE && kills < KILLS && (rounds > 0 || nempty(stores[me])) ->
        kills++;
        see_some(me);
        locked[me] = false;
        if
        :: slot && written[slot] == me + 1 -> written[slot] = 0
        :: else
        fi;
        slot = 0; n = 0; old_number = 0; old_slot = 0; gate = 0; before = 0; other = 0;
        step = GONE }
    :: atomic { step == GONE && !sits[me] && !locked[me] ->
        locked[me] = true; sits[me] = true; step = W0 }
#endif
    od
}

/* The steps of a worker. */
#define A1 0
#define A2 1
#define T1 2
#define T1_RING 3
#define T2 4
#define T3 5
#define WAIT 6
#define WORK 7
#define WORK_LATE 8
#define END 9
#define OVER 11
#define LEFT 12
#define AGAIN 13
#define HELD 14
#define HELD_LATE 15
#define B1 16
#define B1_LATE 17
#define RETIRED 18
#define NEVER 255

inline give_back() {
#if ONCE && !defined(GIVE_AGAIN_ANYWAY)
    owner[slot] = FREE;
    finish(number);
#else
    owner[slot] = CLAIM(NOBODY, number, 1);
#endif
    slot = 0; number = 0
}

inline rest() {
    rests = true;
    if
    :: step = A1
    :: WORKERS > 1 && !is_left -> is_left = true; step = RETIRED /* it lives, and takes no more */
    fi
}

proctype worker(byte me) {
    byte step, slot, number, returned_seen = NEVER, found;
    bool is_mine, is_end, rests;
#ifdef READ_BEFORE
    byte early[SLOTS + 1];
#endif
end:
    do
    :: atomic { step == A1 ->
        found = returned;
        if
        :: found != returned_seen && !rests -> step = A2
        :: found == returned_seen || rests -> step = T1
        :: found != returned_seen && rests -> step = WAIT /* as many are left as it may hold */
        fi;
#ifdef RESTED_IS_SEEN
        returned_seen = (rests -> found : returned_seen);
#endif
#ifdef SEEN_AFTER
        found = 0;
#endif
        slot = 0 }
    :: atomic { step == A2 ->
        slot++;
        if
        :: slot > SLOTS ->
#ifdef SEEN_AFTER
            found = returned;
#endif
            returned_seen = found; slot = 0; step = T1
        :: slot <= SLOTS && IS_CLAIM(owner[slot]) && SEAT_OF(owner[slot]) == NOBODY ->
            number = NUMBER_OF(owner[slot]);
            assert(!ONCE && TIMES_OF(owner[slot]) == 1 && !is_read[slot] && !done[number]);
            owner[slot] = CLAIM(me, number, 1);
            is_read[slot] = true;
#ifdef READ_BEFORE
            early[slot] = content[slot];
#endif
            step = WORK
        :: else
        fi }
    :: atomic { step == T1 -> number = taken + 1; found = 0;
#ifdef READ_BEFORE
        for (slot : 1 .. SLOTS) { early[slot] = content[slot] }
#endif
        slot = 0; step = T1_RING }
    :: atomic { step == T1_RING ->
        if
        :: ring_number[number % PLACES] < number ->
            is_end = ring_closed[number % PLACES];
            step = (is_end -> END : WAIT); number = 0
        :: ring_number[number % PLACES] > number -> assert(taken >= number); number = 0; step = T1
        :: else -> slot = ring_slot[number % PLACES]; step = T2
        fi }
#ifdef CLAIM_WITHOUT_COMPARING
    :: atomic { step == T2 && owner[slot] != PUBLISHED(number) -> is_mine = false; step = T3 }
    :: atomic { step == T2 && owner[slot] == PUBLISHED(number) -> is_mine = true; step = T3 }
    :: atomic { step == T3 ->
        if
        :: is_mine -> assert(!handed[number]); handed[number] = true; owner[slot] = CLAIM(me, number, 0); is_read[slot] = true
        :: else
        fi;
#elif defined(TAKEN_BEFORE_CLAIM)
    :: atomic { step == T2 -> taken = (taken == number - 1 -> number : taken); step = T3 }
    :: atomic { step == T3 ->
        if
        :: owner[slot] == PUBLISHED(number) ->
            assert(!handed[number]);
            handed[number] = true; owner[slot] = CLAIM(me, number, 0); is_mine = true; is_read[slot] = true
        :: else
        fi;
#else
    :: atomic { step == T2 ->
        if
        :: owner[slot] == PUBLISHED(number) ->
            assert(!handed[number]);
            handed[number] = true;
            owner[slot] = CLAIM(me, number, 0);
            is_read[slot] = true;
            is_mine = true
        :: else
        fi;
        step = T3 }
    :: atomic { step == T3 ->
#endif
#ifdef TAKEN_BY_WHO_HAS_IT
        taken = (is_mine && taken == number - 1 -> number : taken);
#elif defined(TAKEN_WITHOUT_COMPARING)
        taken = number;
#else
        taken = (taken == number - 1 -> number : taken);
#endif
        if
        :: is_mine -> step = WORK
        :: else -> step = AGAIN; slot = 0
        fi;
        is_mine = false }
    :: atomic { step == AGAIN && taken >= number -> number = 0; step = T1 } /* else for ever */
    :: atomic { step == WORK ->
        assert(content[slot] == number);
#ifdef READ_BEFORE
        assert(early[slot] == number);
#endif
        assert(owner[slot] == CLAIM(me, number, 0) || owner[slot] == CLAIM(me, number, 1));
        if
        :: owner[slot] = FREE; finish(number);
#ifdef READ_AFTER
            step = WORK_LATE
#else
            is_read[slot] = false; slot = 0; number = 0; step = A1
#endif
#if FINISHES
#ifdef FINISH_FREES
        :: owner[slot] = FREE; finish(number); step = HELD
#else
        :: owner[slot] = me + 1; finish(number); step = HELD
#endif
#endif
#if GIVES
        :: gives < GIVES ->
            gives++;
#if defined(GIVE_TELLS_FIRST) && !defined(GIVE_TELLS_NOBODY)
            returned++;
            step = B1_LATE
#else
            is_read[slot] = false;
            give_back();
            step = B1
#endif
#endif
        fi }
#ifdef READ_AFTER
    :: atomic { step == WORK_LATE ->
        assert(content[slot] == number);
        is_read[slot] = false; slot = 0; number = 0; step = A1 }
#endif
#if FINISHES
    :: atomic { step == HELD ->
        assert(content[slot] == number);
#ifdef FINISH_FREES
        is_read[slot] = false; slot = 0; number = 0; step = A1 }
#else
        assert(owner[slot] == me + 1 && !written[slot]);
        owner[slot] = FREE;
#ifdef HELD_AFTER
        step = HELD_LATE }
    :: atomic { step == HELD_LATE ->
        assert(content[slot] == number);
#endif
        is_read[slot] = false; slot = 0; number = 0; step = A1 }
#endif
#endif
#if GIVES
    :: atomic { step == B1 ->
#ifndef GIVE_TELLS_NOBODY
        returned++;
#endif
        rest() }
#ifdef GIVE_TELLS_FIRST
    :: atomic { step == B1_LATE -> is_read[slot] = false; give_back(); rest() }
#endif
    :: atomic { step == WAIT && rests -> rests = false } /* for others to be first */
#endif
    :: atomic { step == WAIT && (returned != returned_seen && !rests || ring_number[(taken + 1) % PLACES] > taken ||
                                 ring_closed[(taken + 1) % PLACES]) ->
        step = A1 }
    /* Can't anything come back? */
    :: atomic { step == END ->
        if
        :: ONCE -> step = OVER
        :: else ->
            slot++;
            if
            :: slot > SLOTS -> slot = 0; step = OVER
            :: slot <= SLOTS && (IS_CLAIM(owner[slot]) ||
                IS_PUBLISHED(owner[slot]) && STANDS_AS(owner[slot] - 10, slot)) -> slot = 0; is_end = false; step = WAIT
            :: else
            fi
        fi }
    :: atomic { step == OVER && is_end ->
        assert(is_closed && (ONCE || unfinished == 0));
        number = 1;
        do
        :: number <= newest -> assert(handed[number]); number++
        :: else -> break
        od;
        number = 0; is_end = false }
#if KILLS
    :: atomic { step != GONE && step != LEFT && step != OVER && step != RETIRED && kills < KILLS ->
        kills++;
        locked[me] = false;
        if
        :: slot && is_read[slot] && (step >= HELD || step == WORK || step == WORK_LATE || is_mine) ->
            is_read[slot] = false
        :: else
        fi;
        slot = 0; number = 0; found = 0; is_mine = false; is_end = false; rests = false; returned_seen = NEVER;
        if
        :: step = GONE
        :: WORKERS > 1 && !is_left -> is_left = true; step = LEFT /* nobody comes in its place */
        fi }
    :: atomic { step == GONE && !sits[me] && !locked[me] ->
        locked[me] = true; sits[me] = true; step = A1 }
#endif
    od
}

#if CLOSES
proctype closer() {
    byte n, old_number, old_slot;
    bool is_ready;
end:
    do
    :: atomic { !is_closed && !is_ready ->
        n = newest + 1; old_number = ring_number[n % PLACES]; old_slot = ring_slot[n % PLACES];
        is_ready = true }
    :: atomic { is_ready ->
        if
#ifdef CLOSE_OVER
        :: true ->
            ring_number[n % PLACES] = old_number; ring_slot[n % PLACES] = old_slot;
#else
        :: ENTRY_IS(n % PLACES, old_number, old_slot) ->
#endif
            ring_closed[n % PLACES] = true; is_closed = true
        :: else
        fi;
        is_ready = false; n = 0; old_number = 0; old_slot = 0 }
    od
}
#endif

#if JOINS
#define U1 0
#define U2 1
#define U2_RING 2
#define U3 3
#define U_WAIT 4

proctype joiner() {
    byte step, slot, number, before;
end:
    do
    :: atomic { step == U1 && !is_joined && newest > 0 ->
        before = newest; was_done = (unfinished == 0); slot = 0; step = U2 }
    :: atomic { step == U2 ->
        slot++;
        if
        :: slot > SLOTS -> slot = 0; step = U3
        :: slot <= SLOTS && IS_CLAIM(owner[slot]) -> slot = 0; step = U_WAIT
        :: slot <= SLOTS && IS_PUBLISHED(owner[slot]) -> number = owner[slot] - 10; step = U2_RING
        :: else
        fi }
    :: atomic { step == U2_RING ->
        step = (STANDS_AS(number, slot) -> U_WAIT : U2);
        slot = (step == U_WAIT -> 0 : slot);
        number = 0 }
    :: atomic { step == U3 ->
        if
#ifndef JOIN_AT_ONCE
        :: newest != before -> step = U1
#endif
        :: else -> assert(was_done); is_joined = true; step = U1
        fi;
        before = 0 }
    :: atomic { step == U_WAIT && unfinished == 0 -> before = 0; step = U1 }
    od
}
#endif

#if KILLS
#define C0 0
#define C2_OWNER 1
#define C2_RING 2
#define C3_TAKE 3
#define C4 4
#define C5 5
#define C6 6
#define C7 7
#define C_END 8

#ifdef RETURN_FIRST
#define AFTER_C5 C7
#define AFTER_C6 C_END
#define AFTER_C7 C6
#else
#define AFTER_C5 C6
#define AFTER_C6 C7
#define AFTER_C7 C_END
#endif

inline stop_cleaning() {
    locked[seat] = false;
    seat = 0; slot = 0; number = 0; step = C0
}

proctype cleaner() {
    byte step, seat, slot, number;
end:
    do
    :: atomic { step == C0 ->
        if
        :: sits[0] && !locked[0] -> seat = 0
        :: sits[1] && !locked[1] -> seat = 1
#if WRITERS + WORKERS > 2
        :: sits[2] && !locked[2] -> seat = 2
#endif
#if WRITERS + WORKERS > 3
        :: sits[3] && !locked[3] -> seat = 3
#endif
        fi;
        locked[seat] = true;
        if
        :: seat >= WRITERS -> step = C5
        :: else ->
            slot = giving[seat]; number = giving_number[seat];
            step = (slot -> C2_OWNER : C4)
        fi }
    :: atomic { step == C2_OWNER -> step = (owner[slot] == PUBLISHED(number) -> C2_RING : C4) }
    :: atomic { step == C2_RING ->
#ifdef CLOSED_IS_ANOTHER
        step = (STANDS_AS(number, slot) && !ring_closed[number % PLACES] -> C4 : C3_TAKE) }
#else
        step = (STANDS_AS(number, slot) -> C4 : C3_TAKE) }
#endif
    :: atomic { step == C3_TAKE ->
        if
        :: owner[slot] == PUBLISHED(number) ->
            assert(!written[slot] && !is_read[slot] && !STANDS_AS(number, slot));
            owner[slot] = seat + 1
        :: else
        fi;
        step = C4 }
    :: atomic { step == C4 -> giving[seat] = 0; giving_number[seat] = 0; slot = 0; number = 0; step = C5 }
    :: atomic { step == C5 ->
        slot++;
        if
        :: slot > SLOTS -> slot = 0; step = (seat < WRITERS -> C_END : AFTER_C5)
        :: slot <= SLOTS && owner[slot] == seat + 1 ->
            assert(!written[slot] && !is_read[slot]);
            owner[slot] = FREE
        :: else
        fi }
    :: atomic { step == C6 ->
        slot++;
        if
        :: slot > SLOTS -> slot = 0; step = AFTER_C6
        :: slot <= SLOTS && IS_CLAIM(owner[slot]) && SEAT_OF(owner[slot]) == seat ->
#ifdef LEAVE_NOTHING
            skip
#elif ONCE && !defined(AGAIN_ANYWAY)
            finish(NUMBER_OF(owner[slot]));
            owner[slot] = FREE
#else
            owner[slot] = CLAIM(NOBODY, NUMBER_OF(owner[slot]), 1)
#endif
        :: else
        fi }
#ifdef TELL_NOTHING
    :: atomic { step == C7 -> step = AFTER_C7 }
#else
    :: atomic { step == C7 -> returned++; step = AFTER_C7 }
#endif
    :: atomic { step == C_END -> sits[seat] = false; stop_cleaning() }
    :: atomic { step != C0 && kills < KILLS -> kills++; stop_cleaning() }
    od
}
#endif

init {
    byte i;
    atomic {
#if UNDER_WAY
        run memory();
#endif
        for (i : 0 .. SEATS - 1) { locked[i] = true; sits[i] = true }
        for (i : 0 .. WRITERS - 1) { run writer(i, (i == 0 -> ROUNDS : ROUNDS_OF_OTHERS)) }
        for (i : WRITERS .. SEATS - 1) { run worker(i) }
#if CLOSES
        run closer();
#endif
#if JOINS
        run joiner();
#endif
#if KILLS
        for (i : 1 .. CLEANERS) { run cleaner() }
#endif
        i = 0
    }
    timeout;
    d_step {
        assert(CLOSES || newest == ROUNDS + (WRITERS > 1 -> ROUNDS_OF_OTHERS : 0));
        assert(unfinished == 0 && taken == newest);
        for (i : 1 .. newest) { assert(handed[i] && done[i]) }
        for (i : 1 .. SLOTS) { assert(owner[i] == FREE && !written[i] && !is_read[i]) }
#if JOINS
        assert(is_joined || newest == 0);
#endif
    }
}
