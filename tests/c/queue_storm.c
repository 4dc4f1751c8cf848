/*
 * Writers and workers of one queue, of which one is killed every few milliseconds:
 * queue_storm NAME SECONDS MESSAGES PAYLOAD least|most WRITERS WORKERS. Prints what it saw, and exits
 * with 1 if a message was torn, lost, or done twice, came again without saying so, or came again
 * where it is done at most once; if one is stuck, or a slot was lost.
 */
#define _GNU_SOURCE
#include <zinc.h>

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>

#include "ends.h"
#include "storm.h"

enum { VIEWS = 8, LOANS = 1 };

/* What is known of each of the last messages, beside its number's upper part. */
enum { HANDED = 1, FINISHING = 2, DONE = 3, STATES = 4, KNOWN = 1 << 22 };

static struct {
    atomic_ulong published, taken, again, given, torn, twice, lost, unsaid, refused, kills;
    atomic_int line;
    atomic_uint known[KNOWN];
} *seen;

static const char *name;
static uint64_t payload;
static int writers;
static int is_once;

static unsigned knowledge(uint64_t number, unsigned state) {
    return (unsigned)(number / KNOWN) * STATES + state;
}

static void write_on(void) {
    Writer queue;
    CHECK(open_writer(name, &queue) == 0);
    for (uint64_t turn = 1;; turn++) {
        ZincLoan loan;
        int32_t status = zinc_writer_loan(queue.it, &loan);
        if (status == -ENOBUFS) {
            atomic_fetch_add(&seen->refused, 1);
            CHECK(zinc_writer_wait(queue.it, NULL) == 0);
            continue;
        }
        CHECK(status == 0);
        uint64_t value = (uint64_t)getpid() << 40 | turn;
        for (uint64_t i = 0; i < payload / 8; i++) ((volatile uint64_t *)loan.data)[i] = value;
        ZincMessageHead head = {.length = payload, .tag = value};
        if (turn % 64 == 0) sched_yield();
        CHECK(zinc_writer_publish(queue.it, &loan, &head, NULL) == 0);
        atomic_fetch_add(&seen->published, 1);
    }
}

/* How a task ends. */
enum { IS_DONE, FINISHES, GIVES_BACK };

static int is_whole(const ZincTask *task) { return has_all(task->data, payload, &task->head); }

/* Who had it before may have been killed before it said so here. */
static void begin_work(const ZincTask *task) {
    uint64_t number = task->head.number;
    unsigned last = atomic_exchange(&seen->known[number % KNOWN], knowledge(number, HANDED));
    if (last / STATES == number / KNOWN && last % STATES != 0) {
        if (last % STATES == DONE || is_once) atomic_fetch_add(&seen->twice, 1);
        if (!task->redelivered) atomic_fetch_add(&seen->unsaid, 1);
    } else if (!is_once && number > KNOWN && last % STATES < FINISHING) {
        atomic_fetch_add(&seen->lost, 1);
    }
    if (task->redelivered) atomic_fetch_add(&seen->again, 1);
    if (!is_whole(task)) atomic_fetch_add(&seen->torn, 1);
    atomic_fetch_add(&seen->taken, 1);
}

static void finish_work(Worker worker, const ZincTask *task, int how) {
    uint64_t number = task->head.number;
    if (!is_whole(task)) atomic_fetch_add(&seen->torn, 1);
    if (how == GIVES_BACK && !is_once) {
        CHECK(zinc_worker_give_back(worker.it, task) == 0);
        atomic_fetch_add(&seen->given, 1);
        return;
    }
    atomic_store(&seen->known[number % KNOWN], knowledge(number, FINISHING));
    if (how == GIVES_BACK)
        CHECK(zinc_worker_give_back(worker.it, task) == 0);
    else if (how == FINISHES)
        CHECK(zinc_worker_finish(worker.it, task) == 0);
    else
        CHECK(zinc_worker_done(worker.it, task) == 0);
    atomic_store(&seen->known[number % KNOWN], knowledge(number, DONE));
    if (how != FINISHES) return;
    if (!is_whole(task)) atomic_fetch_add(&seen->torn, 1);
    CHECK(zinc_worker_release(worker.it, task) == 0);
}

