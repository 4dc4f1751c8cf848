/*
 * Stops or kills who writes, reads, joins or cleans a channel in each place that differs for the others, and
 * looks what the others get meanwhile: `channel_steps overwrites` or `channel_steps waits`. Prints
 * how many there were.
 */
#define _GNU_SOURCE
#include <zinc.h>

#include <errno.h>
#include <string.h>

#include "stepping_writer.h"

enum { MESSAGES = 4, WRITERS = 3, READERS = 3, VIEWS = 2 };

static Writer channel;
static Reader reader, childs_reader;
static uint64_t received;

/* ---- what a process does */

static void sit_to_read(void) {
    if (open_reader(name, 2, &childs_reader) != 0) fail();
}

static void prepare_nothing(void) {}

static int is_whole(const ZincMessage *message) { return is_whole_at(message->data, &message->head); }

static void read_one(void) {
    ZincMessage message;
    if (zinc_reader_receive(childs_reader.it, &message, &look) != 0 || !is_whole(&message)) _exit(6);
    zinc_reader_release(childs_reader.it, &message);
}

/* It keeps what it takes, and so has to clean in the end. */
static void take_all(void) {
    ZincLoan loan;
    while (zinc_writer_loan(childs.it, &loan) == 0) {
    }
}

/* With a loan, and two messages. */
static void hold_and_die(void) {
    ZincLoan loan;
    ZincMessage messages[VIEWS];
    sit_to_write();
    sit_to_read();
    for (int i = 0; i < VIEWS; i++)
        if (zinc_reader_receive(childs_reader.it, &messages[i], &look) != 0) _exit(8);
    if (zinc_writer_loan(childs.it, &loan) != 0) _exit(9);
    kill(getpid(), SIGKILL);
}

/* ---- what must hold */

/* Reads all there is, each whole, without a gap. */
static void read_all(void) {
    ZincMessage message;
    while (zinc_reader_receive(reader.it, &message, &look) == 0) {
        check(message.head.number == ++received, "a gap");
        check(is_whole(&message), "torn");
        zinc_reader_release(reader.it, &message);
    }
    check(zinc_reader_lost(reader.it) == 0, "lost");
}

/* The others go on, in a channel of which nothing is missing. */
static void expect_all_is_well(void) {
    read_all();
    for (int i = 0; i < 2 * MESSAGES; i++) {
        put(channel);
        read_all();
    }
    ZincLoan loans[64];
    int count = 0;
    while (count < 64 && zinc_writer_loan(channel.it, &loans[count]) == 0) count++;
    check(count == WRITERS * 9 + READERS * VIEWS, "a slot is lost, or is two's");
    for (int i = 0; i < count; i++) check(zinc_writer_discard(channel.it, &loans[i]) == 0, "not mine");
}

/* ---- one trial each; false when there was nothing left to stop at */

static int is_killed(void (*prepare)(void), void (*act)(void), int steps) {
    pid_t pid;
    int is_stopped = start_stopped(prepare, act, steps, &pid);
    if (is_stopped) kill_and_reap(pid);
    expect_all_is_well();
    return is_stopped;
}

static int writer_is_killed(int steps) { return is_killed(sit_to_write, write_one, steps); }
static int reader_is_killed(int steps) { return is_killed(sit_to_read, read_one, steps); }
static int new_writer_is_killed(int steps) { return is_killed(prepare_nothing, sit_to_write, steps); }
static int new_reader_is_killed(int steps) { return is_killed(prepare_nothing, sit_to_read, steps); }

static int cleaner_is_killed(int steps) {
    pid_t pid;
    start_stopped(sit_to_write, take_all, 0, &pid);
    waitpid(start(hold_and_die), NULL, 0);
    int is_stopped = go_steps(pid, steps);
    if (is_stopped) kill_and_reap(pid);
    expect_all_is_well();
    return is_stopped;
}

/* The others do not wait for one that is stopped, and it goes on. */
static int writer_is_stopped(int steps) {
    pid_t pid;
    int is_stopped = start_stopped(sit_to_write, write_one, steps, &pid);
    if (!is_stopped) return 0;
    for (int i = 0; i < 2 * MESSAGES; i++) {
        put(channel);
        read_all();
    }
    go_on(pid);
    expect_all_is_well();
    return 1;
}

