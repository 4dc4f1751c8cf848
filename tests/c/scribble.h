/* Words of a channel or a queue that somebody scribbles on. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zinc.h>

/* What somebody may have written into a word: what it could say, and what it never says. */
static inline uint64_t scribble(unsigned *seed) {
    uint64_t any = (uint64_t)rand_r(seed) << 33 ^ (uint64_t)rand_r(seed) << 11 ^ (uint64_t)rand_r(seed);
    uint64_t number = rand_r(seed) % 4 ? any % 12 : any, mark = (uint64_t)(rand_r(seed) % 128) << 55;
    switch (rand_r(seed) % 9) {
    case 0:
        return 0;
    case 1:
        return ~0ull;
    case 2:
        return 1ull << 63 | number; /* published, or closed */
    case 3:
        return 1ull << 62 | mark | (number & ((1ull << 55) - 1)); /* somebody's, or nobody's */
    case 4:
        return number;
    case 5:
        return number << 20 | any % 16; /* a place */
    case 6:
        return (any & ~0xFFFFFull) | any % 16;
    case 7:
        return 1ull << 62 | any % 16; /* of half all laps ahead */
    default:
        return any;
    }
}

/* Where it only matters that each call ends. */
static inline void try_to_send(ZincWriter writer) {
    const ZincWaitOptions look = {.size = sizeof look};
    ZincLoan loan;
    ZincMessageHead head = {.length = 8};
    if (zinc_writer_loan(writer, &loan) != 0) return;
    memset(loan.data, 1, 8);
    if (zinc_writer_publish(writer, &loan, &head, &look) != 0) zinc_writer_discard(writer, &loan);
}

/* On one to three words: of the whole, of the first seats, of the slots' owners, of the places. */
static inline void scribble_on(void *data, unsigned slots, unsigned places, unsigned *seed) {
    const unsigned owners = 256 + 120 * 128, ring = (owners + 8 * slots + 127) / 128 * 128;
    const unsigned starts[] = {64, 256, owners, ring}, words[] = {24, 64, slots, places};
    for (int k = rand_r(seed) % 3; k >= 0; k--) {
        int which = rand_r(seed) % 4, is_half = rand_r(seed) % 3 == 0;
        unsigned at = starts[which] + 8 * ((unsigned)rand_r(seed) % words[which]);
        uint64_t value = scribble(seed);
        if (is_half) at += 4 * (unsigned)(rand_r(seed) % 2);
        memcpy((char *)data + at, &value, is_half ? 4 : 8);
    }
}
