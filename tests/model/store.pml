/*
 * Stores, Sources/Zinc/Stores and RegionName.swift and RegionName+Owner.swift: who puts, gets, takes,
 * removes, evicts, opens and closes the store, and who reclaims from outside, killed anywhere; s1 to s8,
 * t1, g1, g2, o1 and o2 are the steps of the sources. Of what is under the table's lock nobody sees a part, unless its holder is
 * killed: then what follows from the entries is torn. The lock itself is lock.pml.
 *
 *     spin -a -DKILLS=1 store.pml && cc -O2 -DSAFETY pan.c && ./a.out -E
 *
 * What must hold: who gets a key has the bytes of that key, and all of them; what is present has its
 * file; nobody takes what another one has taken; no file goes that somebody has, or that belongs to a store that is there; there are never more
 * files than `used` says; a key that is replaced is never without its object, and has one, whoever is
 * killed; nobody is told that a key is not there that was, or sleeps beside it; and once all is quiet,
 * what nobody has is free in a store that lives, and gone with one that does not.
 */
#ifndef PUTTERS /* users of the store, at most 4; each does as much of it as below */
#define PUTTERS 1
#endif
#ifndef GETTERS
#define GETTERS 1
#endif
#ifndef REMOVERS
#define REMOVERS 0
#endif
#ifndef OPENERS /* they open the store, and look */
#define OPENERS 0
#endif
#ifndef SWEEPERS /* from outside */
#define SWEEPERS 0
#endif
#ifndef PUTS
#define PUTS 2
#endif
#ifndef GETS
#define GETS 1
#endif
#ifndef SWEEPS
#define SWEEPS 1
#endif
#ifndef ENTRIES /* and as much room */
#define ENTRIES 2
#endif
#ifndef KEYS
#define KEYS 1
#endif
#ifndef KILLS
#define KILLS 0
#endif
#ifndef EVICTS /* who removes does so as who needs room */
#define EVICTS 0
#endif
#ifndef TAKES /* who gets takes */
#define TAKES 0
#endif
#ifndef ABORTS /* some give up what they make */
#define ABORTS 0
#endif
#ifndef CLOSES /* some close the store before the end, and what they have after it */
#define CLOSES 0
#endif
#ifndef UNLINKS /* names that are removed by who asks nobody */
#define UNLINKS 0
#endif

#define USERS (PUTTERS + GETTERS + REMOVERS + OPENERS)
#define OBJECTS (PUTTERS * PUTS)
#define ALL (USERS + SWEEPERS + 1)      /* and who cleans at the end */
#define LAST (ALL - 1)

/* Who has an object attached. */
#define HANDLE(who) (1 << (who))

/* Of an entry. */
#define FREE 0
#define BUILDING 1
#define PRESENT 2
#define LEAVING 3
#define TORN 4

#define NONE 255

/* The table. What is `known` follows from the state: the lists, and what has the key. */
byte state[ENTRIES], known[ENTRIES], number[ENTRIES], builder[ENTRIES];
bool disowned[ENTRIES];
byte used;
byte dead_holder;                       /* of its lock, + 1: torn */

/* Files. A number never comes back; 0 is none. */
bool file[OBJECTS + 1], owned[OBJECTS + 1], filled[OBJECTS + 1];
byte key_of[OBJECTS + 1];
byte attached[OBJECTS + 1];
byte alone[OBJECTS + 1];                /* who has it locked exclusively, + 1 */
byte numbers;

/* The store's. */
bool linked = true;
byte users;
byte store_alone;

bool sits[ALL];
bool news[ALL];                         /* the sequence has moved on since it looked */
byte kills, unlinks;

/* Ghosts. */
bool has[KEYS];                         /* the key has an object, and nobody took that away */
bool taken[OBJECTS + 1];
bool was_absent[ALL], waits[ALL];
byte wanted[ALL];

inline tell() { d_step { for (i : 0 .. ALL - 1) { news[i] = true } i = 0 } }
inline lose(which_key) {
    d_step {
        has[which_key] = false;
        for (i : 0 .. ALL - 1) { was_absent[i] = was_absent[i] || wanted[i] == which_key }
        i = 0
    }
}

