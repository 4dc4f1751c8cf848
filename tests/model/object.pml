/*
 * Objects in regions that are used again, Sources/Zinc/Region/Attachment+Renaming.swift and
 * python/zinc/_objects.py: a sender that writes the next object into a region whose object nobody
 * has any more, readers who open it by the name that their message says, however late, and one who
 * is sent a reference by such a reader. All are killed anywhere; readers come again.
 *
 *     spin -a -DKILLS=1 object.pml && cc -O2 -DSAFETY pan.c && ./a.out -E
 *
 * What must hold: what somebody is attached to is what the message said, as long as that is so; who
 * has a message or a ticket finds it; and once all is quiet nobody but the sender is attached, and
 * no ticket is out but that of the last message, unless its holder was killed.
 *
 * A region that is removed is another one's memory later, and never comes back. Between what two
 * processes do to one region lie the system calls that lock and open it, or a message: nothing is
 * seen in another order. What is published when, channel.pml and queue.pml search.
 */
#ifndef READERS /* 1 or 2 */
#define READERS 1
#endif
#ifndef ROUNDS /* messages, 2 to 4 */
#define ROUNDS 3
#endif
#ifndef LOADS /* so often does a reader take a message */
#define LOADS 2
#endif
#ifndef KILLS
#define KILLS 0
#endif
#ifndef FORWARDS
#define FORWARDS 0
#endif
#ifndef QUEUE /* a message is for one, who gives its ticket back; else for all, and the sender does */
#define QUEUE 0
#endif

#define SENDER 0
#define RECEIVER (READERS + 1)          /* of the reference */
#define PROCESSES (READERS + 2)
#define REGIONS ROUNDS
#define AT(process, region) ((region) * PROCESSES + (process))
#define NOBODY 255

/* Messages, regions and names count from 1: 0 is none. A new region's name is its message's number. */
byte name_of[REGIONS + 1];
byte front[REGIONS + 1], back[REGIONS + 1]; /* of which message is what is written there */
byte tickets[REGIONS + 1];
bool attached[PROCESSES * (REGIONS + 1)];
byte alone[REGIONS + 1];                /* who has the lock alone, + 1 */
byte message, told[ROUNDS + 1];         /* the last one, and the name that each says */
byte holds[ROUNDS + 1];                 /* who has a message: how many */
byte sent;                              /* the message of a reference that is under way */
byte kills, forwards;
bool is_ticket_lost;

#define OTHERS(process, region) \
    (((process) != 0 && attached[AT(0, region)]) || ((process) != 1 && attached[AT(1, region)]) || \
     ((process) != 2 && attached[AT(2, region)]) || (READERS > 1 && (process) != 3 && attached[AT(PROCESSES - 1, region)]))
#define IS_DEAD(region) (!alone[region] && !OTHERS(NOBODY, region) && !tickets[region])
#define IS_GONE(n) (message != (n) && !holds[n])
#define IS(region, name) (region <= REGIONS && name_of[(region) % (REGIONS + 1)] == (name))
#define LED_TO(name) (IS(1, name) -> 1 : (IS(2, name) -> 2 : (IS(3, name) -> 3 : (IS(4, name) -> 4 : 0))))

/* Its locks end; whoever comes upon a dead region removes it. */
inline let_go(process, region) {
    attached[AT(process, region)] = false;
    alone[region] = (alone[region] == process + 1 -> 0 : alone[region]);
    name_of[region] = (IS_DEAD(region) -> 0 : name_of[region])
}

inline let_all_go(process) {
    for (i : 1 .. REGIONS) { let_go(process, i) }
    i = 0
}

inline publish() {
    told[n] = name_of[region];
    message = n
}

/* The steps of the sender. */
#define S0 0
#define R1 1
#define R2 2
#define R3 3
#define R4 4
#define FILL 5
#define FILL_MORE 6
#define P1 7
#define P2 8
#define DONE 9
#define ANEW 10
#define GONE 11

#ifdef FORGET_EARLY
#define MAY_FORGET(region) (has[region] && !is_spare[region])
#else
#define MAY_FORGET(region) (has[region] && !is_spare[region] && IS_GONE(has[region]))
#endif

inline forget(region) {
    is_spare[region] = true;
    tickets[region] = (QUEUE -> tickets[region] : tickets[region] - 1)
}

