/*
 * Files that have a name while they are being made, where the system has none without
 * (Attachment.newFile and RegionName.reclaimUnfinished): makers, who give what is complete the
 * region's name, and reclaimers, who remove what makers leave that are killed. All are killed
 * anywhere; and who looks last, in quiet, finds nothing left.
 *
 *     spin -a -DKILLS=1 making.pml && cc -O2 -DSAFETY pan.c && ./a.out -E
 *
 * What must hold: what is being made is removed by nobody but its maker; the region's name leads to
 * a complete file, to which somebody is attached or whose maker was killed; who gives up, or is done,
 * leaves nothing; and nothing is left at last.
 *
 * No number is drawn twice, so what a name of this kind leads to is one file or none, for ever.
 * Between two processes lie system calls: nothing is seen in another order.
 */
#ifndef MAKERS /* 1 or 2 */
#define MAKERS 2
#endif
#ifndef RECLAIMERS
#define RECLAIMERS 1
#endif
#ifndef FILES /* so many numbers are drawn, at most */
#define FILES 4
#endif
#ifndef LOOKS /* of each reclaimer */
#define LOOKS 3
#endif
#ifndef KILLS
#define KILLS 0
#endif

/* Files count from 1: 0 is none. */
byte drawn;
bool is_new[FILES + 1];                 /* has the name of its number */
bool is_complete[FILES + 1];
byte attached[FILES + 1];               /* how many hold the lock shared: its maker, here */
bool alone[FILES + 1];                  /* a reclaimer holds it exclusively */
byte name;                              /* the file that the region's name leads to */
byte kills, running;
bool was_killed[FILES + 1];             /* its maker */

#define T1 0
#define T2 1
#define T3 2
#define FILL 3
#define T4 4
#define T5 5
#define ATTACHED 6
#define DONE 7
#define GONE 8

inline drop(file) {                     /* its descriptor is closed */
    attached[file] = attached[file] - (holds -> 1 : 0);
    holds = false
}

proctype maker() {
    byte step, file, next;
    bool holds;
    do
    :: atomic { step == T1 && drawn == FILES -> step = DONE }
    :: atomic { step == T1 && drawn < FILES ->
        drawn++; file = drawn;
        is_new[file] = true;
#if defined(LOCK_NEVER)
        step = T3
#elif defined(LOOK_FIRST)
        step = T3
#else
        step = T2
#endif
        }
    :: atomic { step == T2 ->
        if
        :: alone[file] -> next = T1; step = T5 /* and another one */
        :: else -> attached[file]++; holds = true;
#ifdef LOOK_FIRST
            step = FILL
#else
            step = T3
#endif
        fi }
#ifdef LOOK_NEVER
    :: atomic { step == T3 -> step = FILL }
#else
    :: atomic { step == T3 ->
        if
        :: !is_new[file] -> next = T1; step = T5
        :: else ->
#ifdef LOOK_FIRST
            step = T2
#else
            step = FILL
#endif
        fi }
#endif
#ifdef PUBLISH_EARLY
    :: atomic { step == FILL -> step = T4 }
#else
    :: atomic { step == FILL -> is_complete[file] = true; step = T4 }
#endif
    /* Something may go wrong on the way, too. */
    :: atomic { step == FILL -> next = DONE; step = T5 }
    :: atomic { step == T4 ->
        assert(is_new[file]);
        if
        :: name -> next = DONE; step = T5
        :: else -> name = file; is_new[file] = false; step = ATTACHED
        fi }
    :: atomic { step == T5 ->
#ifndef DISCARD_NEVER
        is_new[file] = false;
#endif
        drop(file); assert(!is_new[file]);
        file = 0; step = next }
    /* As the last one out it removes the name. */
    :: atomic { step == ATTACHED -> name = (name == file -> 0 : name); drop(file); file = 0; step = DONE }
    :: atomic { step == DONE -> running--; break }
    :: atomic { kills < KILLS && step != DONE -> kills++; was_killed[file] = true; drop(file); running--; break }
    od
}

#define LIST 0
#define C1 1
#define C2 2
#define CLOSE 3

inline let_go() {
    alone[file] = (holds -> false : alone[file]);
    holds = false; file = 0
}

/* One who is in a hurry may be killed, or see what comes later no more; the last one sees it all. */
proctype reclaimer(bool is_last) {
    byte step, file, i, looks;
    bool holds;
    if
    :: is_last -> running == 0
    :: else
    fi;
    do
    :: atomic { step == LIST && !is_last && looks == LOOKS -> running--; break }
    :: atomic { step == LIST && is_last && looks == FILES ->
        for (i : 1 .. FILES) { assert(!is_new[i]) }
        break }
    :: atomic { step == LIST && is_last && looks < FILES ->
        looks++;
        file = (is_new[looks] -> looks : 0);
        step = (file -> C1 : LIST) }
    :: atomic { step == LIST && !is_last && looks < LOOKS ->
        looks++;
        select(file : 1 .. FILES);
        step = (is_new[file] -> C1 : LIST);
        file = (step == C1 -> file : 0) }
#ifdef UNLINK_FIRST
    :: atomic { step == C1 -> is_new[file] = false; step = CLOSE }
#else
    :: atomic { step == C1 ->
        if
        :: attached[file] || alone[file] -> step = CLOSE
        :: else ->
#ifndef ASK_ONLY
            alone[file] = true; holds = true;
#endif
            step = C2
        fi }
    :: atomic { step == C2 -> is_new[file] = false; step = CLOSE }
#endif
    :: atomic { step == CLOSE -> let_go(); step = LIST }
    :: atomic { kills < KILLS && !is_last -> kills++; let_go(); running--; break }
    od
}

/* Whoever looks for the region, at any time. */
proctype looker() {
    byte file;
end:
    do
    :: atomic { name ->
        file = name;
        assert(is_complete[file] && (attached[file] || was_killed[file] || alone[file]));
        file = 0;
        break }
    od
}

init {
    byte i;
    atomic {
        running = MAKERS + RECLAIMERS;
        for (i : 1 .. MAKERS) { run maker() }
        for (i : 1 .. RECLAIMERS) { run reclaimer(false) }
        run reclaimer(true);
        run looker()
    }
}
