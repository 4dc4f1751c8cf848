/*
 * Items of a queue across the link, python/zinc/mirror/_offer.py (_QueueSource) and _follow.py
 * (_QueueCopy): who offers, who follows, a worker at the copy, a link that loses what is under way when
 * it breaks, and kills of the follower, with all that its machine has, and of who offers.
 *
 *     spin -a mirror.pml && cc -O2 -DSAFETY pan.c && ./a.out
 *
 * What must hold: an item is done at its origin only if a worker, there or elsewhere, was done with it;
 * none is ever lost, that is, each is always in the queue, or somebody has it and answers for it; and
 * once all is quiet each is done.
 *
 * Of the queues themselves, which queue.pml is about, only this is here: an item waits, or somebody has
 * it, or it is done; what a killed process had waits again.
 */
#ifndef BREAKS
#define BREAKS 1
#endif
#ifndef KILLS
#define KILLS 1
#endif
#define ITEMS 2
#define MOST 5                          /* deliveries of a stream */
#define SOME(is) (is(1) || is(2) || is(3) || is(4) || is(5))
#define IS_QUIET (len(down) == 0 && len(up) == 0)

mtype = { hello, item, report, again };

/* The origin's queue: 0 waits, 1 who offers has it, 2 done. Was a worker done with it? Items count
 * from 1, and 0 is none. */
byte state[ITEMS + 1];
bool worked[ITEMS + 1];

/* Who offers: the stream of its follower, how many it has sent in it, which item each delivery was. */
byte stream, streams, sent;
byte outstanding[MOST + 1];

/* Who follows: its stream, the delivery that it wants next, which item each is that came, whether the
 * worker was done with it, and whether its reports say so. */
byte has_stream, wanted = 1;
byte copied[MOST + 1];
bool is_over[MOST + 1], is_done[MOST + 1];

/* What is under way, in order. To the follower: stream, delivery, item. To who offers: stream, and the
 * delivery that is wanted, or done. */
chan down = [2] of { mtype, byte, byte, byte };
chan up = [2] of { mtype, byte, byte };

byte breaks, kills;
byte i, d, k, w;                        /* of a step, each 0 behind it */

/* What the worker can do, and what is to be reported, until it is heard. */
#define CAN_WORK(n) (copied[n] && !is_over[n])
#define IS_UNSAID(n) (is_done[n] && (has_stream != stream || outstanding[n]))

inline forget() {
    d = 1;
    do
    :: d <= MOST -> copied[d] = 0; is_over[d] = false; is_done[d] = false; d++
    :: else -> break
    od;
    d = 0; wanted = 1
}

/* What the follower had is others' again. */
inline give_back() {
    d = 1;
    do
    :: d <= MOST ->
        if
        :: outstanding[d] ->
#ifndef KEPT_FROM_OTHERS
            state[outstanding[d]] = 0;
#endif
            outstanding[d] = 0
        :: else
        fi;
        d++
    :: else -> break
    od;
    d = 0; sent = 0; stream = 0
}

/* The queue does that by itself for who was killed. */
inline given_back_by_queue() {
    d = 1;
    do
    :: d <= ITEMS ->
        if
        :: state[d] == 1 -> state[d] = 0
        :: else
        fi;
        d++
    :: else -> break
    od;
    d = 1;
    do
    :: d <= MOST -> outstanding[d] = 0; d++
    :: else -> break
    od;
    d = 0; sent = 0; stream = 0
}

inline lose_what_is_under_way() {
    do
    :: len(down) -> down?_,_,_,_
    :: len(up) -> up?_,_,_
    :: IS_QUIET -> break
    od
}

active proctype offers() {
    byte s, n;
end:
    do
    :: atomic { stream && sent < MOST && nfull(down) && (state[1] == 0 || state[ITEMS] == 0) ->
        i = 1;
        do
        :: state[i] != 0 -> i++
        :: else -> break
        od;
        sent++;
#ifdef DONE_WHEN_SENT
        state[i] = 2;
#else
        state[i] = 1; outstanding[sent] = i;
#endif
        down!item(stream, sent, i);
        i = 0 }
    :: atomic { nfull(down) && len(up) ->
        if
        :: up?report(s, n) ->
            if
#ifdef ANY_STREAM
            :: n && outstanding[n] ->
#else
            :: n && s == stream && outstanding[n] ->
#endif
                assert(worked[outstanding[n]]);
                state[outstanding[n]] = 2; outstanding[n] = 0
            :: else
            fi;
            if
            :: !stream ->
                streams++;
#ifdef SAME_STREAM
                stream = 1;
#else
                stream = streams;
#endif
                down!hello(stream, 0, 0)
            :: stream && s != stream -> down!hello(stream, 0, 0)
            :: else
            fi
        :: up?again(s, n) ->
            if
            :: s == stream && n <= sent && outstanding[n] ->
                down!item(stream, n, outstanding[n])
            :: else
            fi
        fi; s = 0; n = 0 }
    od
}

active proctype follows() {
    byte s, n, m;
    mtype what;
end:
    do
    :: atomic { down?what(s, n, m) ->
        if
        :: s != has_stream -> has_stream = s; forget()
        :: else
        fi;
        if
#ifdef ANY_ORDER
        :: what == item && n >= wanted ->
#else
        :: what == item && n == wanted ->
#endif
            copied[n] = m; wanted = n + 1;
#ifdef DONE_WHEN_THERE
            is_done[n] = true
#endif
        :: else
        fi; s = 0; n = 0; m = 0 }
#ifndef NEVER_ASKS
    /* A beat tells it that something was sent, and nothing is under way. */
    :: atomic { has_stream && has_stream == stream && wanted <= sent && IS_QUIET ->
        up!again(has_stream, wanted) }
#endif
    /* It is there, which its first report says, and each that comes to who has begun anew. */
    :: atomic { has_stream != stream && IS_QUIET || !stream && IS_QUIET -> up!report(has_stream, 0) }
    /* Its reports say what is done until that is heard; here one at a time. */
    :: atomic { nfull(up) && has_stream && SOME(IS_UNSAID) ->
        k = 1;
        do
        :: !IS_UNSAID(k) -> k++
        :: else -> break
        od;
        up!report(has_stream, k);
        k = 0 }
    od
}

active proctype works() {
end:
    do
    :: atomic { SOME(CAN_WORK) ->
        w = 1;
        do
        :: !CAN_WORK(w) -> w++
        :: else -> break
        od;
        is_over[w] = true; worked[copied[w]] = true;
#ifndef NEVER_DONE
        is_done[w] = true;
#endif
        w = 0 }
    od
}

active proctype fate() {
end:
    do
    /* The link breaks, and is made again at once. */
    :: atomic { breaks < BREAKS -> breaks++; lose_what_is_under_way() }
    /* It breaks for longer than the lease: the follower is taken for gone, and lives. */
    :: atomic { breaks < BREAKS && stream -> breaks++; lose_what_is_under_way(); give_back() }
    /* The follower dies, with its machine, and another comes. */
    :: atomic { kills < KILLS && stream ->
        kills++; lose_what_is_under_way(); give_back(); has_stream = 0; forget() }
    /* Who offers dies, and another comes. */
    :: atomic { kills < KILLS -> kills++; lose_what_is_under_way(); given_back_by_queue() }
    :: atomic { breaks == BREAKS && kills == KILLS -> break }
    :: atomic { breaks < BREAKS || kills < KILLS -> breaks = BREAKS; kills = KILLS }
    od
}

init {
    timeout ->
    i = 1;
    do
    :: i <= ITEMS -> assert(state[i] == 2 && worked[i]); i++
    :: else -> break
    od
}
