/*
 * Semaphores, Sources/Zinc/Locks/Semaphore.swift: two permits for two threads of one handle and for two
 * other processes, which are killed, wherever they are. What the source has in another way is
 * defined here by the test.
 *
 *     spin -a semaphore.pml && cc -O2 -DSAFETY pan.c && ./a.out -E
 *
 * A permit says who has it; whoever waits takes back those of the dead. Each permit is changed by
 * compare-and-exchange alone, and what it guards is seen by that: no order of memory is left to say.
 *
 * What must hold: no more are inside than there are permits; who gives one back has one; and in the end
 * nobody waits.
 */
#define PERMITS 2
#define TAKERS 4
#define ROUNDS 2

#define FREE 0
#define IDENTITY(taker) (taker == 0 || taker == 1 -> 1 : taker)    /* two threads have one */

byte owner[PERMITS];
bool has[TAKERS], is_killed[TAKERS], is_dead[TAKERS];
byte inside;

#define IS_OVER(who) (who > 1 && is_dead[who])
#define NONE_FREE (owner[0] != FREE && owner[1] != FREE)

inline enter() { has[me] = true; inside++; assert(inside <= PERMITS) }

proctype taker(byte me) {
    byte round, i, seen;
    {
        do
        :: round == ROUNDS -> break
        :: else ->
            do
            :: atomic { owner[0] == FREE -> i = 0 } -> goto take
            :: atomic { owner[1] == FREE -> i = 1 };
take:
                atomic {
#ifdef TAKE_BLINDLY
                    owner[i] = IDENTITY(me); enter(); i = 0; break
#else
                    if
                    :: owner[i] == FREE -> owner[i] = IDENTITY(me); enter(); i = 0; break
                    :: else -> i = 0
                    fi
#endif
                }
#ifndef SWEEP_NOTHING
            :: atomic { NONE_FREE && IS_OVER(owner[0]) -> i = 0; seen = owner[0] } -> goto give_back
            :: atomic { NONE_FREE && IS_OVER(owner[1]) -> i = 1; seen = owner[1] };
give_back:
                atomic {
                    if
#ifdef SWEEP_BLINDLY
                    :: true -> owner[i] = FREE
#else
                    :: owner[i] == seen -> owner[i] = FREE
                    :: else
#endif
                    fi;
                    i = 0; seen = 0
                }
#endif
            od;
            do                                              /* release */
            :: i < PERMITS ->
                if
                :: atomic { owner[i] != IDENTITY(me) -> i++ }
                :: owner[i] == IDENTITY(me) ->
                    atomic {
                        if
#ifdef RELEASE_BLINDLY
                        :: true ->
#else
                        :: owner[i] == IDENTITY(me) ->
#endif
                            owner[i] = FREE; has[me] = false; inside--; i = 0; break
#ifndef RELEASE_BLINDLY
                        :: else -> i++
#endif
                        fi
                    }
                fi
            :: i == PERMITS -> assert(false)                /* it has none */
            od;
            round++
        od
    } unless {
        atomic {
            is_killed[me] ->
            if
            :: has[me] -> has[me] = false; inside--
            :: else
            fi;
            is_dead[me] = true
        }
    }
}

init {
    byte i;
    atomic {
        for (i : 0 .. TAKERS - 1) { run taker(i) }
        i = 0
    }
    for (i : 2 .. TAKERS - 1) {
        if
        :: is_killed[i] = true
        :: true
        fi
    }
    timeout;
    assert(_nr_pr == 1)
}
