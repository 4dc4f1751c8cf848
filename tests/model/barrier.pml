/*
 * Barriers, Sources/Zinc/Locks/Barrier.swift: two parties meet in two phases, and one of them is killed,
 * wherever it is, and so is one who looks after seats in the same region for something else; somebody
 * resets the barrier, once, and may be stopped for good on its way. What the source has in another way
 * is defined here by the test.
 *
 *     spin -a barrier.pml && cc -O2 -DSAFETY pan.c && ./a.out -E
 *
 * All steps are sequentially consistent: no order of memory is left to say. A place is the phase
 * and who has it; a seat has somebody, until who finds it dead has cleared it. Who waits goes on
 * when there is something to see: that notifications and naps see to it is notification.pml's.
 *
 * What must hold: all who come to a phase learn of one end; all were there if that is that all were
 * there; it breaks for a reason, which is one of the phase or a death that no reset knew of; and
 * nobody waits for one who has died.
 */
#define PARTIES 2
#define ROUNDS 2
#define PHASES 5

#define OPEN 0
#define MET 1
#define RESET 2
#define BROKEN 3

#define NOBODY 255

byte phase;
bool broken;
byte ends[PHASES];                      /* how each phase ended */
byte place_phase[PARTIES], place_who[PARTIES];
byte deaths, known;

bool sits[PARTIES], dead[PARTIES], gone[PARTIES], locked[PARTIES];   /* of each seat */
bool is_old[PARTIES];                   /* a reset has cleared it before this phase */
bool counted[PARTIES], cleared[PARTIES];    /* its death; and before the reset */
bool is_twice;                          /* counted, whoever found it being killed before it was cleared */
bool killed[PARTIES], outsider_killed, waits[PARTIES];
bool broke[PHASES], gave_up[PHASES], aborted[PHASES];

#define UNKNOWN(seat) (sits[seat] && dead[seat] && !is_old[seat])
#define TO_CLEAR(seat) (sits[seat] && dead[seat] && !gone[seat] && !locked[seat])
#define SEAT_TO_CLEAR (TO_CLEAR(0) || TO_CLEAR(1))
#define IS_OVER(who) (dead[who])
#define OUTCOME(one) (phase == one -> (broken -> BROKEN : OPEN) : ends[one])

inline tell_broken(one) {
    assert(OUTCOME(one) == BROKEN || OUTCOME(one) == RESET);    /* not that the others passed */
    broke[one] = true
}

inline tell_met(one) {
    assert(!broke[one])
}

#ifdef BREAK_ANY_PHASE
#define IS(one) true
#else
#define IS(one) (phase == one)
#endif

/* Breaks the phase, if it is that, and for a reason. */
inline break_up(one) {
    atomic {
        if
        :: IS(one) && !broken ->
            broken = true;
            assert(gave_up[phase] || aborted[phase] || UNKNOWN(0) || UNKNOWN(1) || is_twice)
        :: else
        fi
    }
}

/* Takes the lock of a seat that is to be cleared, in the step that finds it. */
inline lock_one(s) {
    if
    :: TO_CLEAR(0) -> s = 0
    :: else -> s = 1
    fi;
    locked[s] = true
}

/* By the kernel, of who was killed. */
inline take_back(s) {
    if
    :: s < PARTIES -> locked[s] = false
    :: else
    fi
}

/* By who has its lock. */
inline clear_one(s) {
#ifdef COUNT_AFTERWARDS
    gone[s] = true;
    atomic { deaths++; counted[s] = true; locked[s] = false; s = PARTIES }
#else
#ifdef COUNT_NOTHING
    counted[s] = true;
#else
    atomic { deaths++; is_twice = is_twice || counted[s]; counted[s] = true };
#endif
    atomic { gone[s] = true; locked[s] = false; s = PARTIES }
#endif
}

