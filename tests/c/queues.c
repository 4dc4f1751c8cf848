/*
 * Queues from C, with forked processes that are killed: queues NAME. Prints what does not hold and
 * exits with 1. The watchdog is the caller's.
 */
#define _GNU_SOURCE
#include <zinc.h>

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ends.h"
#include "expect.h"
#include "scribble.h"

enum { MESSAGES = 4, VIEWS = 3, LOANS = 2, WRITERS = 2, WORKERS = 2 };
enum { SLOTS = MESSAGES + WRITERS * LOANS + WORKERS * VIEWS };

static char name[200];

static Writer create_for(uint32_t messages, uint32_t flags) {
    ZincChannelOptions options = {.size = sizeof options,
                                  .payload = 64,
                                  .messages = messages,
                                  .flags = ZINC_QUEUE | flags,
                                  .writers = WRITERS,
                                  .loans = LOANS,
                                  .readers = WORKERS,
                                  .views = VIEWS};
    Writer queue;
    EXPECT(create_channel(name, &options, &queue) == 0);
    return queue;
}

static Writer create(uint32_t flags) { return create_for(MESSAGES, flags); }

static Worker work(void) {
    Worker worker;
    EXPECT(open_worker(name, &worker) == 0);
    return worker;
}

static int32_t put_for(Writer queue, uint64_t value, const ZincWaitOptions *wait) {
    ZincLoan loan;
    ZincMessageHead head = {.length = 8, .tag = value + 1};
    int32_t status = zinc_writer_loan(queue.it, &loan);
    if (status < 0) return status;
    memcpy(loan.data, &value, 8);
    status = zinc_writer_publish(queue.it, &loan, &head, wait);
    if (status < 0) EXPECT(zinc_writer_discard(queue.it, &loan) == 0);
    return status;
}

static void put(Writer queue, uint64_t value) { EXPECT(put_for(queue, value, NULL) == 0); }

static uint64_t value_of(const ZincTask *task) {
    uint64_t value;
    memcpy(&value, task->data, 8);
    EXPECT(task->head.length == 8 && task->head.tag == value + 1);
    return value;
}

static ZincTask take(Worker worker) {
    ZincTask task = {0};
    EXPECT(zinc_worker_take(worker.it, &task, NULL) == 0);
    return task;
}

/* The value of the next message, which is done at once; else the error. */
static int64_t next_of(Worker worker) {
    ZincTask task;
    int32_t status = zinc_worker_take(worker.it, &task, &look);
    if (status < 0) return status;
    EXPECT(zinc_worker_done(worker.it, &task) == 0);
    return (int64_t)value_of(&task);
}

static void expect_counts(ZincHandle queue, uint64_t waiting, uint64_t held, uint64_t left) {
    ZincQueueInfo info = {.size = sizeof info};
    EXPECT(zinc_queue_examine(queue, &info) == 0);
    EXPECT(info.waiting == waiting && info.held == held && info.left == left);
}

/* Nobody holds any: each slot but those of what waits can be had. */
static void expect_all_slots(Writer queue, unsigned waiting) {
    ZincLoan loans[64];
    unsigned count = 0;
    while (count < 64 && zinc_writer_loan(queue.it, &loans[count]) == 0) count++;
    EXPECT(count == MESSAGES + WRITERS * LOANS + WORKERS * VIEWS - waiting);
    for (unsigned i = 0; i < count; i++) EXPECT(zinc_writer_discard(queue.it, &loans[i]) == 0);
}