proctype sender() {
    byte step, n, region, i;
    byte has[REGIONS + 1];               /* the message that each has */
    bool is_spare[REGIONS + 1];
end:
    do
    :: atomic { step == S0 && MAY_FORGET(1) -> forget(1) } /* Sent.sweep */
    :: atomic { step == S0 && MAY_FORGET(2) -> forget(2) }
#if ROUNDS > 2
    :: atomic { step == S0 && MAY_FORGET(3) -> forget(3) }
#endif
    :: atomic { step == S0 && n < ROUNDS && (!QUEUE || (!message && !holds[n])) ->
        n++;
        if
        :: is_spare[1] -> region = 1; step = R1
        :: is_spare[2] -> region = 2; step = R1
#if ROUNDS > 2
        :: is_spare[3] -> region = 3; step = R1
#endif
        :: step = ANEW
        fi }
    :: atomic { step == ANEW ->
        region = n;
        assert(!has[n] && !name_of[n]);
        name_of[n] = n; attached[AT(SENDER, n)] = true; step = FILL }
#ifdef TICKETS_FIRST
    :: atomic { step == R1 -> step = (tickets[region] -> ANEW : R2) }
    :: atomic { step == R2 ->
        step = (OTHERS(SENDER, region) -> ANEW : R3);
        alone[region] = (step == R3 -> SENDER + 1 : 0) }
#else
    :: atomic { step == R1 ->
        step = (OTHERS(SENDER, region) -> ANEW : R2);
#ifndef ASK_ONLY
        alone[region] = (step == R2 -> SENDER + 1 : 0)
#endif
        }
    :: atomic { step == R2 ->
#ifdef RENAME_WITH_TICKETS
        step = R3
#else
        step = (tickets[region] -> ANEW : R3);
        alone[region] = (step == R3 -> alone[region] : 0)
#endif
        }
#endif
#ifdef UNLOCK_FIRST
    :: atomic { step == R3 -> alone[region] = 0; step = R4 }
    :: atomic { step == R4 -> name_of[region] = n; step = FILL }
#else
    :: atomic { step == R3 ->
#ifndef KEEP_NAME
        name_of[region] = n;
#endif
        step = R4 }
    :: atomic { step == R4 -> alone[region] = 0; step = FILL }
#endif
    :: atomic { step == FILL -> front[region] = n; step = FILL_MORE }
    :: atomic { step == FILL_MORE -> back[region] = n; step = P1 }
#ifdef PUBLISH_FIRST
    :: atomic { step == P1 -> publish(); step = P2 }
    :: atomic { step == P2 -> tickets[region]++; step = DONE }
#else
    :: atomic { step == P1 -> tickets[region]++; step = P2 }
    :: atomic { step == P2 -> publish(); step = DONE }
#endif
    :: atomic { step == DONE -> has[region] = n; is_spare[region] = false; region = 0; step = S0 }
    :: atomic { kills < KILLS && step != GONE ->
        kills++;
        is_ticket_lost = true;
        let_all_go(SENDER);
        step = GONE }
    od
}

/* The steps of who loads. */
#define T0 0
#define O1 1
#define O2 2
#define O3 3
#define READ 4
#define VIEWS 5                         /* which outlast the close of the handle */

/* Attachment.attach, up to READ. */
inline open_by_name(is_promised) {
    if
    :: step == O1 ->
        region = LED_TO(told[n]);
        if
        :: region && !IS_DEAD(region) -> step = O2
        :: else -> assert(!(is_promised)); region = 0; step = T0
        fi
#ifdef LOOK_FIRST
    :: step == O2 -> step = (name_of[region] == told[n] -> O3 : O1)
    :: step == O3 && alone[region] -> step = O1
    :: step == O3 && !alone[region] -> attached[AT(me, region)] = true; step = READ
#else
    :: step == O2 && alone[region] -> step = O1 /* and waits */
    :: step == O2 && !alone[region] -> attached[AT(me, region)] = true; step = O3
    :: step == O3 && name_of[region] == told[n] -> step = READ
    :: step == O3 && name_of[region] != told[n] -> let_go(me, region); step = O1
#endif
    fi
}

proctype reader(byte me) {
    byte step, n, region, i, loads = LOADS;
    bool has_message, owes;
end:
    do
    :: atomic { step == T0 && !has_message && !owes && loads && message ->
        loads--;
        n = message;
        holds[n]++;
        has_message = true;
        message = (QUEUE -> 0 : message);
        step = O1 }
    :: atomic { step == O1 || step == O2 || step == O3 -> open_by_name(has_message) }
    /* Of a channel it may be late: a forked child has what it has no more, say. */
    :: atomic { has_message && (step == READ || step == T0 || !QUEUE) ->
        holds[n]--; has_message = false; owes = QUEUE }
    :: atomic { owes ->
        assert(name_of[LED_TO(told[n])]);
        tickets[LED_TO(told[n])]--;
        owes = false }
#if FORWARDS
    :: atomic { step == READ && forwards < FORWARDS ->
        forwards++;
        tickets[region]++;
        sent = n }
#endif
#ifdef CLOSE_LETS_GO
    :: atomic { step == READ -> let_go(me, region); step = VIEWS }
    :: atomic { step == VIEWS ->
        assert(front[region] == n && back[region] == n);
        region = 0; step = T0 }
#else
    :: atomic { step == READ ->
        assert(front[region] == n && back[region] == n);
        let_go(me, region);
        region = 0; step = T0 }
#endif
    :: atomic { kills < KILLS && (step != T0 || has_message || owes) ->
        kills++;
        is_ticket_lost = (owes -> true : is_ticket_lost);
        if
        :: has_message -> holds[n]--; message = (QUEUE -> n : message); loads++
        :: else
        fi;
        let_all_go(me);
        has_message = false; owes = false; region = 0; step = T0 }
    od
}

#if FORWARDS
proctype receiver(byte me) {
    byte step, n, region, i;
    bool has_ticket;
end:
    do
    :: atomic { step == T0 && sent -> n = sent; sent = 0; has_ticket = true; step = O1 }
    :: atomic { step == O1 || step == O2 || step == O3 -> open_by_name(has_ticket) }
    :: atomic { step == READ && has_ticket -> tickets[region]--; has_ticket = false }
    :: atomic { step == READ && !has_ticket ->
        assert(front[region] == n && back[region] == n);
        let_go(me, region);
        region = 0; step = T0 }
    :: atomic { kills < KILLS && step != T0 ->
        kills++;
        is_ticket_lost = (has_ticket -> true : is_ticket_lost);
        let_all_go(me);
        has_ticket = false; region = 0; step = T0 }
    od
}
#endif

init {
    byte i;
    atomic {
        run sender();
        for (i : 1 .. READERS) { run reader(i) }
#if FORWARDS
        run receiver(RECEIVER);
#endif
        i = 0
    }
    timeout;
    d_step {
        for (i : 1 .. REGIONS) {
            assert(!OTHERS(SENDER, i) && !alone[i]);
            assert(is_ticket_lost || tickets[i] == (message && name_of[i] && told[message] == name_of[i] -> 1 : 0))
        }
    }
}