inline may_die() {
    if
    :: kills < KILLS -> kills++; dead_holder = me + 1; goto dying
    :: true
    fi
}

/* ---- the table, under its lock */

#ifdef ANY_NUMBER
#define IS_STILL(which) (state[e] == which)
#else
#define IS_STILL(which) (state[e] == which && number[e] == n)
#endif
#define CAN_LOCK (!dead_holder || !sits[dead_holder - 1])

/* Of two with one key either one leaves: more than what happens. */
inline leave_double() {
    if
    :: state[i] == PRESENT && state[j] == PRESENT && key_of[number[i]] == key_of[number[j]] ->
        if
        :: state[i] = LEAVING; known[i] = LEAVING
        :: state[j] = LEAVING; known[j] = LEAVING
        fi
    :: else
    fi
}

inline create() {
    d_step {
        for (i : 0 .. ENTRIES - 1) { count = count + (state[i] != FREE && number[i] == object) }
        assert(count == 1 && !file[object]);
        file[object] = true; attached[object] = HANDLE(me);
        count = 0; i = 0
    }
}

inline check() {
    d_step {
        count = 0;
        for (i : 0 .. ENTRIES - 1) {
            assert(known[i] == state[i]);
            count = count + (state[i] != FREE);
            if
            :: state[i] == PRESENT ->
                assert(has[key_of[number[i]]]);
                assert(file[number[i]] || UNLINKS || !linked);
                for (j : 0 .. ENTRIES - 1) {
                    assert(i == j || state[j] != PRESENT || key_of[number[i]] != key_of[number[j]])
                }
            :: else
            fi
        }
        assert(count == used);
        for (i : 0 .. KEYS - 1) {
            count = 0;
            for (j : 0 .. ENTRIES - 1) { count = count + (state[j] == PRESENT && key_of[number[j]] == i) }
            assert(count == has[i])
        }
        for (i : 1 .. OBJECTS) {
            count = 0;
            for (j : 0 .. ENTRIES - 1) { count = count + (state[j] != FREE && number[j] == i) }
            assert(!file[i] || count == 1)
        }
        i = 0; j = 0; count = 0
    }
}

inline lock() {
    if
    :: dead_holder ->
#ifndef NO_REPAIR
        used = 0;
        for (i : 0 .. ENTRIES - 1) { known[i] = TORN }
        may_die();
        for (i : 0 .. ENTRIES - 1) { known[i] = state[i]; used = used + (state[i] != FREE) }
        may_die();
#ifndef NO_DOUBLES
        for (i : 0 .. ENTRIES - 1) { for (j : i + 1 .. ENTRIES - 1) { leave_double() } }
#endif
        i = 0; j = 0;
#endif
        dead_holder = 0
    :: else
    fi;
    check()
}

inline find(which_key) {
    d_step {
        found = NONE;
        for (i : 0 .. ENTRIES - 1) {
            if
            :: known[i] == PRESENT && key_of[number[i]] == which_key -> found = i
            :: else
            fi
        }
        i = 0
    }
}

/* `f` is an entry that is present or building. */
inline leave(f) {
    assert(state[f] == PRESENT || state[f] == BUILDING);
    known[f] = TORN;
    may_die();
    state[f] = LEAVING;                 /* s5 */
    may_die();
    known[f] = LEAVING
}
inline take_away(f) {
#ifndef TELL_LATE
    tell();                             /* t1 */
    may_die();
#endif
    if
    :: state[f] == PRESENT ->
        /* From the state on it is gone. */
        known[f] = TORN;
        may_die();
        state[f] = LEAVING;
        lose(key_of[number[f]]);
        may_die();
        known[f] = LEAVING
    :: else -> leave(f)
    fi
}

/* ---- steps */

