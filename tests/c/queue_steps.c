/*
 * Stops or kills who takes, does, finishes, gives back, writes, cleans or closes in a queue in each
 * place that differs for the others, and looks what they get meanwhile: `queue_steps least` or
 * `queue_steps most` (once). Prints how many there were.
 */
#define _GNU_SOURCE
#include <zinc.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "stepping_writer.h"

enum { MESSAGES = 4, WRITERS = 3, WORKERS = 3, VIEWS = 2, DEAD = 2, MOST = 64 };

static Writer queue;
static Worker worker, childs_worker;
static int is_once;
static uint64_t before; /* the newest message of the trial before, of which all are done */

/* What the child says of the message that it has. */
static volatile struct {
    uint64_t took, finishing, finished;
} *child;

/* ---- what a process does */

static void sit_to_work(void) {
    if (open_worker(name, &childs_worker) != 0) fail();
}

static int is_whole(const ZincTask *task) { return is_whole_at(task->data, &task->head); }

static int take_one(ZincTask *task) {
    int32_t status = zinc_worker_take(childs_worker.it, task, &look);
    if (status == -ETIMEDOUT) return 0; /* others were quicker */
    if (status != 0) _exit(6);
    child->took = task->head.number;
    if (!is_whole(task)) _exit(7);
    return 1;
}

static void do_one(void) {
    ZincTask task;
    if (!take_one(&task)) return;
    child->finishing = task.head.number;
    if (zinc_worker_done(childs_worker.it, &task) != 0) _exit(8);
    child->finished = task.head.number;
}

static ZincTask childs_task;

static void sit_and_take(void) {
    sit_to_work();
    if (!take_one(&childs_task)) _exit(13);
}

static void finish_it(void) {
    child->finishing = childs_task.head.number;
    if (zinc_worker_finish(childs_worker.it, &childs_task) != 0) _exit(14);
    child->finished = childs_task.head.number;
    if (!is_whole(&childs_task)) _exit(15);
    if (zinc_worker_release(childs_worker.it, &childs_task) != 0) _exit(16);
}

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* And takes another one at once. */
static void give_it_back(void) {
    uint64_t begin = now(), given = child->took;
    if (zinc_worker_give_back(childs_worker.it, &childs_task) != 0) _exit(17);
    do_one();
    if (child->finished == given && now() - begin < 20000000) _exit(18); /* others come first so long */
}

/* With a loan, and two messages. */
static void take_and_die(void) {
    ZincLoan loan;
    ZincTask task;
    sit_to_write();
    sit_to_work();
    for (int i = 0; i < DEAD; i++)
        if (zinc_worker_take(childs_worker.it, &task, &look) != 0) _exit(9);
    if (zinc_writer_loan(childs.it, &loan) != 0) _exit(10);
    kill(getpid(), SIGKILL);
}

/* ---- what must hold */

static int is_handed[MOST];

/* Does all there is: nothing that is done, and what somebody was at work on only if it says so. */
static void do_all(void) {
    ZincTask task;
    while (zinc_worker_take(worker.it, &task, &look) == 0) {
        uint64_t number = task.head.number;
        check(is_whole(&task), "torn");
        check(number > before && number - before < MOST, "a number from nowhere");
        check(!is_handed[number - before]++, "handed out twice to one that lives");
        check(child->finished != number, "handed out again when it was done");
        check(task.redelivered || child->took != number, "handed out again, and does not say so");
        check(!task.redelivered || !is_once, "handed out again");
        check(zinc_worker_done(worker.it, &task) == 0, "not mine");
    }
}

static uint64_t newest(void) {
    ZincChannelInfo info = {.size = sizeof info};
    check(zinc_channel_examine(queue.region, &info) == 0, zinc_error_message());
    return info.newest;
}

/* The others go on, in a queue of which nothing is missing but what somebody was at work on. */
static void expect_all_is_well(int dead) {
    do_all();
    for (int i = 0; i < MESSAGES; i++) {
        put(queue);
        do_all();
    }
    int missing = 0;
    for (uint64_t number = before + 1; number <= newest(); number++) {
        if (is_handed[number - before] || child->finishing == number) continue;
        check(is_once, "lost");
        missing++;
    }
    check(missing <= dead, "lost more than who was killed had");
    check(zinc_queue_join(queue.region, &look) == 0, "something is left");
    ZincQueueInfo info = {.size = sizeof info};
    check(zinc_queue_examine(queue.region, &info) == 0, zinc_error_message());
    check(info.waiting == 0 && info.held == 0 && info.left == 0, "miscounted");
    ZincLoan loans[64];
    int count = 0;
    while (count < 64 && zinc_writer_loan(queue.it, &loans[count]) == 0) count++;
    check(count == MESSAGES + WRITERS + WORKERS * VIEWS, "a slot is lost, or is two's");
    for (int i = 0; i < count; i++) check(zinc_writer_discard(queue.it, &loans[i]) == 0, "not mine");
    before = newest();
    memset(is_handed, 0, sizeof is_handed);
    child->took = child->finishing = child->finished = 0;
}

/* ---- one trial each; false when there was nothing left to stop at */

static int kill_amid(void (*prepare)(void), void (*act)(void), int dead, int steps) {
    pid_t pid;
    for (int i = 0; i < DEAD; i++) put(queue);
    int is_stopped = start_stopped(prepare, act, steps, &pid);
    if (is_stopped) kill_and_reap(pid);
    expect_all_is_well(dead);
    return is_stopped;
}

