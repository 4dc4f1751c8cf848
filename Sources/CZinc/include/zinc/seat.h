/* Who takes part in a region: what lock.h and channel.h tell of it. A part of zinc.h. */
#ifndef ZINC_SEAT_H
#define ZINC_SEAT_H

#include <stdint.h>

/** What somebody sits for. */
enum {
    ZINC_SEAT_LOCKS = 1,
    ZINC_SEAT_WRITES = 2, /* to a channel */
    ZINC_SEAT_READS = 3,
    ZINC_SEAT_WORKS = 4, /* takes messages of a queue */
};

/** Who sits on a seat, or did and was killed there. */
typedef struct ZincSeat {
    uint32_t number;   /**< of the seat, from 0 */
    uint32_t role;     /**< what for: ZINC_SEAT_LOCKS to ZINC_SEAT_WORKS */
    int32_t pid;       /**< as its process saw itself */
    uint32_t is_alive; /**< 1; 0 if it was killed, and nobody has needed the seat since */
    uint64_t since;    /**< when it sat down: ns since 1970 */
} ZincSeat;

#endif