#define IDLE 0
#define REST 4
#define OPEN 1
#define OPEN_LOCK 2
#define OPEN_LOOK 3
#define S1 10
#define S2 11
#define FILL 12
#define S3 13
#define GIVE_UP 14
#define TELL 15
#define G0 20
#define G1 21
#define G2 22
#define G2_LOCK 23
#define G2_LOOK 24
#define USE 25
#define AGAIN 26
#define WAIT 27
#define TAKE 28
#define UNTAKE 29
#define EVICT 31
#define EVICT_LOOK 32
#define EVICT_LEAVE 33
#define SETTLE 34
#define SETTLED 35
#define FREE_IT 40
#define S6 41
#define S7 42
#define AGAIN_S7 43
#define S8 44
#define CLOSE 50
#define CLOSE_STORE 51
#define CLOSED 52
#define R1 60
#define R2 61
#define R3 62
#define O1 63
#define O1_ALONE 64
#define O2 65
#define SWEEP 66
#define SWEEP_ALONE 67
#define SWEEP_END 68
#define OUT 70
#define OUT_DONE 71

#define PUTTER 0
#define GETTER 1
#define REMOVER 2
#define OPENER 3
#define SWEEPER 4
#define SETTLER 5

/* Reclaims `n`; then `then`, and `away` says whether the file is gone. */
inline reclaim(is_own, what_then) { own = is_own; gone = false; then = what_then; step = R1 }
inline reclaimed(is_away) { away = is_away; own = false; gone = false; step = then; then = 0 }
inline free_it(what_after) { after = what_after; step = FREE_IT }
inline sweep() { saved = n; n = 1; step = SWEEP }