static int worker_is_killed(int steps) { return kill_amid(sit_to_work, do_one, 1, steps); }
static int finisher_is_killed(int steps) { return kill_amid(sit_and_take, finish_it, 1, steps); }
static int giver_is_killed(int steps) { return kill_amid(sit_and_take, give_it_back, DEAD, steps); }

static int writer_is_killed(int steps) {
    pid_t pid;
    int is_stopped = start_stopped(sit_to_write, write_one, steps, &pid);
    if (is_stopped) kill_and_reap(pid);
    expect_all_is_well(0);
    return is_stopped;
}

/* Who finds nothing to do but what dead ones had. */
static int cleaner_is_killed(int steps) {
    pid_t pid;
    start_stopped(sit_to_work, do_one, 0, &pid);
    for (int i = 0; i < DEAD; i++) put(queue);
    waitpid(start(take_and_die), NULL, 0);
    int is_stopped = go_steps(pid, steps);
    if (is_stopped) kill_and_reap(pid);
    expect_all_is_well(DEAD);
    return is_stopped;
}

/* The others do not wait for one that is stopped, and what it has stays its own. */
static int stop_amid(void (*prepare)(void), void (*act)(void), int dead, int steps) {
    pid_t pid;
    for (int i = 0; i < DEAD; i++) put(queue);
    int is_stopped = start_stopped(prepare, act, steps, &pid);
    if (!is_stopped) {
        expect_all_is_well(dead);
        return 0;
    }
    for (int i = 0; i < 2 * MESSAGES; i++) {
        do_all();
        put(queue);
    }
    do_all();
    go_on(pid);
    uint64_t its = child->finished;
    check(!its || !is_handed[its - before], "done twice");
    expect_all_is_well(dead);
    return 1;
}

static int worker_is_stopped(int steps) { return stop_amid(sit_to_work, do_one, 0, steps); }
static int finisher_is_stopped(int steps) { return stop_amid(sit_and_take, finish_it, 0, steps); }
static int giver_is_stopped(int steps) { return stop_amid(sit_and_take, give_it_back, 1, steps); }

static int writer_is_stopped(int steps) {
    pid_t pid;
    int is_stopped = start_stopped(sit_to_write, write_one, steps, &pid);
    if (!is_stopped) {
        expect_all_is_well(0);
        return 0;
    }
    for (int i = 0; i < 2 * MESSAGES; i++) {
        put(queue);
        do_all();
    }
    go_on(pid);
    expect_all_is_well(0);
    return 1;
}

/* Each closes another queue, of which one message is left. */
static ZincHandle closing;

static void open_to_close(void) {
    char other[80];
    snprintf(other, sizeof other, "%s-closed", name);
    if (zinc_open(other, &closing) != 0) _exit(11);
}

static void close_it(void) {
    if (zinc_queue_close(closing) != 0) _exit(12);
}

static int closer_is_killed(int steps) {
    char other[80];
    snprintf(other, sizeof other, "%s-closed", name);
    ZincChannelOptions options = {
        .size = sizeof options, .payload = 16, .messages = 2, .flags = ZINC_QUEUE, .writers = 1};
    Writer writer;
    Worker its;
    pid_t pid;
    check(create_channel(other, &options, &writer) == 0, zinc_error_message());
    check(open_worker(other, &its) == 0, zinc_error_message());
    put(writer);
    int is_stopped = start_stopped(open_to_close, close_it, steps, &pid);
    if (is_stopped) kill_and_reap(pid);
    ZincLoan loan;
    ZincMessageHead head = {.length = 16};
    check(zinc_writer_loan(writer.it, &loan) == 0, zinc_error_message());
    int32_t status = zinc_writer_publish(writer.it, &loan, &head, &look);
    check(status == 0 || status == -EPIPE, "neither open nor closed");
    ZincTask task;
    for (int i = 0; i < (status == 0 ? 2 : 1); i++) {
        check(zinc_worker_take(its.it, &task, &look) == 0, "lost");
        check(zinc_worker_done(its.it, &task) == 0, "not mine");
    }
    check(zinc_worker_take(its.it, &task, &look) == (status == 0 ? -ETIMEDOUT : -EPIPE), "not told");
    close_worker(its);
    close_writer(writer);
    return is_stopped;
}

#define TRY(trial) try_places(#trial, trial, 1)

int main(int count, char **arguments) {
    stay_on_one_processor();
    setvbuf(stdout, NULL, _IOLBF, 0);
    is_once = count == 2 && strcmp(arguments[1], "most") == 0;
    child = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    snprintf(name, sizeof name, "queue-steps-%d", getpid());
    ZincChannelOptions options = {.size = sizeof options,
                                  .payload = 16,
                                  .messages = MESSAGES,
                                  .flags = ZINC_QUEUE | (is_once ? ZINC_QUEUE_AT_MOST_ONCE : 0),
                                  .writers = WRITERS,
                                  .readers = WORKERS,
                                  .views = VIEWS};
    check(create_channel(name, &options, &queue) == 0, zinc_error_message());
    check(open_worker(name, &worker) == 0, zinc_error_message());
    TRY(worker_is_killed);
    TRY(finisher_is_killed);
    TRY(giver_is_killed);
    TRY(writer_is_killed);
    try_places("cleaner_is_killed", cleaner_is_killed, 3); /* many steps, most of them in system calls */
    TRY(worker_is_stopped);
    TRY(finisher_is_stopped);
    TRY(giver_is_stopped);
    TRY(writer_is_stopped);
    TRY(closer_is_killed);
    close_worker(worker);
    close_writer(queue);
    return 0;
}
