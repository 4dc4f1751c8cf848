/* What a process does that writes, stopped or killed after each of its instructions. */
#include "ends.h"
#include "stepping.h"

static char name[64];
static const ZincWaitOptions look = {.size = sizeof look};
static Writer childs;

static void put(Writer to) {
    ZincLoan loan;
    ZincMessageHead head = {.length = 16};
    if (zinc_writer_loan(to.it, &loan) != 0) _exit(1);
    volatile uint64_t *words = loan.data;
    words[0] = (uint64_t)rand();
    words[1] = words[0];
    if (zinc_writer_publish(to.it, &loan, &head, &look) != 0) _exit(2);
}

/* Two words are the same in each message that is whole. */
static int is_whole_at(const void *data, const ZincMessageHead *head) {
    const volatile uint64_t *words = data;
    return words[0] == words[1] && head->length == 16;
}

static void sit_to_write(void) {
    ZincLoan loan;
    if (open_writer(name, &childs) != 0) _exit(3);
    if (zinc_writer_loan(childs.it, &loan) != 0 || zinc_writer_discard(childs.it, &loan) != 0) _exit(4);
}

static void write_one(void) { put(childs); }
