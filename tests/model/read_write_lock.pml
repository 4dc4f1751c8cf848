/*
 * The lock for readers and a writer, Sources/Zinc/Locks/ReadWriteLock.swift: each reader has a line
 * of its own, which the writer looks at once the word is its own. Processes are killed anywhere, and
 * another one comes, on the same seat. What the source has in another order is defined here by the
 * test.
 *
 *     spin -a -DKILLS=1 read_write_lock.pml && cc -O2 -DSAFETY pan.c && ./a.out -E
 *
 * The word is taken and given back as lock.pml has it, and is here a lock that loses nobody; notify
 * and wait are as notification.pml has them: each news is heard that comes after the look at the
 * sequence.
 *
 * What must hold: no writer beside anybody else; who reads finds two words equal, and who writes,
 * too, unless it is told; and each kill costs at most one silence, in which all wait, until each
 * has looked up at the end of its nap: once more if it kills who has just found another's death.
 */
#ifndef READERS
#define READERS 2
#endif
#ifndef WRITERS
#define WRITERS 1
#endif
#define PROCESSES (READERS + WRITERS)
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef SWEEPS
#define SWEEPS 1
#endif
#ifndef READ_ANYTHING
#define READ_ANYTHING 0
#endif
#ifndef KILLS
#define KILLS 0
#endif

#define DIED 128
#define OWNER(w) (w & 127)
#define IDENTITY(process, generation) (1 + (process) + PROCESSES * (generation))
#define IS_OVER(w) (generation[(OWNER(w) - 1) % PROCESSES] != (OWNER(w) - 1) / PROCESSES || \
    !locked[(OWNER(w) - 1) % PROCESSES])

byte word;
bool a, b;                              /* what it is for */
byte line_generation[READERS];
byte line_count[READERS];
/* The seats: whose lock is held, and what they say. */
bool locked[PROCESSES], role[PROCESSES];
byte generation[PROCESSES];

bool news[PROCESSES], waits[PROCESSES], ended[PROCESSES], killed[PROCESSES];
byte kills, silences;
bool napped[PROCESSES];

/* Ghosts. */
bool reads[READERS];
bool writes, unrepaired;
byte holder;                            /* who has the word and lives, + 1 */

#define ALL_READ(f) (f[0] || READERS > 1 && f[READERS - 1])
#define HAS_NAPPED(p) (ended[p] || napped[p])
#define IS_QUIET(p) (ended[p] || waits[p] && !news[p])
#if PROCESSES > 2
#define QUIET (IS_QUIET(0) && IS_QUIET(1) && IS_QUIET(2))
#define ALL_NAPPED (HAS_NAPPED(0) && HAS_NAPPED(1) && HAS_NAPPED(2))
#else
#define ALL_NAPPED (HAS_NAPPED(0) && HAS_NAPPED(1))
#define QUIET (IS_QUIET(0) && IS_QUIET(1))
#endif

inline notify() {
    news[0] = true; news[1] = true;
#if PROCESSES > 2
    news[2] = true;
#endif
}

/* All sleep as long: of those who wait in silence none wakes a second time before all have. */
#define MAY_LOOK_UP (!news[me] && (!QUIET || !napped[me] || ALL_NAPPED))

inline look_up() {
    if
    :: QUIET ->
        napped[me] = true;
        if
        :: ALL_NAPPED ->
            assert(kills > 0 && silences < 2 * kills - 1); /* of who was to mend another's death, too */
            silences++;
            napped[0] = false; napped[1] = false;
#if PROCESSES > 2
            napped[2] = false
#endif
        :: else
        fi
    :: else
    fi;
    waits[me] = false
}

inline sit() {
    atomic { locked[me] = true }
    atomic { generation[me]++; role[me] = true }
}

/* q4 and q5, also as q3. */
inline leave() {
#ifdef LOOK_BEFORE_LEAVING
    w = word;
#endif
    atomic { line_count[me]--; reads[me] = false }                        /* q4 */
#ifndef LOOK_BEFORE_LEAVING
    w = word;                                                             /* q5 */
#endif
#ifndef LEAVE_SILENTLY
    atomic {
        if
        :: w != 0 -> notify()
        :: else
        fi
    }
#endif
    w = 0
}

proctype reader(byte me) {
    byte w, early, rounds;
start:
    {
        sit();
begin:
        atomic {
            if
            :: rounds == ROUNDS -> goto gone
            :: else -> rounds++
            fi
        }
attempt:
        news[me] = false;                                                 /* the sequence */
        atomic {
            early = word;
            if
            :: OWNER(early) != 0 -> goto wait
#ifndef READ_UNTOLD
            :: OWNER(early) == 0 && early != 0 -> assert(unrepaired); goto done
#endif
            :: else
            fi
        }
        atomic {                                                          /* q1 */
            if
#ifndef COUNT_THE_DEAD
            :: line_generation[me] != generation[me] ->
                line_generation[me] = generation[me]; line_count[me] = 1
            :: else -> line_count[me]++
#else
            :: true -> line_generation[me] = generation[me]; line_count[me]++
#endif
            fi
        }
        atomic {                                                          /* q2 */
#ifndef LOOK_BEFORE_COUNTING
            early = word;
#endif
            if
            :: OWNER(early) == 0 && (early == 0 || READ_ANYTHING) ->
                reads[me] = true; assert(!writes && a == b)
            :: else
            fi
        }
        if
        :: reads[me] ->
            assert(!writes && a == b);
            leave();
#ifdef READ_AFTER_LEAVING
            assert(!writes && a == b);
#endif
            goto done
        :: !reads[me] ->
#ifndef STAY
            leave();                                                      /* q3 */
#endif
            if
            :: OWNER(early) == 0 -> goto done                             /* it is told */
            :: OWNER(early) != 0
            fi
        fi;
wait:
        waits[me] = true;
        if
        :: atomic { news[me] -> waits[me] = false; goto attempt }
        :: atomic { MAY_LOOK_UP -> look_up() }
        fi;
        atomic {
            w = word;
            if
            :: OWNER(w) != 0 && IS_OVER(w)
            :: else -> w = 0; goto attempt
            fi
        }
        atomic {                                                          /* a5 */
            if
            :: word == w -> assert(holder == 0 && unrepaired); word = DIED
            :: else
            fi;
            w = 0;
            goto attempt
        }
done:
        atomic { w = 0; early = 0; goto begin }
    } unless {
        atomic {
            killed[me] -> killed[me] = false; w = 0; early = 0; rounds = 0;
            if
            :: goto start
            :: ended[me] = true; goto over                                /* nobody comes */
            fi
        }
    }
gone:
    atomic { role[me] = false; locked[me] = false; ended[me] = true }
over:
    skip
}