proctype party(byte me) {
    byte round, mine, place, before, s = PARTIES;
    atomic { sits[me] = true }
    {
        do
        :: round == ROUNDS -> break
        :: else ->
            /* arrive */
            do
            :: atomic {
                    if
                    :: broken -> goto ended
                    :: else -> mine = phase
                    fi
                };
                atomic {                                    /* the first one that is free */
                    if
                    :: place_phase[0] != mine || place_who[0] == NOBODY ->
                        place = 0; before = place_phase[0]
                    :: else ->
                        if
                        :: place_phase[1] != mine || place_who[1] == NOBODY ->
                            place = 1; before = place_phase[1]
                        :: else -> place = PARTIES; before = 0
                        fi
                    fi
                };
                if
                :: place == PARTIES -> phase != mine || broken  /* more than it is for */
                :: else ->
                    atomic {
                        if
                        :: place_phase[place] == before &&
                            (place_phase[place] != mine || place_who[place] == NOBODY) ->
                            place_phase[place] = mine; place_who[place] = me; before = 0; break
                        :: else -> before = 0
                        fi
                    }
                fi
            od;
            if
            :: atomic { OUTCOME(mine) == BROKEN || OUTCOME(mine) == RESET -> tell_broken(mine); goto ended }
            :: atomic { OUTCOME(mine) == OPEN || OUTCOME(mine) == MET }
            fi;
            if
            :: place == PARTIES - 1 ->                      /* release */
                atomic {
                    if
#ifdef MEET_BROKEN
                    :: phase == mine ->
#else
                    :: phase == mine && !broken ->
#endif
                        assert(place_phase[0] == mine && place_phase[1] == mine);
                        assert(place_who[0] != place_who[1]);
                        ends[mine] = MET; phase++; broken = false; tell_met(mine)
                    :: else -> tell_broken(mine); goto ended
                    fi
                }
            :: else ->                                      /* wait */
                waits[me] = true;
                do
                :: atomic { OUTCOME(mine) == MET -> tell_met(mine); waits[me] = false; break }
                :: atomic {
                        OUTCOME(mine) == BROKEN || OUTCOME(mine) == RESET ->
                        tell_broken(mine); waits[me] = false; goto ended
                    }
                :: atomic { me == 0 && OUTCOME(mine) == OPEN && round == 0 -> gave_up[mine] = true };
                    break_up(mine)                          /* its deadline */
                :: atomic { OUTCOME(mine) == OPEN && SEAT_TO_CLEAR -> lock_one(s) }; clear_one(s);
#ifdef COUNT_NOTHING
                    break_up(phase)
#endif
                :: atomic { OUTCOME(mine) == OPEN && known != deaths }; break_up(mine)
                :: atomic {
                        OUTCOME(mine) == OPEN &&
                        (place_phase[0] == mine && IS_OVER(place_who[0]) ||
                         place_phase[1] == mine && place_who[1] != NOBODY && IS_OVER(place_who[1]))
                    };
                    break_up(mine)
                od
            fi;
            atomic { round++; mine = 0; place = 0 }
        od;
ended:
        /* Who gets up has not died. */
        atomic { sits[me] = false; waits[me] = false }
    } unless {
        atomic { killed[me] -> dead[me] = true; waits[me] = false }
        atomic { take_back(s) }
    }
}

/* Waits for something else in the region. */
proctype outsider() {
    byte s = PARTIES;                                       /* whose seat it has locked */
    { atomic { SEAT_TO_CLEAR -> lock_one(s) }; clear_one(s) } unless {
        atomic { outsider_killed -> take_back(s) }
    }
}

proctype resetter() {
    byte s = PARTIES;                                       /* whose seat it has locked */
#ifndef RESET_LATE
    atomic { broken = true; aborted[phase] = true };
#endif
#ifdef KNOW_BEFORE
    known = deaths;
#endif
    do
    :: atomic { SEAT_TO_CLEAR -> lock_one(s) }; clear_one(s)
    :: atomic { !SEAT_TO_CLEAR -> break }
    od;
    atomic {
#ifndef KNOW_BEFORE
        known = deaths;
#endif
        cleared[0] = counted[0]; cleared[1] = counted[1]
    };
    if
    :: true -> goto stopped                                 /* for good */
    :: true
    fi;
    atomic {
        ends[phase] = RESET; aborted[phase] = true; phase++; broken = false;
        is_old[0] = cleared[0]; is_old[1] = cleared[1]
    };
stopped:
    skip
}

init {
    atomic {
        place_who[0] = NOBODY; place_who[1] = NOBODY;
        run party(0); run party(1); run outsider(); run resetter()
    }
    if
    :: atomic { sits[1] -> killed[1] = true }
    :: true
    fi;
    if
    :: outsider_killed = true
    :: true
    fi;
    timeout;
    assert(!(waits[0] && (UNKNOWN(0) || UNKNOWN(1))));
    assert(!(waits[1] && (UNKNOWN(0) || UNKNOWN(1))))
}