proctype user(byte me, role, rounds) {
    byte step, object, n, saved, then, after, e = NONE, found, key, i, j, count;
    bool own, gone, away, closes, is_out;
    if
    :: role == PUTTER -> step = S1
    :: role == GETTER -> step = G0
    :: role == REMOVER -> step = EVICT
    :: role == OPENER -> step = OPEN
    :: role == SWEEPER -> step = OUT
    :: role == SETTLER -> step = SETTLE
    fi;
    do
    /* Opens the store. */
    :: atomic { step == OPEN ->
        if
        :: !linked -> goto over
        :: linked && !users && !store_alone -> closes = true; step = O1 /* dead, which it removes */
        :: linked && !users && store_alone -> step = OPEN
        :: linked && users -> step = OPEN_LOCK
        fi }
    :: atomic { step == OPEN_LOCK ->
        if
        :: store_alone -> step = OPEN
        :: else -> users = users | (1 << me); step = OPEN_LOOK
        fi }
    :: atomic { step == OPEN_LOOK ->
        if
        :: linked -> sits[me] = true; step = SETTLE
        :: else -> users = users & ~(1 << me); step = OPEN
        fi }

    /* Puts. */
    :: atomic { step == S1 && rounds && CAN_LOCK ->
        select(key : 0 .. KEYS - 1);
#ifdef CREATE_FIRST
        object = numbers + 1;
        create();
#endif
        lock();
        e = NONE;
        for (i : 0 .. ENTRIES - 1) { e = (known[i] == FREE -> i : e) }
        i = 0;
        if
        :: e == NONE -> after = S1; step = SETTLE
        :: else ->
            numbers++;
            object = numbers;
            key_of[object] = key;
            number[e] = object; builder[e] = me; disowned[e] = false; known[e] = TORN;
            may_die();
#ifdef PUBLISH_FIRST
            state[e] = PRESENT; has[key] = true;
#else
            state[e] = BUILDING;
#endif
            may_die();
            used++;
            may_die();
            known[e] = state[e];
            rounds--;
            e = NONE;
            step = S2
        fi }
    :: atomic { step == S2 -> create(); step = FILL }
#ifdef SEAL_FIRST
    :: atomic { step == FILL -> step = S3 }
#else
    :: atomic { step == FILL -> filled[object] = true;
        if
        :: step = S3
        :: ABORTS -> step = GIVE_UP
        fi }
#endif
    :: atomic { step == S3 && CAN_LOCK ->
        lock();
        e = NONE;
        for (i : 0 .. ENTRIES - 1) { e = (known[i] == BUILDING && number[i] == object -> i : e) }
        i = 0;
        assert(e != NONE && builder[e] == me);
        find(key);
#ifndef OWN_LATE
        owned[object] = true;           /* s3 */
        may_die();
#endif
#ifndef TELL_LATE
        tell();                         /* t1 */
        may_die();
#endif
#ifdef LEAVE_FIRST
        if
        :: found != NONE -> leave(found)
        :: else
        fi;
#endif
        known[e] = TORN;
        may_die();
        state[e] = PRESENT;             /* s4 */
        has[key] = true;
        may_die();
        known[e] = PRESENT;
#ifdef OWN_LATE
        owned[object] = true;
#endif
#ifndef LEAVE_FIRST
#ifndef LEAVE_NOTHING
        if
        :: found != NONE -> leave(found)
        :: else
        fi;
#endif
#endif
        check();
        e = found;
        n = (found == NONE -> 0 : number[found]);
        found = 0;
        after = CLOSE;
        step = TELL }
    :: atomic { step == TELL ->
#ifdef TELL_LATE
        tell();
#endif
        if
        :: n -> step = FREE_IT
        :: else -> step = CLOSE
        fi }
    :: atomic { step == GIVE_UP && CAN_LOCK ->
        lock();
        e = NONE;
        for (i : 0 .. ENTRIES - 1) { e = (known[i] == BUILDING && number[i] == object -> i : e) }
        i = 0;
        assert(e != NONE);
        leave(e);
        n = object;
        free_it(CLOSE) }

    /* Gets. */
    :: atomic { step == G0 && rounds ->
        select(key : 0 .. KEYS - 1);
        wanted[me] = key;
        was_absent[me] = !has[key]; news[me] = false; step = G1 }
    :: atomic { step == G1 && CAN_LOCK ->
        lock();
        find(key);
        if
        :: found == NONE -> assert(was_absent[me]); waits[me] = true; step = WAIT
        :: else -> e = found; n = number[e]; step = G2
        fi;
        found = 0 }
    :: atomic { step == WAIT && news[me] -> waits[me] = false; step = G0 }
    :: atomic { step == G2 && !(file[n] && !owned[n] && alone[n]) ->
        if
        :: !file[n] -> step = AGAIN
        :: file[n] && !owned[n] && !attached[n] -> reclaim(false, AGAIN)
        :: file[n] && (owned[n] || attached[n]) -> step = G2_LOCK
        fi }
    :: atomic { step == G2_LOCK ->
        if
        :: alone[n] -> step = G2
        :: else ->
            attached[n] = attached[n] | HANDLE(me);
            step = G2_LOOK
        fi }
    :: atomic { step == G2_LOOK ->
        if
        :: file[n] -> object = n; step = (TAKES -> TAKE : USE)
        :: else -> attached[n] = attached[n] & ~HANDLE(me); step = G2
        fi }
    :: atomic { step == TAKE && CAN_LOCK ->
        lock();
        find(key);
        e = found; found = 0;
        if
#ifdef TAKE_ANYTHING
        :: e != NONE ->
#else
        :: e != NONE && number[e] == n ->
#endif
            assert(!taken[n]);
            take_away(e);
            taken[n] = true;
            n = number[e];
            free_it(USE)
        :: else -> step = UNTAKE
        fi }
    :: atomic { step == UNTAKE ->
        e = NONE; object = 0;
        attached[n] = attached[n] & ~HANDLE(me);
        reclaim(true, G0) }
    :: atomic { step == USE ->
        assert(filled[object] && key_of[object] == key);
        rounds--;
        e = NONE; n = 0;
        if
        :: step = CLOSE
        :: CLOSES -> step = CLOSE_STORE
        fi }
    :: atomic { step == AGAIN && CAN_LOCK ->
#ifdef NOT_AGAIN
        assert(was_absent[me]);
#endif
        lock();
        if
#ifdef LEAVE_ANYTHING
        :: true ->
#else
        :: IS_STILL(PRESENT) ->
#endif
            assert(UNLINKS || !linked);
            take_away(e);
        :: else
        fi;
        e = NONE; n = 0;
        step = G0 }

    /* Removes, and evicts. */
    :: atomic { step == EVICT && rounds && CAN_LOCK ->
        lock();
        select(key : 0 .. KEYS - 1);
        find(key);
        if
        :: found == NONE -> found = 0; step = IDLE
        :: else ->
            e = found; n = number[e]; found = 0;
            rounds--;
#if EVICTS
            step = EVICT_LOOK
#else
#ifdef DISOWN_FIRST
            after = EVICT_LEAVE; step = FREE_IT
#else
            take_away(e);
            free_it(EVICT)
#endif
#endif
        fi }
    :: atomic { step == EVICT_LOOK ->
        step = (file[n] && (attached[n] || alone[n]) -> IDLE : EVICT_LEAVE) }
    :: atomic { step == EVICT_LEAVE && CAN_LOCK ->
        lock();
        if
#ifdef EVICT_ANYTHING
        :: true ->
#else
        :: IS_STILL(PRESENT) ->
#endif
            take_away(e);
            free_it(EVICT)
        :: else -> e = NONE; n = 0; step = EVICT
        fi }

    /* Looks for what is to be freed. */
    :: atomic { step == SETTLE && CAN_LOCK ->
        lock();
        for (i : 0 .. ENTRIES - 1) {
            if
#ifdef LEAVE_THE_LIVING
            :: known[i] == BUILDING -> e = i; leave(e)
#elif !defined(KEEP_THE_DEAD)
            :: known[i] == BUILDING && !sits[builder[i]] -> e = i; leave(e)
#endif
            :: else
            fi
        }
        i = 0; e = NONE;
        /* Any one of them. */
        if
        :: known[0] == LEAVING -> e = 0
#if ENTRIES > 1
        :: known[1] == LEAVING -> e = 1
#endif
#if ENTRIES > 2
        :: known[2] == LEAVING -> e = 2
#endif
        :: else
        fi;
        if
        :: e == NONE -> away = false; step = SETTLED
        :: else -> n = number[e]; saved = 0; then = 0; away = false; step = (disowned[e] -> AGAIN_S7 : FREE_IT)
        fi }
    :: atomic { step == SETTLED ->
        e = NONE; n = 0;
        if
        :: after == S1 && away -> step = S1
        :: after == S1 && !away -> rounds = 0; step = IDLE /* no room */
        :: after != S1 && role == SETTLER && rounds > 1 -> rounds--; step = SETTLE
        :: else -> step = IDLE
        fi;
        after = 0; away = false }

    /* Frees `n` of the entry `e`, which has left. */
    :: atomic { step == FREE_IT ->
        if
        :: file[n] -> step = S6
        :: else -> away = true; step = S8
        fi }
#ifdef KEEP_OWNED
    :: atomic { step == S6 -> step = AGAIN_S7 }
#else
    :: atomic { step == S6 -> owned[n] = false; step = S7 }
#endif
    :: atomic { step == S7 -> then = S8; step = R2 }
    :: atomic { step == AGAIN_S7 -> reclaim(false, S8) }
    :: atomic { step == S8 && CAN_LOCK ->
        lock();
        if
#ifdef END_ANYTHING
        :: true ->
#else
        :: IS_STILL(LEAVING) ->
#endif
            if
#ifdef END_AT_ONCE
            :: true ->
#else
            :: away ->
#endif
                assert(state[e] == LEAVING && !file[number[e]]);
                known[e] = TORN;
                may_die();
                used--;
                may_die();
                state[e] = FREE;
                number[e] = 0; builder[e] = 0; disowned[e] = false;
                may_die();
                known[e] = FREE
            :: else -> disowned[e] = true
            fi
        :: else
        fi;
#ifndef DISOWN_FIRST
        e = NONE; n = 0;
#endif
        if
        :: after == S1 || !after -> step = SETTLED
        :: else -> step = after; after = 0; away = false
        fi }

    /* Closes an object, and the store. */
    :: atomic { step == CLOSE ->
        n = object; object = 0;
        attached[n] = attached[n] & ~HANDLE(me);
        reclaim(true, CLOSED) }
    :: atomic { step == CLOSED ->
        n = 0; away = false;
        if
        :: !(users & (1 << me)) -> goto over
        :: else ->
            if
            :: role == PUTTER -> step = S1
            :: role == GETTER -> step = G0
            fi
        fi }
    :: atomic { step == CLOSE_STORE -> users = users & ~(1 << me); sits[me] = false; closes = true; step = O1 }

    /* Is it out of use? Reclaims `n`. */
    :: atomic { step == R1 ->
        if
        :: !file[n] -> reclaimed(true)
        :: file[n] && !own && owned[n] && !gone -> step = O1
        :: else -> step = R2
        fi }
    :: atomic { step == R2 && (!own || attached[n] || !alone[n]) ->
        if
        :: attached[n] -> reclaimed(false)
        :: !attached[n] && alone[n] -> reclaimed(false)
        :: else -> alone[n] = me + 1; step = R3
        fi }
    :: atomic { step == R3 ->
        alone[n] = 0;
        if
        :: owned[n] && !gone -> step = (own -> O2 : O1)
        :: !file[n] && !(owned[n] && !gone) -> reclaimed(true)
        :: else ->
            assert(!attached[n]);
            assert(!owned[n] || !linked);
            file[n] = false;
            reclaimed(true)
        fi }
    /* Reclaims the store: for `n`, or since it is closed. */
    :: atomic { step == O1 && !(closes && linked && store_alone && !users) ->
        if
#ifdef NO_O1
        :: !closes -> step = O2
#endif
#ifdef O1_LOOKS
        :: !closes && linked && !users && !store_alone -> gone = true; step = R1
        :: !closes && !(linked && !users && !store_alone) -> step = O2
#endif
#if !defined(NO_O1) && !defined(O1_LOOKS)
        :: !closes && linked && !users && !store_alone -> store_alone = me + 1; step = O1_ALONE
        :: !closes && !(linked && !users && !store_alone) -> step = O2
#endif
        :: closes && linked && !users && !store_alone -> store_alone = me + 1; step = O1_ALONE
        :: closes && !(linked && !users && !store_alone) -> step = SWEEP_END
        fi }
#ifdef OBJECTS_FIRST
    :: atomic { step == O1_ALONE -> sweep() }
#else
    :: atomic { step == O1_ALONE ->
        store_alone = 0;
        if
        :: linked ->
            assert(!users);
            linked = false;
#ifdef LEAVE_OBJECTS
            step = SWEEP_END
#else
            sweep()
#endif
        :: else -> step = SWEEP_END
        fi }
#endif
    :: atomic { step == SWEEP ->
        if
        :: n > OBJECTS -> n = saved; saved = 0; step = SWEEP_END
        :: n <= OBJECTS && file[n] && !attached[n] && !alone[n] -> alone[n] = me + 1; step = SWEEP_ALONE
        :: else -> n++
        fi }
    :: atomic { step == SWEEP_ALONE -> file[n] = false; alone[n] = 0; n++; step = SWEEP }
    :: atomic { step == SWEEP_END ->
#ifdef OBJECTS_FIRST
        if
        :: store_alone == me + 1 -> linked = false; store_alone = 0
        :: else
        fi;
#endif
        if
        :: is_out -> is_out = false; step = OUT_DONE
        :: closes && !is_out -> closes = false;
            if
            :: object -> step = CLOSE
            :: else -> goto over
            fi
        :: else -> step = O2
        fi }
    :: atomic { step == O2 ->
        if
        :: linked -> reclaimed(false)
        :: else -> gone = true; step = R1
        fi }

    /* From outside. */
    :: atomic { step == OUT && rounds ->
        if
        :: me == LAST && rounds > 1 -> n = rounds - 1; reclaim(false, OUT_DONE)
        :: me == LAST && rounds == 1 ->
            for (i : 1 .. OBJECTS) { assert(!file[i]) } /* who looked at it has removed it */
            is_out = true; closes = true; step = O1
        :: me != LAST -> select(n : 1 .. OBJECTS); reclaim(false, OUT_DONE)
        :: me != LAST && unlinks < UNLINKS && linked && users && !store_alone -> 
            unlinks++; linked = false; is_out = true; closes = true;
#ifdef UNLINK_ALONE
            step = OUT_DONE
#else
            sweep()
#endif
        :: me != LAST && unlinks < UNLINKS ->
            select(n : 1 .. OBJECTS);
            if
            :: file[n] && !alone[n] -> unlinks++; file[n] = false
            :: else
            fi;
            step = OUT_DONE
        fi }
    :: atomic { step == OUT_DONE -> n = 0; away = false; closes = false; rounds--; step = OUT }

    :: atomic { (step == S1 || step == G0 || step == EVICT) && !rounds -> step = IDLE }
    :: atomic { step == IDLE ->
        if
        :: step = REST
        :: CLOSES && role < SWEEPER -> step = CLOSE_STORE
        fi }
    :: atomic { kills < KILLS && me != LAST -> kills++; goto dying }
    od;
dying:
    do
    :: atomic { users & (1 << me) -> users = users & ~(1 << me) }
    :: atomic { sits[me] -> sits[me] = false }
    :: atomic { !(users & (1 << me)) && !sits[me] ->
        for (i : 1 .. OBJECTS) {
            attached[i] = attached[i] & ~HANDLE(me);
            alone[i] = (alone[i] == me + 1 -> 0 : alone[i])
        }
        store_alone = (store_alone == me + 1 -> 0 : store_alone);
        goto over }
    od;
over:
    atomic { waits[me] = false; step = 0; object = 0; n = 0; saved = 0; then = 0; after = 0; e = 0; found = 0; key = 0; i = 0; j = 0; count = 0;
        own = 0; gone = 0; away = 0; closes = 0; is_out = 0; rounds = 0; role = 0 }
}