static int reader_is_stopped(int steps) {
    pid_t pid;
    int is_stopped = start_stopped(sit_to_read, read_one, steps, &pid);
    if (!is_stopped) return 0;
    for (int i = 0; i < 2 * MESSAGES; i++) {
        put(channel);
        read_all();
    }
    go_on(pid);
    expect_all_is_well();
    return 1;
}

/* Without waiting for who does not read. */
static void go_on_without(void) {
    zinc_writer_evict_after(channel.it, 0);
    for (int i = 0; i < 2 * MESSAGES; i++) {
        put(channel);
        read_all();
    }
    zinc_writer_evict_after(channel.it, ZINC_FOREVER);
}

/* One that goes on, and begins again by that. */
static int evicted_reader(int steps, pid_t *pid) {
    start_stopped(sit_to_read, read_one, 0, pid);
    go_on_without();
    return go_steps(*pid, steps);
}

static int evicted_reader_is_killed(int steps) {
    pid_t pid;
    int is_stopped = evicted_reader(steps, &pid);
    if (is_stopped) kill_and_reap(pid);
    expect_all_is_well();
    return is_stopped;
}

static int evicted_reader_is_stopped(int steps) {
    pid_t pid;
    int is_stopped = evicted_reader(steps, &pid);
    if (!is_stopped) return 0;
    go_on_without();
    go_on(pid);
    expect_all_is_well();
    return 1;
}

static void sit_to_evict(void) {
    sit_to_write();
    zinc_writer_evict_after(childs.it, 0);
}

static int evicting_writer_is_killed(int steps) {
    Reader slow;
    check(open_reader(name, 0, &slow) == 0, zinc_error_message());
    for (int i = 0; i < MESSAGES; i++) {
        put(channel);
        read_all();
    }
    pid_t pid;
    int is_stopped = start_stopped(sit_to_evict, write_one, steps, &pid);
    if (is_stopped) kill_and_reap(pid);
    read_all();
    go_on_without();
    /* What it has not lost is whole, and it is waited for again. */
    ZincMessage message;
    uint64_t got = 0, newest = received;
    while (zinc_reader_receive(slow.it, &message, &look) == 0) {
        check(is_whole(&message), "torn");
        zinc_reader_release(slow.it, &message);
        got++;
    }
    check(zinc_reader_next(slow.it) == newest + 1, "it has not read all");
    check(got < MESSAGES && zinc_reader_lost(slow.it) + got >= 3 * MESSAGES, "miscounted");
    close_reader(slow);
    expect_all_is_well();
    return is_stopped;
}

#define TRY(trial) try_places(#trial, trial, 1)
#define TRY_SOME(trial) try_places(#trial, trial, 29) /* long ones, most of them in system calls */

int main(int count, char **arguments) {
    stay_on_one_processor();
    setvbuf(stdout, NULL, _IOLBF, 0);
    int waits = count == 2 && strcmp(arguments[1], "waits") == 0;
    snprintf(name, sizeof name, "channel-steps-%d", getpid());
    ZincChannelOptions options = {.size = sizeof options,
                                  .payload = 16,
                                  .messages = MESSAGES,
                                  .flags = waits ? ZINC_CHANNEL_WAIT : 0,
                                  .writers = WRITERS,
                                  .readers = READERS,
                                  .views = VIEWS};
    check(create_channel(name, &options, &channel) == 0, zinc_error_message());
    check(open_reader(name, 0, &reader) == 0, zinc_error_message());
    for (int i = 0; i < MESSAGES; i++) {
        put(channel);
        read_all();
    }
    TRY(writer_is_killed);
    TRY(reader_is_killed);
    TRY_SOME(new_writer_is_killed);
    TRY_SOME(new_reader_is_killed);
    TRY_SOME(cleaner_is_killed);
    TRY(writer_is_stopped);
    if (waits) {
        TRY(evicted_reader_is_killed);
        TRY(evicted_reader_is_stopped);
        try_places("evicting_writer_is_killed", evicting_writer_is_killed, 3);
    } else {
        TRY(reader_is_stopped); /* which others wait for */
    }
    close_reader(reader);
    close_writer(channel);
    return 0;
}
