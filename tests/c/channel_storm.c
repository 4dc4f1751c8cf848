/*
 * Writers and readers of one channel, of which one is killed every few milliseconds:
 * channel_storm NAME SECONDS MESSAGES PAYLOAD waits|overwrites WRITERS READERS. Prints what it saw,
 * and exits with 1 if a message was torn, came twice, out of order or was miscounted, or if a slot
 * was lost. Half the readers are slow, and all hold some messages for a while.
 */
#define _GNU_SOURCE
#include <zinc.h>

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>

#include "ends.h"
#include "storm.h"

enum { VIEWS = 8 };

static struct {
    atomic_ulong published, received, lost, torn, miscounted, refused, kills;
    atomic_int line;
} *seen;

static const char *name;
static uint64_t payload;
static int writers;

static void write_on(void) {
    Writer channel;
    CHECK(open_writer(name, &channel) == 0);
    for (uint64_t turn = 1;; turn++) {
        ZincLoan loan;
        int32_t status = zinc_writer_loan(channel.it, &loan);
        if (status == -ENOBUFS) {
            atomic_fetch_add(&seen->refused, 1);
            usleep(1000);
            continue;
        }
        CHECK(status == 0);
        uint64_t value = (uint64_t)getpid() << 40 | turn;
        for (uint64_t i = 0; i < payload / 8; i++) ((volatile uint64_t *)loan.data)[i] = value;
        ZincMessageHead head = {.length = payload, .tag = value};
        if (turn % 64 == 0) sched_yield();
        CHECK(zinc_writer_publish(channel.it, &loan, &head, NULL) == 0);
        atomic_fetch_add(&seen->published, 1);
    }
}

static int is_whole(const ZincMessage *message) { return has_all(message->data, payload, &message->head); }

static void read_on(int is_slow) {
    Reader reader;
    CHECK(open_reader(name, is_slow ? 16 : 0, &reader) == 0);
    ZincMessage held[VIEWS - 1];
    int is_held[VIEWS - 1] = {0};
    uint64_t first = zinc_reader_next(reader.it), received = 0, before = first - 1;
    for (int k = 0;; k = (k + 1) % (VIEWS - 1)) {
        if (is_held[k]) { /* one that was held for a while is still whole */
            if (!is_whole(&held[k])) atomic_fetch_add(&seen->torn, 1);
            zinc_reader_release(reader.it, &held[k]);
            is_held[k] = 0;
        }
        CHECK(zinc_reader_receive(reader.it, &held[k], NULL) == 0);
        is_held[k] = 1;
        received++;
        uint64_t number = held[k].head.number;
        if (number <= before || received + zinc_reader_lost(reader.it) != number - first + 1)
            atomic_fetch_add(&seen->miscounted, 1);
        before = number;
        if (!is_whole(&held[k])) atomic_fetch_add(&seen->torn, 1);
        atomic_fetch_add(&seen->received, 1);
        if (is_slow && received % 50 == 0) usleep(500);
    }
}

static pid_t start(int number) {
    pid_t pid = fork();
    if (pid == 0) {
        if (number < writers) write_on();
        read_on(number & 1);
    }
    return pid;
}

int main(int count, char **arguments) {
    if (count != 8) return 2;
    name = arguments[1];
    double seconds = atof(arguments[2]);
    payload = (uint64_t)atoll(arguments[4]);
    writers = atoi(arguments[6]);
    int all = writers + atoi(arguments[7]);
    seen = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ZincChannelOptions options = {.size = sizeof options,
                                  .payload = payload,
                                  .messages = (uint32_t)atoi(arguments[3]),
                                  .flags = arguments[5][0] == 'w' ? ZINC_CHANNEL_WAIT : 0,
                                  .writers = (uint32_t)writers + 2,
                                  .readers = (uint32_t)(all - writers) + 2,
                                  .views = VIEWS};
    Writer channel;
    CHECK(create_channel(name, &options, &channel) == 0);
    double worst = rage(seconds, all, start, &seen->line, &seen->kills, &seen->published);
    /* Nobody holds anything: as many can be had as there are, but for what is published. */
    unsigned loans = 0;
    ZincLoan loan;
    while (zinc_writer_loan(channel.it, &loan) == 0) loans++;
    uint32_t messages = 2;
    while (messages < options.messages) messages *= 2;
    unsigned expected = options.writers * 9 + options.readers * VIEWS;
    Reader reader;
    CHECK(open_reader(name, 0, &reader) == 0);
    uint64_t newest = zinc_reader_next(reader.it) - 1;
    expected += newest < messages ? messages - (uint32_t)newest : 0;
    unsigned leaked = expected - loans;
    printf("%s: %lu kills, %lu published (newest %lu), %lu received, %lu refused, longest silence %.1f ms; "
           "torn %lu, miscounted %lu, slots lost %u\n",
           arguments[5], seen->kills, seen->published, (unsigned long)newest, seen->received, seen->refused,
           worst * 1e3, seen->torn, seen->miscounted, leaked);
    close_reader(reader);
    close_writer(channel);
    return seen->torn || seen->miscounted || leaked || atomic_load(&seen->line) || seen->received == 0;
}