init {
    byte i;
    atomic {
        select(kills : 0 .. KILLS);
        for (i : 0 .. ALL - 1) { wanted[i] = NONE }
        for (i : 0 .. USERS - 1) {
            if
            :: i < USERS - OPENERS -> users = users | (1 << i); sits[i] = true
            :: else
            fi
        }
        i = 0;
        for (i : 0 .. ALL - 2) {
            if
            :: i < PUTTERS -> run user(i, PUTTER, PUTS)
            :: i >= PUTTERS && i < PUTTERS + GETTERS -> run user(i, GETTER, GETS)
            :: i >= PUTTERS + GETTERS && i < USERS - OPENERS -> run user(i, REMOVER, 1)
            :: i >= USERS - OPENERS && i < USERS -> run user(i, OPENER, 0)
            :: i >= USERS -> run user(i, SWEEPER, SWEEPS)
            fi
        }
        i = 0
    }
    timeout;
    atomic {
        kills = KILLS;
        for (i : 0 .. ALL - 1) { assert(!waits[i] || !has[wanted[i]]) }
        i = 0;
        if
        :: users -> users = users | (1 << LAST); sits[LAST] = true; run user(LAST, SETTLER, ENTRIES + 1)
        :: else
        fi
    }
    timeout;
    atomic {
        for (i : 0 .. ENTRIES - 1) {
            assert(!users || state[i] != LEAVING || attached[number[i]]);
            assert(!users || state[i] != BUILDING || sits[builder[i]])
        }
        /* Whatever had a user is killed. */
        users = 0; store_alone = 0;
        for (i : 0 .. ALL - 1) { sits[i] = false }
        for (i : 1 .. OBJECTS) {
            assert(KILLS || linked || !file[i] || attached[i]);
            attached[i] = 0; alone[i] = 0
        }
        i = 0;
        run user(LAST, SWEEPER, OBJECTS + 1)
    }
    timeout;
    d_step {
        assert(!linked);
        for (i : 1 .. OBJECTS) { assert(!file[i]) }
    }
}