static void work_on(int is_slow) {
    Worker worker;
    CHECK(open_worker(name, &worker) == 0);
    ZincTask held[VIEWS - 1];
    int is_held[VIEWS - 1] = {0};
    uint64_t count = 0;
    for (int k = 0;; k = (k + 1) % (VIEWS - 1)) {
        if (is_held[k]) finish_work(worker, &held[k], count % 16 == 5 ? GIVES_BACK : (int)(count % 2));
        CHECK(zinc_worker_take(worker.it, &held[k], NULL) == 0);
        is_held[k] = 1;
        begin_work(&held[k]);
        if (++count % 50 == 0 && is_slow) usleep(500);
    }
}

static pid_t start(int number) {
    pid_t pid = fork();
    if (pid == 0) {
        if (number < writers) write_on();
        work_on(number & 1);
    }
    return pid;
}

int main(int count, char **arguments) {
    if (count != 8) return 2;
    name = arguments[1];
    double seconds = atof(arguments[2]);
    payload = (uint64_t)atoll(arguments[4]);
    is_once = arguments[5][0] == 'm';
    writers = atoi(arguments[6]);
    int all = writers + atoi(arguments[7]);
    seen = mmap(NULL, sizeof *seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ZincChannelOptions options = {.size = sizeof options,
                                  .payload = payload,
                                  .messages = (uint32_t)atoi(arguments[3]),
                                  .flags = ZINC_QUEUE | (is_once ? ZINC_QUEUE_AT_MOST_ONCE : 0),
                                  .writers = (uint32_t)writers + 2,
                                  .loans = LOANS,
                                  .readers = (uint32_t)(all - writers) + 2,
                                  .views = VIEWS};
    Writer queue;
    CHECK(create_channel(name, &options, &queue) == 0);
    double worst = rage(seconds, all, start, &seen->line, &seen->kills, &seen->taken);
    /* One does all that is left; then nobody holds anything. */
    Worker worker;
    ZincTask task;
    const ZincWaitOptions look = {.size = sizeof look};
    CHECK(open_worker(name, &worker) == 0);
    while (zinc_worker_take(worker.it, &task, &look) == 0) {
        begin_work(&task);
        finish_work(worker, &task, IS_DONE);
    }
    int is_stuck = zinc_queue_join(queue.region, &look) != 0;
    ZincChannelInfo info = {.size = sizeof info};
    CHECK(zinc_channel_examine(queue.region, &info) == 0);
    unsigned long unknown = 0;
    for (uint64_t n = info.newest > KNOWN ? info.newest - KNOWN + 1 : 1; n <= info.newest; n++) {
        unsigned known = atomic_load(&seen->known[n % KNOWN]);
        unknown += known < knowledge(n, FINISHING) || known / STATES != n / KNOWN;
    }
    if (!is_once)
        seen->lost += unknown;
    else if (unknown > seen->kills * VIEWS + (unsigned)all * VIEWS)
        seen->lost += unknown;
    unsigned loans = 0;
    ZincLoan loan;
    while (zinc_writer_loan(queue.it, &loan) == 0) loans++;
    unsigned leaked = info.slots - loans;
    printf("%s: %lu kills, %lu published (newest %lu), %lu taken, %lu of them again, %lu given back, %lu not "
           "done, %lu refused, "
           "longest silence %.1f ms; torn %lu, twice %lu, lost %lu, unsaid %lu, stuck %d, slots lost %u\n",
           arguments[5], seen->kills, seen->published, (unsigned long)info.newest, seen->taken, seen->again,
           seen->given, unknown, seen->refused, worst * 1e3, seen->torn, seen->twice, seen->lost,
           seen->unsaid, is_stuck, leaked);
    close_worker(worker);
    close_writer(queue);
    return seen->torn || seen->twice || seen->lost || seen->unsaid || is_stuck || leaked ||
           atomic_load(&seen->line) || seen->taken == 0;
}