/* By what its line said. */
#ifdef ASK_THE_LINE_ALONE
#define READS(i) (count != 0)
#else
#define READS(i) (count != 0 && role[i] && generation[i] == g)
#endif

inline hold() { assert(is_told == unrepaired && holder == 0); holder = me + 1 }

proctype writer(byte me) {
    byte id, i, count, g, rounds;
    bool is_told, is_free;
start:
    {
        sit();
        id = IDENTITY(me, generation[me]);
begin:
        atomic {
            if
            :: rounds == ROUNDS -> goto gone
            :: else -> rounds++
            fi;
#ifdef LOOK_BEFORE_TAKING
            is_free = line_count[0] + line_count[READERS - 1] == 0;
#endif
            waits[me] = true;
            news[me] = false
        }
        /* The lock: nobody's, or a dead one's, which a nap finds out. */
        do
        :: atomic { news[me] -> news[me] = false }                        /* of no use there */
        :: atomic {
                OWNER(word) == 0 ->
                waits[me] = false; is_told = word != 0; word = id | word; hold(); break
            }
        :: atomic {
                OWNER(word) != 0 && MAY_LOOK_UP ->
                look_up();
                if
                :: IS_OVER(word) -> is_told = true; word = id | DIED; hold(); break
                :: else -> waits[me] = true
                fi
            }
        od;
        /* p0, which has no effect but order. */
#ifdef LOOK_BEFORE_TAKING
        if
        :: is_free -> is_free = false; goto alone
        :: else
        fi;
#endif
look:
        news[me] = false;
        i = 0;
        do
        :: i < READERS ->
            atomic { count = line_count[i]; g = line_generation[i] }      /* p1 */
            atomic {
                if
                :: READS(i) -> count = 0; g = 0; break
                :: else -> count = 0; g = 0; i++
                fi
            }
        :: i == READERS -> goto alone
        od;
        waits[me] = true;
        if
        :: atomic { news[me] -> waits[me] = false; goto look }
        :: atomic { MAY_LOOK_UP -> look_up() }
        fi;
        i = 0;
        do /* takes the role of the dead */
        :: i < READERS -> atomic {
                if
                :: role[i] && !locked[i] && SWEEPS -> role[i] = false
                :: else
                fi;
                i++
            }
        :: i == READERS -> goto look
        od;
alone:
        atomic {
            i = 0;
            assert(!ALL_READ(reads));
            writes = true;
            assert(is_told || a == b)
        }
        if
        :: is_told -> atomic { b = a }
        :: else
        fi;
        a = !a;
        atomic { b = !b; writes = false }
#ifdef NOTIFY_BEFORE_RELEASE
        atomic { notify() }
#endif
        atomic {                                                          /* r1 */
            assert(OWNER(word) == id);
            word = 0; holder = 0; unrepaired = false; is_told = false
        }
#ifndef NOTIFY_BEFORE_RELEASE
#ifndef RELEASE_SILENTLY
        atomic { notify() }                                               /* p2 */
#endif
#endif
        goto begin
    } unless {
        atomic {
            killed[me] -> killed[me] = false; id = 0; i = 0; count = 0; g = 0; rounds = 0;
            is_told = false; is_free = false; goto start
        }
    }
gone: atomic { role[me] = false; locked[me] = false; ended[me] = true }
}

proctype killer() {
    byte victim;
    do
    :: kills < KILLS -> atomic {
            if
            :: !killed[0] && !ended[0] -> victim = 0
            :: !killed[1] && !ended[1] -> victim = 1
#if PROCESSES > 2
            :: !killed[2] && !ended[2] -> victim = 2
#endif
            fi;
            killed[victim] = true;
            kills++;
            locked[victim] = false;
            waits[victim] = false;
            if
            :: victim < READERS -> reads[victim] = false
            :: else
            fi;
            if
            :: holder == victim + 1 -> holder = 0; writes = false; unrepaired = true
            :: else
            fi;
            victim = 0
        }
    :: kills == KILLS -> break
    od
}

init {
    byte i;
    atomic {
        for (i : 0 .. READERS - 1) { run reader(i) }
        for (i : READERS .. PROCESSES - 1) { run writer(i) }
#if KILLS
        run killer();
#endif
        i = 0
    }
    timeout;
    for (i : 0 .. PROCESSES - 1) { assert(ended[i]) }
}