static int exit_of(pid_t child) {
    int status;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void die(void) { kill(getpid(), failures ? SIGABRT : SIGKILL); }

static void expect_killed(pid_t child) {
    int status;
    waitpid(child, &status, 0);
    EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* Takes so many, and is killed. */
static void die_at_work(int count) {
    pid_t child = fork();
    if (child == 0) {
        Worker own = work();
        for (int i = 0; i < count; i++) take(own);
        die();
    }
    expect_killed(child);
}

static unsigned place_of(ZincHandle queue, uint64_t number) {
    uint32_t state = 99;
    EXPECT(zinc_queue_find(queue, number, &state) == 0);
    return state;
}

static void each_goes_to_one(void) {
    Writer queue = create(0);
    EXPECT(zinc_region_kind(queue.region) == ZINC_CHANNEL);
    Worker one = work(), other = work();
    EXPECT(next_of(one) == -ETIMEDOUT);
    for (uint64_t i = 1; i <= MESSAGES; i++) put(queue, i);
    EXPECT(put_for(queue, 5, &look) == -ETIMEDOUT); /* what waits is in nobody's way but the writers' */
    ZincWaitOptions soon = in(30);
    EXPECT(put_for(queue, 5, &soon) == -ETIMEDOUT);
    ZincTask first = take(one), second = take(other);
    EXPECT(value_of(&first) == 1 && value_of(&second) == 2 && !first.redelivered);
    expect_counts(queue.region, 2, 2, 0);
    put(queue, 5);
    EXPECT(next_of(one) == 3 && next_of(other) == 4 && next_of(one) == 5 && next_of(other) == -ETIMEDOUT);
    for (uint64_t i = 6; i <= 1000; i++) {
        put(queue, i);
        EXPECT(next_of(i % 3 ? one : other) == (int64_t)i);
    }
    /* Who is at work has it as it was, and says once that it is done. */
    EXPECT(value_of(&first) == 1 && value_of(&second) == 2);
    EXPECT(zinc_worker_done(other.it, &first) == -EINVAL);
    EXPECT(zinc_worker_done(one.it, &first) == 0 && zinc_worker_done(one.it, &first) == -EINVAL);
    ZincTask wrong = second;
    wrong.slot = 1000000;
    EXPECT(zinc_worker_done(other.it, &wrong) == -EINVAL);
    wrong = second;
    wrong.head.number++;
    EXPECT(zinc_worker_done(other.it, &wrong) == -EINVAL);
    EXPECT(zinc_worker_done(other.it, &second) == 0);
    expect_counts(queue.region, 0, 0, 0);
    expect_all_slots(queue, 0);

    /* As many at once as it may. */
    ZincTask tasks[VIEWS], more;
    for (uint64_t i = 1; i <= VIEWS + 1; i++) put(queue, i);
    for (int i = 0; i < VIEWS; i++) tasks[i] = take(one);
    EXPECT(zinc_worker_take(one.it, &more, &look) == -ENOBUFS);
    EXPECT(next_of(other) == VIEWS + 1);
    for (int i = 0; i < VIEWS; i++) EXPECT(zinc_worker_done(one.it, &tasks[i]) == 0);

    /* One end a handle, of queues alone, and no reader of a queue. */
    ZincWorker second_end = &failures;
    EXPECT(zinc_worker_begin(queue.region, &second_end) == -EBUSY && second_end == NULL);
    EXPECT(zinc_worker_begin(NULL, &second_end) == -EINVAL);
    EXPECT(zinc_worker_begin(one.region, NULL) == -EINVAL);
    ZincHandle handle;
    ZincReader reader;
    EXPECT(zinc_open(name, &handle) == 0);
    EXPECT(zinc_reader_begin(handle, 0, &reader) == -EINVAL);
    zinc_close(handle);
    ZincChannelOptions options = {.size = sizeof options, .payload = 8, .messages = 4};
    ZincQueueInfo info = {.size = sizeof info};
    EXPECT(zinc_channel_create_anonymous(&options, NULL, &handle) == 0);
    EXPECT(zinc_worker_begin(handle, &second_end) == -EBADMSG);
    EXPECT(zinc_queue_examine(handle, &info) == -EBADMSG);
    EXPECT(zinc_queue_close(handle) == -EBADMSG && zinc_queue_join(handle, NULL) == -EBADMSG);
    zinc_close(handle);
    options.flags = ZINC_QUEUE_AT_MOST_ONCE; /* of a queue alone */
    EXPECT(zinc_channel_create_anonymous(&options, NULL, &handle) == -EINVAL);
    options.flags = ZINC_QUEUE;
    options.views = 1025;
    EXPECT(zinc_channel_create_anonymous(&options, NULL, &handle) == -EINVAL);
    options.views = 1024;
    EXPECT(zinc_channel_create_anonymous(&options, NULL, &handle) == 0);
    EXPECT(zinc_worker_begin(handle, &second_end) == 0);
    zinc_worker_end(second_end);
    zinc_close(handle);
    EXPECT(zinc_queue_examine(queue.region, NULL) == -EINVAL);
    EXPECT(zinc_worker_take(NULL, &more, NULL) == -EINVAL && zinc_worker_take(one.it, NULL, NULL) == -EINVAL);
    EXPECT(zinc_worker_done(one.it, NULL) == -EINVAL && zinc_worker_done(NULL, &more) == -EINVAL);
    ZincChannelInfo channel = {.size = sizeof channel};
    EXPECT(zinc_channel_examine(queue.region, &channel) == 0);
    EXPECT(channel.flags == (ZINC_CHANNEL_WAIT | ZINC_QUEUE));
    close_worker(one);
    close_worker(other);
    close_writer(queue);
}

/* As many wait as it was made for, whatever that is. */
static void exactly_so_many(void) {
    for (uint32_t messages = 1; messages <= 9; messages++) {
        Writer queue = create_for(messages, 0);
        Worker worker = work();
        ZincChannelInfo info = {.size = sizeof info};
        EXPECT(zinc_channel_examine(queue.region, &info) == 0 && info.messages == messages);
        uint64_t written = 0;
        for (int round = 0; round < 20; round++) {
            while (put_for(queue, written + 1, &look) == 0) written++;
            EXPECT(written == messages + (uint64_t)round);
            EXPECT(zinc_writer_wait(queue.it, &look) == -ETIMEDOUT);
            expect_counts(queue.region, messages, 0, 0);
            EXPECT(next_of(worker) == round + 1);
            EXPECT(zinc_writer_wait(queue.it, &look) == 0);
        }
        while (next_of(worker) > 0) continue;
        close_worker(worker);
        close_writer(queue);
    }
}

/* What is finished is done for all, and stays as it is until it is released. */
static void finished_before_it_is_released(void) {
    for (uint32_t flags = 0; flags <= ZINC_QUEUE_AT_MOST_ONCE; flags += ZINC_QUEUE_AT_MOST_ONCE) {
        Writer queue = create(flags);
        Worker one = work(), other = work();
        ZincTask tasks[VIEWS], more;
        for (uint64_t i = 0; i < VIEWS; i++) {
            put(queue, i);
            tasks[i] = take(one);
            EXPECT(zinc_worker_release(one.it, &tasks[i]) == -EINVAL); /* it is at work */
            EXPECT(zinc_worker_finish(other.it, &tasks[i]) == -EINVAL);
            EXPECT(place_of(queue.region, i + 1) == ZINC_TASK_HELD);
            EXPECT(zinc_worker_finish(one.it, &tasks[i]) == 0);
            EXPECT(place_of(queue.region, i + 1) == ZINC_TASK_GONE);
            EXPECT(zinc_worker_finish(one.it, &tasks[i]) == -EINVAL);
            EXPECT(zinc_worker_done(one.it, &tasks[i]) == -EINVAL);
            EXPECT(zinc_worker_give_back(one.it, &tasks[i]) == -EINVAL);
            EXPECT(zinc_worker_release(other.it, &tasks[i]) == -EINVAL);
        }
        EXPECT(zinc_queue_join(queue.region, &look) == 0);
        expect_counts(queue.region, 0, 0, 0);
        /* They count as held, and no writer gets their slots. */
        put(queue, 10);
        EXPECT(zinc_worker_take(one.it, &more, &look) == -ENOBUFS);
        EXPECT(next_of(other) == 10);
        for (uint64_t i = 0; i < 100; i++) {
            put(queue, 100 + i);
            EXPECT(next_of(other) == (int64_t)(100 + i));
        }
        pid_t child = fork(); /* which holds nothing */
        if (child == 0) {
            EXPECT(zinc_worker_release(one.it, &tasks[0]) == -EINVAL);
            _exit(failures);
        }
        EXPECT(exit_of(child) == 0);
        for (uint64_t i = 0; i < VIEWS; i++) EXPECT(value_of(&tasks[i]) == i);
        ZincTask wrong = tasks[0];
        wrong.slot = 1000000;
        EXPECT(zinc_worker_release(one.it, &wrong) == -EINVAL);
        wrong = tasks[0];
        wrong.head.number++;
        EXPECT(zinc_worker_release(one.it, &wrong) == -EINVAL);
        EXPECT(zinc_worker_release(NULL, &wrong) == -EINVAL);
        EXPECT(zinc_worker_release(one.it, NULL) == -EINVAL);
        EXPECT(zinc_worker_release(one.it, &tasks[0]) == 0);
        EXPECT(zinc_worker_release(one.it, &tasks[0]) == -EINVAL);
        put(queue, 20);
        more = take(one);
        EXPECT(zinc_worker_finish(one.it, &more) == 0);
        EXPECT(zinc_worker_release(one.it, &tasks[0]) == -EINVAL); /* another one is there, or none */
        EXPECT(value_of(&more) == 20 && zinc_worker_release(one.it, &more) == 0);
        /* Nobody gets it again of who is killed, nor is its slot lost. */
        put(queue, 30);
        child = fork();
        if (child == 0) {
            Worker own = work();
            ZincTask task = take(own);
            EXPECT(zinc_worker_finish(own.it, &task) == 0);
            die();
        }
        expect_killed(child);
        EXPECT(zinc_queue_join(queue.region, NULL) == 0 && next_of(other) == -ETIMEDOUT);
        /* Who ends releases. */
        close_worker(one);
        expect_all_slots(queue, 0);
        close_worker(other);
        close_writer(queue);
    }
}

static ZincWorker shared_worker;

static void *wait_and_take(void *value) {
    ZincWaitOptions for_long = in(20000);
    EXPECT(zinc_worker_wait(shared_worker, &for_long) == 0);
    ZincTask task;
    EXPECT(zinc_worker_take(shared_worker, &task, &look) == 0);
    *(uint64_t *)value = value_of(&task);
    EXPECT(zinc_worker_done(shared_worker, &task) == 0);
    return NULL;
}

/* What is given back comes to others, and at last to who gave it. */
static void given_back(void) {
    Writer queue = create(0);
    Worker one = work(), other = work();
    put(queue, 1);
    put(queue, 2);
    ZincTask task = take(one);
    EXPECT(zinc_worker_give_back(other.it, &task) == -EINVAL);
    EXPECT(zinc_worker_give_back(one.it, &task) == 0);
    EXPECT(zinc_worker_give_back(one.it, &task) == -EINVAL && zinc_worker_done(one.it, &task) == -EINVAL);
    expect_counts(queue.region, 1, 0, 1);
    EXPECT(place_of(queue.region, 1) == ZINC_TASK_LEFT && place_of(queue.region, 2) == ZINC_TASK_WAITS);
    EXPECT(next_of(one) == 2); /* not the same once more */
    task = take(other);
    EXPECT(value_of(&task) == 1 && task.head.number == 1 && task.redelivered == 1);
    EXPECT(zinc_worker_done(other.it, &task) == 0);

    /* Who waits is told, and comes before who gave it, however soon that one comes back. */
    for (uint64_t i = 10; i < 15; i++) {
        put(queue, i);
        task = take(one);
        shared_worker = other.it;
        pthread_t thread;
        uint64_t value = 0;
        EXPECT(pthread_create(&thread, NULL, wait_and_take, &value) == 0);
        EXPECT(zinc_worker_give_back(one.it, &task) == 0);
        ZincTask again;
        EXPECT(zinc_worker_take(one.it, &again, &look) == -ETIMEDOUT);
        pthread_join(thread, NULL);
        EXPECT(value == i);
    }
    /* Where there is no other it comes again, and none of several is forgotten. */
    put(queue, 20);
    put(queue, 21);
    int seen[2] = {0};
    for (int i = 0; i < 12; i++) {
        EXPECT(zinc_worker_wait(one.it, NULL) == 0);
        task = take(one);
        seen[value_of(&task) - 20]++;
        EXPECT(task.redelivered == (uint32_t)(i < 2 ? 0 : i / 2));
        EXPECT(zinc_worker_give_back(one.it, &task) == 0);
    }
    EXPECT(seen[0] == 6 && seen[1] == 6);
    /* Who gives all back leaves the writers their slots. */
    for (uint64_t i = 30; i < 130; i++) {
        int32_t status = put_for(queue, i, &look);
        EXPECT(status == 0 || status == -ETIMEDOUT);
        if (zinc_worker_take(one.it, &task, &look) == 0) EXPECT(zinc_worker_give_back(one.it, &task) == 0);
    }
    while (zinc_queue_join(queue.region, &look) != 0) (void)next_of(one);
    put(queue, 20);
    put(queue, 21);
    /* One who dies after that leaves nothing more. */
    pid_t child = fork();
    if (child == 0) {
        Worker own = work();
        task = take(own);
        EXPECT(zinc_worker_give_back(own.it, &task) == 0);
        die();
    }
    expect_killed(child);
    expect_counts(queue.region, 1, 0, 1);
    /* A closed queue has not ended while something is left, not for who is at work either. */
    EXPECT(zinc_queue_close(queue.region) == 0);
    task = take(one);
    ZincTask last = take(one);
    EXPECT(zinc_worker_give_back(one.it, &last) == 0);
    EXPECT(zinc_worker_take(one.it, &last, NULL) == 0 && zinc_worker_take(one.it, &last, &look) == -EPIPE);
    EXPECT(zinc_worker_done(one.it, &last) == 0 && zinc_worker_done(one.it, &task) == 0);
    EXPECT(next_of(one) == -EPIPE);
    expect_all_slots(queue, 0);
    close_worker(one);
    close_worker(other);
    close_writer(queue);

    queue = create(ZINC_QUEUE_AT_MOST_ONCE);
    one = work();
    put(queue, 1);
    task = take(one);
    EXPECT(zinc_worker_give_back(one.it, &task) == 0);
    EXPECT(zinc_queue_join(queue.region, &look) == 0 && place_of(queue.region, 1) == ZINC_TASK_GONE);
    EXPECT(next_of(one) == -ETIMEDOUT);
    expect_all_slots(queue, 0);
    close_worker(one);
    close_writer(queue);
}

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

static void *take_all(void *sum) {
    int64_t value = 0;
    while (value != -EPIPE && zinc_worker_wait(shared_worker, NULL) == 0) {
        pthread_mutex_lock(&turn);
        value = next_of((Worker){.it = shared_worker});
        if (value > 0) *(uint64_t *)sum += (uint64_t)value;
        pthread_mutex_unlock(&turn);
        EXPECT(value > 0 || value == -ETIMEDOUT || value == -EPIPE);
    }
    EXPECT(value == -EPIPE);
    return NULL;
}

/* Threads that wait for one worker, of which each takes. */
static void threads_wait_for_one_worker(void) {
    enum { THREADS = 4 };
    Writer queue = create(0);
    Worker worker = work();
    EXPECT(zinc_worker_wait(worker.it, &look) == -ETIMEDOUT);
    ZincWaitOptions soon = in(30);
    EXPECT(zinc_worker_wait(worker.it, &soon) == -ETIMEDOUT);
    EXPECT(zinc_worker_wait(NULL, NULL) == -EINVAL);
    put(queue, 1);
    EXPECT(zinc_worker_wait(worker.it, &look) == 0 && next_of(worker) == 1);
    put(queue, 2);
    die_at_work(1);
    EXPECT(zinc_worker_wait(worker.it, NULL) == 0 && next_of(worker) == 2); /* it looks who has died */
    pid_t child = fork();
    if (child == 0) { /* which has looked for nothing yet */
        EXPECT(zinc_worker_wait(worker.it, &look) == 0 && next_of(worker) == -ETIMEDOUT);
        EXPECT(zinc_worker_wait(worker.it, &look) == -ETIMEDOUT);
        _exit(failures);
    }
    EXPECT(exit_of(child) == 0);
    (void)next_of(worker);

    shared_worker = worker.it;
    uint64_t sum = 0;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) EXPECT(pthread_create(&threads[i], NULL, take_all, &sum) == 0);
    for (uint64_t i = 1; i <= 2000; i++) put(queue, i);
    EXPECT(zinc_queue_close(queue.region) == 0);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    EXPECT(sum == 2000 * 2001 / 2);
    close_worker(worker);
    close_writer(queue);
}

/* Where is a message? */
static void found_by_its_number(void) {
    Writer queue = create(0);
    uint32_t state = 99;
    EXPECT(zinc_queue_find(queue.region, 1, &state) == -EINVAL && state == 99);
    put(queue, 1);
    EXPECT(zinc_queue_find(queue.region, 0, &state) == -EINVAL);
    EXPECT(zinc_queue_find(queue.region, 2, &state) == -EINVAL);
    EXPECT(zinc_queue_find(NULL, 1, &state) == -EINVAL && zinc_queue_find(queue.region, 1, NULL) == -EINVAL);
    EXPECT(place_of(queue.region, 1) == ZINC_TASK_WAITS);
    Worker worker = work();
    ZincTask first = take(worker);
    for (uint64_t i = 2; i <= 50; i++) { /* whatever stands at its place */
        EXPECT(place_of(queue.region, 1) == ZINC_TASK_HELD);
        put(queue, i);
        EXPECT(place_of(queue.region, i) == ZINC_TASK_WAITS);
        EXPECT(next_of(worker) == (int64_t)i && place_of(queue.region, i) == ZINC_TASK_GONE);
    }
    EXPECT(zinc_worker_done(worker.it, &first) == 0 && place_of(queue.region, 1) == ZINC_TASK_GONE);
    put(queue, 51);
    die_at_work(1);
    EXPECT(place_of(queue.region, 51) == ZINC_TASK_LEFT); /* nobody has looked who has died */
    EXPECT(next_of(worker) == 51 && place_of(queue.region, 51) == ZINC_TASK_GONE);
    close_worker(worker);
    close_writer(queue);
    queue = create(ZINC_QUEUE_AT_MOST_ONCE);
    put(queue, 1);
    die_at_work(1);
    EXPECT(place_of(queue.region, 1) == ZINC_TASK_LEFT);
    EXPECT(zinc_queue_join(queue.region, NULL) == 0 && place_of(queue.region, 1) == ZINC_TASK_GONE);
    close_writer(queue);
    ZincChannelOptions options = {.size = sizeof options, .payload = 8, .messages = 4};
    ZincHandle handle;
    EXPECT(zinc_channel_create_anonymous(&options, NULL, &handle) == 0);
    EXPECT(zinc_queue_find(handle, 1, &state) == -EBADMSG);
    zinc_close(handle);
}

/* Who waits for the end and neither writes nor works clears the dead away, and goes on without a seat. */
static void joins_without_a_seat(void) {
    Writer queue = create(ZINC_QUEUE_AT_MOST_ONCE);
    ZincHandle handle;
    EXPECT(zinc_open(name, &handle) == 0);
    for (int i = 0; i < 3; i++) {
        put(queue, 1);
        die_at_work(1);
        EXPECT(zinc_queue_join(handle, i == 0 ? &look : NULL) == 0);
    }
    put(queue, 2);
    Worker worker;
    worker.region = handle;
    EXPECT(zinc_worker_begin(handle, &worker.it) == 0 && next_of(worker) == 2);
    close_worker(worker);
    close_writer(queue);
}

/* Who waits for room gets the first there is. */
static void room(void) {
    Writer queue = create(0);
    Worker worker = work();
    for (uint64_t i = 1; i <= MESSAGES; i++) put(queue, i);
    EXPECT(zinc_writer_wait(queue.it, &look) == -ETIMEDOUT);
    ZincTask first = take(worker); /* its place is free, and it is at work on it */
    EXPECT(zinc_writer_wait(queue.it, &look) == 0);
    put(queue, MESSAGES + 1);
    EXPECT(zinc_worker_done(worker.it, &first) == 0);
    for (uint64_t i = MESSAGES + 2; i <= 100; i++) {
        pid_t writer = fork();
        if (writer == 0) {
            put(queue, i);
            _exit(failures);
        }
        if (i % 8 == 0) usleep(1000); /* so that it is asleep, sometimes */
        EXPECT(next_of(worker) == (int64_t)i - MESSAGES);
        EXPECT(exit_of(writer) == 0);
    }
    close_worker(worker);
    close_writer(queue);
}

static sigjmp_buf back;
static void jump(int signal) { siglongjmp(back, signal); }

static void nobody_writes_to_what_is_taken(void) {
    Writer queue = create(0);
    Worker worker = work();
    put(queue, 1);
    ZincTask task = take(worker);
    signal(SIGSEGV, jump);
    int caught = sigsetjmp(back, 1);
    if (caught == 0) *(volatile char *)task.data = 1;
    EXPECT(caught == SIGSEGV);
    signal(SIGSEGV, SIG_DFL);
    close_worker(worker);
    close_writer(queue);
}

/* What somebody was at work on who was killed comes again, with its number, and is told so. */
static void at_least_once(void) {
    Writer queue = create(0);
    for (uint64_t i = 1; i <= MESSAGES; i++) put(queue, i);
    die_at_work(2);
    expect_counts(queue.region, 2, 2, 0);
    put(queue, 5);
    put(queue, 6);
    EXPECT(put_for(queue, 7, &look) == -ETIMEDOUT); /* a full ring keeps nothing from coming again */
    Worker worker = work();
    for (uint64_t i = 1; i <= 2; i++) {
        ZincTask task = take(worker);
        EXPECT(value_of(&task) == i && task.head.number == i && task.redelivered == 1);
        EXPECT(zinc_worker_done(worker.it, &task) == 0);
    }
    for (int64_t i = 3; i <= 6; i++) EXPECT(next_of(worker) == i);
    EXPECT(next_of(worker) == -ETIMEDOUT);
    /* One that kills all who take it. */
    put(queue, 7);
    for (int i = 0; i < 9; i++) die_at_work(1);
    ZincTask task = take(worker);
    EXPECT(value_of(&task) == 7 && task.redelivered == 7);
    EXPECT(zinc_worker_done(worker.it, &task) == 0);
    /* Who ends leaves what it has not done. */
    put(queue, 8);
    take(worker);
    close_worker(worker);
    worker = work();
    task = take(worker);
    EXPECT(value_of(&task) == 8 && task.redelivered == 1);
    /* Who waits for one gets what is left meanwhile. */
    put(queue, 9);
    pid_t child = fork();
    if (child == 0) {
        Worker own = work();
        take(own);
        EXPECT(zinc_queue_examine(own.region, NULL) == -EINVAL);
        usleep(30000); /* so that the other one is asleep, most times */
        kill(getpid(), SIGKILL);
    }
    do {
        ZincQueueInfo info = {.size = sizeof info};
        EXPECT(zinc_queue_examine(queue.region, &info) == 0);
        if (info.waiting == 0) break;
    } while (usleep(100) == 0);
    ZincTask again = take(worker);
    EXPECT(value_of(&again) == 9 && again.redelivered == 1);
    EXPECT(exit_of(child) == -1);
    EXPECT(zinc_worker_done(worker.it, &again) == 0 && zinc_worker_done(worker.it, &task) == 0);
    expect_all_slots(queue, 0);
    close_worker(worker);
    close_writer(queue);
}

static void at_most_once(void) {
    Writer queue = create(ZINC_QUEUE_AT_MOST_ONCE);
    for (uint64_t i = 1; i <= MESSAGES; i++) put(queue, i);
    die_at_work(2);
    Worker worker = work();
    EXPECT(next_of(worker) == 3 && next_of(worker) == 4 && next_of(worker) == -ETIMEDOUT);
    put(queue, 5);
    die_at_work(1);
    EXPECT(zinc_queue_join(queue.region, NULL) == 0); /* nobody will do it any more */
    EXPECT(next_of(worker) == -ETIMEDOUT);
    expect_counts(queue.region, 0, 0, 0);
    expect_all_slots(queue, 0);
    close_worker(worker);
    close_writer(queue);
}

static void stopped_and_forked(void) {
    Writer queue = create(0);
    put(queue, 1);
    pid_t child = fork();
    if (child == 0) {
        Worker own = work();
        ZincTask task = take(own);
        kill(getpid(), SIGSTOP);
        EXPECT(zinc_worker_done(own.it, &task) == 0);
        _exit(failures);
    }
    int status;
    waitpid(child, &status, WUNTRACED);
    EXPECT(WIFSTOPPED(status));
    Worker worker = work();
    ZincWaitOptions soon = in(50);
    ZincTask task;
    EXPECT(zinc_worker_take(worker.it, &task, &soon) == -ETIMEDOUT); /* it is the stopped one's */
    kill(child, SIGCONT);
    EXPECT(exit_of(child) == 0);
    EXPECT(zinc_queue_join(queue.region, NULL) == 0);

    put(queue, 2);
    task = take(worker);
    child = fork();
    if (child == 0) {
        EXPECT(zinc_worker_done(worker.it, &task) == -EINVAL);
        put(queue, 3);
        EXPECT(next_of(worker) == 3);
        EXPECT(zinc_worker_done(worker.it, &task) == -EINVAL);
        _exit(failures);
    }
    EXPECT(exit_of(child) == 0);
    expect_counts(queue.region, 0, 1, 0);
    EXPECT(zinc_worker_done(worker.it, &task) == 0);
    close_worker(worker);
    close_writer(queue);
}

static void note_worker(const ZincChannelUser *user, void *context) {
    ZincChannelUser *found = context;
    if (user->seat.role == ZINC_SEAT_WORKS) *found = *user;
}

static void who_is_at_work(void) {
    Writer queue = create(0);
    Worker worker = work();
    for (uint64_t i = 1; i <= 3; i++) put(queue, i);
    take(worker);
    take(worker);
    ZincChannelUser here = {0}, outside = {0};
    ZincChannelInfo info = {.size = sizeof info};
    EXPECT(zinc_channel_users(queue.region, note_worker, &here) == 0);
    EXPECT(zinc_channel_examine_name(name, &info, note_worker, &outside) == 0);
    EXPECT(here.views == 2 && here.next == 1 && here.seat.pid == getpid() && here.seat.is_alive);
    EXPECT(memcmp(&here, &outside, sizeof here) == 0);
    ZincChannelUser again = {0};
    ZincQueueInfo queued = {.size = sizeof queued};
    EXPECT(zinc_queue_examine_name(name, &queued, note_worker, &again) == 0);
    EXPECT(memcmp(&here, &again, sizeof here) == 0);
    EXPECT(queued.waiting == 1 && queued.held == 2 && queued.left == 0 && queued.is_closed == 0);
    EXPECT(zinc_queue_close(queue.region) == 0);
    EXPECT(zinc_queue_examine_name(name, &queued, NULL, NULL) == 0 && queued.is_closed == 1);
    EXPECT(zinc_queue_examine_name(name, NULL, NULL, NULL) == -EINVAL);
    EXPECT(zinc_queue_examine_name("no-such-queue", &queued, NULL, NULL) == -ENOENT);
    close_worker(worker);
    close_writer(queue);
}

static void closing(void) {
    Writer queue = create(0);
    Worker worker = work(), other = work();
    for (uint64_t i = 1; i <= MESSAGES; i++) put(queue, i);
    pid_t waiting = fork();
    if (waiting == 0) { /* for room */
        EXPECT(put_for(queue, 9, NULL) == -EPIPE);
        _exit(failures);
    }
    usleep(10000);
    EXPECT(zinc_queue_close(worker.region) == 0 && zinc_queue_close(queue.region) == 0);
    EXPECT(exit_of(waiting) == 0);
    EXPECT(put_for(queue, 5, NULL) == -EPIPE);
    ZincQueueInfo info = {.size = sizeof info};
    EXPECT(zinc_queue_examine(queue.region, &info) == 0 && info.is_closed == 1 && info.waiting == MESSAGES);
    for (int64_t i = 1; i < MESSAGES; i++) EXPECT(next_of(worker) == i);
    ZincTask last = take(other), task;
    EXPECT(next_of(other) == -EPIPE); /* which is at work itself */
    EXPECT(next_of(worker) == -ETIMEDOUT);
    waiting = fork();
    if (waiting == 0) {
        EXPECT(zinc_worker_take(worker.it, &task, NULL) == -EPIPE);
        _exit(failures);
    }
    usleep(10000);
    EXPECT(zinc_worker_done(other.it, &last) == 0);
    EXPECT(exit_of(waiting) == 0);
    EXPECT(next_of(worker) == -EPIPE && next_of(other) == -EPIPE);
    EXPECT(zinc_queue_join(queue.region, &look) == 0);
    close_worker(worker);
    close_worker(other);
    close_writer(queue);

    /* One that is closed before its first message, and what the last worker leaves. */
    queue = create(0);
    EXPECT(zinc_queue_close(queue.region) == 0);
    EXPECT(put_for(queue, 1, &look) == -EPIPE);
    worker = work();
    EXPECT(next_of(worker) == -EPIPE);
    close_worker(worker);
    close_writer(queue);
    queue = create(0);
    put(queue, 1);
    worker = work();
    die_at_work(1);
    EXPECT(zinc_queue_close(queue.region) == 0);
    task = take(worker);
    EXPECT(value_of(&task) == 1 && task.redelivered == 1);
    EXPECT(zinc_worker_done(worker.it, &task) == 0 && next_of(worker) == -EPIPE);
    close_worker(worker);
    close_writer(queue);
}

/* Each message brings others, until some depth. */
static void joining(void) {
    Writer queue = create(0);
    EXPECT(zinc_queue_join(queue.region, NULL) == 0);
    put(queue, 10);
    EXPECT(zinc_queue_join(queue.region, &look) == -ETIMEDOUT);
    ZincWaitOptions soon = in(30);
    EXPECT(zinc_queue_join(queue.region, &soon) == -ETIMEDOUT);
    pid_t workers[WORKERS];
    for (int i = 0; i < WORKERS; i++) {
        workers[i] = fork();
        if (workers[i] == 0) {
            Worker own = work();
            ZincTask task;
            while (zinc_worker_take(own.it, &task, NULL) == 0) {
                uint64_t depth = value_of(&task);
                if (depth > 0) put(queue, depth - 1);
                EXPECT(zinc_worker_done(own.it, &task) == 0);
            }
            _exit(failures);
        }
    }
    EXPECT(zinc_queue_join(queue.region, NULL) == 0);
    expect_counts(queue.region, 0, 0, 0);
    ZincChannelInfo info = {.size = sizeof info};
    EXPECT(zinc_channel_examine(queue.region, &info) == 0 && info.newest == 11);
    for (uint64_t i = 0; i < 300; i++) {
        put(queue, 3);
        EXPECT(zinc_queue_join(queue.region, NULL) == 0);
        EXPECT(zinc_channel_examine(queue.region, &info) == 0 && info.newest == 11 + 4 * (i + 1));
    }
    EXPECT(zinc_queue_close(queue.region) == 0);
    for (int i = 0; i < WORKERS; i++) EXPECT(exit_of(workers[i]) == 0);
    close_writer(queue);
}

/* Who has taken all slots is waited for, and those come back. */
static void slots_run_out(void) {
    Writer queue = create(0);
    ZincLoan loans[64];
    int count = 0;
    while (zinc_writer_loan(queue.it, &loans[count]) == 0) count++;
    EXPECT(zinc_writer_wait(queue.it, &look) == -ETIMEDOUT);
    EXPECT(zinc_writer_discard(queue.it, &loans[--count]) == 0);
    EXPECT(zinc_writer_wait(queue.it, NULL) == 0);
    put(queue, 1);
    while (count > 0) EXPECT(zinc_writer_discard(queue.it, &loans[--count]) == 0);
    close_writer(queue);
}

/* What a queue says of itself, changed at random: an error, or a queue. */
static void lies(void) {
    unsigned opened = 0, seed = 1;
    for (int round = 0; round < 2000; round++) {
        Writer queue = create(round & 1 ? ZINC_QUEUE_AT_MOST_ONCE : 0), other;
        for (uint64_t i = 0; i < 4; i++) put_for(queue, i, &look);
        uint8_t *data = zinc_ptr(queue.region);
        uintptr_t capacity = zinc_capacity(queue.region);
        static const unsigned ends[] = {24, 256, 16000};
        for (int k = 0; k < 3; k++) {
            uintptr_t end = round % 4 < 3 ? ends[round % 4] : capacity;
            data[(uintptr_t)rand_r(&seed) % end] = (uint8_t)rand_r(&seed);
        }
        Worker worker;
        ZincTask task;
        if (open_writer(name, &other) == 0) {
            opened++;
            for (uint64_t i = 0; i < 20; i++) {
                ZincLoan loan;
                ZincMessageHead head = {.length = 64};
                if (zinc_writer_loan(other.it, &loan) != 0) break;
                memset(loan.data, 1, 64);
                if (zinc_writer_publish(other.it, &loan, &head, &look) != 0)
                    zinc_writer_discard(other.it, &loan);
            }
            close_writer(other);
        }
        if (open_worker(name, &worker) == 0) {
            for (int i = 0; i < 20; i++)
                if (zinc_worker_take(worker.it, &task, &look) == 0) {
                    volatile uint8_t byte = 0;
                    for (uint64_t k = 0; k < task.head.length; k++) byte ^= ((const uint8_t *)task.data)[k];
                    (void)byte;
                    zinc_worker_done(worker.it, &task);
                }
            zinc_queue_join(worker.region, &look);
            zinc_queue_close(worker.region);
            close_worker(worker);
        }
        close_writer(queue);
        zinc_region_unlink(name, ZINC_FORCE); /* what could not be cleaned */
    }
    EXPECT(opened > 500 && opened < 2000);
}

static void note_nobody(const ZincChannelUser *user, void *unused) {
    (void)user;
    (void)unused;
}

/* One call, of which it only matters that it ends. */
static void do_anything(Writer queue, Worker worker, ZincTask *tasks, int *held, unsigned *seed) {
    ZincQueueInfo info = {.size = sizeof info};
    uint32_t where;
    switch (rand_r(seed) % 14) {
    case 0:
    case 1:
        try_to_send(queue.it);
        break;
    case 2:
    case 3:
        if (*held < VIEWS && zinc_worker_take(worker.it, &tasks[*held], &look) == 0) {
            volatile uint8_t byte = 0;
            for (uint64_t k = 0; k < tasks[*held].head.length; k++)
                byte ^= ((const uint8_t *)tasks[*held].data)[k];
            (*held)++;
        }
        break;
    case 4:
        if (*held) zinc_worker_done(worker.it, &tasks[--*held]);
        break;
    case 5:
        if (*held) zinc_worker_finish(worker.it, &tasks[--*held]);
        zinc_worker_release(worker.it, &tasks[*held]);
        break;
    case 6:
        if (*held) zinc_worker_give_back(worker.it, &tasks[--*held]);
        break;
    case 7:
        zinc_queue_examine(queue.region, &info);
        break;
    case 8:
        zinc_channel_users(queue.region, note_nobody, NULL);
        break;
    case 9:
        zinc_queue_examine_name(name, &info, note_nobody, NULL);
        break;
    case 10:
        zinc_queue_find(queue.region, scribble(seed), &where);
        break;
    case 11:
        zinc_queue_join(queue.region, &look);
        break;
    case 12:
        zinc_worker_wait(worker.it, &look);
        zinc_writer_wait(queue.it, &look);
        break;
    default:
        if (rand_r(seed) % 8 == 0) zinc_queue_close(queue.region);
    }
}

/* Words that somebody scribbles on while others are at work: each call ends, and nothing traps. */
static void scribbled_on(void) {
    unsigned seed = 1;
    for (int round = 0; round < 1000; round++) {
        Writer queue = create(round & 1 ? ZINC_QUEUE_AT_MOST_ONCE : 0);
        Worker worker = work();
        ZincTask tasks[VIEWS + 1] = {0};
        int held = 0;
        for (uint64_t i = 0; i < MESSAGES; i++) put(queue, i);
        for (; held < 2; held++) tasks[held] = take(worker);
        for (int step = 0; step < 30; step++) {
            scribble_on(zinc_ptr(queue.region), SLOTS, MESSAGES, &seed);
            do_anything(queue, worker, tasks, &held, &seed);
        }
        close_worker(worker);
        close_writer(queue);
        zinc_region_unlink(name, ZINC_FORCE); /* what could not be cleaned */
    }
}

int main(int count, char **arguments) {
    if (count != 2) return 2;
    snprintf(name, sizeof name, "%s", arguments[1]);
    each_goes_to_one();
    exactly_so_many();
    finished_before_it_is_released();
    given_back();
    threads_wait_for_one_worker();
    found_by_its_number();
    joins_without_a_seat();
    room();
    nobody_writes_to_what_is_taken();
    at_least_once();
    at_most_once();
    stopped_and_forked();
    who_is_at_work();
    closing();
    joining();
    slots_run_out();
    lies();
    scribbled_on();
    return failures != 0;
}
