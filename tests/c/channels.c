/*
 * Channels from C, with forked processes that are killed: channels NAME; or with a message that is
 * held while others pass: channels NAME COUNT. Prints what does not hold and exits with 1. The
 * watchdog is the caller's.
 */
#define _GNU_SOURCE
#include <zinc.h>

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ends.h"
#include "expect.h"
#include "scribble.h"

static char name[200];

static Writer create(uint32_t messages, uint32_t flags, uint32_t views) {
    ZincChannelOptions options = {.size = sizeof options,
                                  .payload = 64,
                                  .messages = messages,
                                  .flags = flags,
                                  .writers = 2,
                                  .loans = 2,
                                  .readers = 2,
                                  .views = views};
    Writer channel;
    EXPECT(create_channel(name, &options, &channel) == 0);
    return channel;
}

static Reader read_from(uint64_t history) {
    Reader reader;
    EXPECT(open_reader(name, history, &reader) == 0);
    return reader;
}

static int32_t send_for(Writer channel, uint64_t value, const ZincWaitOptions *wait) {
    ZincLoan loan;
    ZincMessageHead head = {.length = 8, .tag = value + 1, .time = 7};
    int32_t status = zinc_writer_loan(channel.it, &loan);
    if (status < 0) return status;
    EXPECT(loan.capacity % 8 == 0 && (uintptr_t)loan.data % 64 == 0);
    memcpy(loan.data, &value, 8);
    status = zinc_writer_publish(channel.it, &loan, &head, wait);
    if (status < 0) EXPECT(zinc_writer_discard(channel.it, &loan) == 0);
    return status;
}

static void send(Writer channel, uint64_t value) { EXPECT(send_for(channel, value, NULL) == 0); }

/* The value of the next message, which is given back at once; -1 if there is none. */
static int64_t next_of(Reader reader) {
    ZincMessage message;
    if (zinc_reader_receive(reader.it, &message, &look) < 0) return -1;
    uint64_t value;
    memcpy(&value, message.data, 8);
    EXPECT(message.head.length == 8 && message.head.tag == value + 1 && message.head.time == 7);
    EXPECT(message.head.number == zinc_reader_next(reader.it) - 1);
    zinc_reader_release(reader.it, &message);
    return (int64_t)value;
}

static void count_seat(const ZincSeat *seat, void *context) {
    int *counts = context;
    EXPECT(seat->is_alive && seat->pid == getpid() && seat->role < 4);
    counts[seat->role]++;
}

static void overwriting(void) {
    Writer channel = create(5, 0, 3); /* keeps 8 */
    EXPECT(zinc_region_kind(channel.region) == ZINC_CHANNEL);
    Reader early = read_from(0);
    EXPECT(next_of(early) == -1);
    for (uint64_t i = 1; i <= 4; i++) send(channel, i);
    Reader late = read_from(2), later = read_from(0);
    EXPECT(next_of(late) == 3 && next_of(late) == 4 && next_of(late) == -1);
    EXPECT(next_of(later) == -1 && zinc_reader_next(later.it) == 5);
    for (int64_t i = 1; i <= 4; i++) EXPECT(next_of(early) == i);
    for (uint64_t i = 5; i <= 30; i++) send(channel, i);
    /* What is left is the newest 7; what is lost is counted. */
    EXPECT(next_of(early) == 24 && zinc_reader_lost(early.it) == 19);
    EXPECT(zinc_reader_skip(early.it) == 0 && next_of(early) == 30 && zinc_reader_lost(early.it) == 24);
    EXPECT(next_of(early) == -1);

    /* Held messages stay as they are, whatever comes. */
    ZincMessage held[3], one;
    for (int i = 0; i < 3; i++) EXPECT(zinc_reader_receive(later.it, &held[i], &look) == 0);
    EXPECT(zinc_reader_receive(later.it, &one, &look) == -ENOBUFS);
    for (uint64_t i = 31; i <= 1000; i++) send(channel, i);
    for (int i = 0; i < 3; i++) {
        uint64_t value;
        memcpy(&value, held[i].data, 8);
        EXPECT(value == 24 + (uint64_t)i && held[i].head.number == value);
    }
    for (uint64_t i = 24; i <= 26; i++) EXPECT(zinc_channel_keeps(channel.region, i) == 1);
    zinc_reader_release(later.it, &held[1]);
    EXPECT(zinc_channel_keeps(channel.region, 24) == 1 && zinc_channel_keeps(channel.region, 25) == 0);
    EXPECT(zinc_channel_keeps(channel.region, 992) == 0 && zinc_channel_keeps(channel.region, 993) == 1);
    EXPECT(zinc_channel_keeps(channel.region, 1000) == 1 && zinc_channel_keeps(channel.region, 1001) == 0);
    EXPECT(zinc_channel_keeps(channel.region, 0) == 0 && zinc_channel_keeps(NULL, 1) == -EINVAL);
    EXPECT(next_of(later) == 994);
    ZincMessage wrong = {.view = 77};
    zinc_reader_release(later.it, &wrong);

    int counts[4] = {0};
    EXPECT(zinc_seats(channel.region, count_seat, counts) == 0);
    EXPECT(counts[2] == 1 && counts[3] == 3 && counts[1] == 0);

    /* One end a handle, and of channels alone. */
    ZincWriter second = &failures;
    EXPECT(zinc_writer_begin(channel.region, &second) == -EBUSY && second == NULL);
    EXPECT(zinc_reader_begin(channel.region, 0, &second) == -EBUSY);
    EXPECT(zinc_writer_begin(late.region, &second) == -EBUSY);
    EXPECT(zinc_writer_begin(NULL, &second) == -EINVAL && zinc_writer_begin(late.region, NULL) == -EINVAL);
    ZincHandle region;
    EXPECT(zinc_region_create_anonymous(1 << 20, NULL, &region) == 0);
    EXPECT(zinc_writer_begin(region, &second) == -EBADMSG);
    zinc_close(region);
    ZincChannelInfo info = {.size = sizeof info};
    EXPECT(zinc_channel_examine(late.region, &info) == 0);
    EXPECT(info.messages == 8 && info.payload == 64 && info.views == 3 && info.newest == 1000 && !info.flags);

    /* Bad arguments. */
    ZincLoan loan, foreign = {.slot = 1000000};
    ZincMessageHead head = {.length = 65};
    EXPECT(zinc_writer_loan(channel.it, &loan) == 0);
    EXPECT(zinc_writer_publish(channel.it, &loan, &head, NULL) == -EMSGSIZE);
    head.length = 64;
    EXPECT(zinc_writer_publish(channel.it, &foreign, &head, NULL) == -EINVAL);
    EXPECT(zinc_writer_discard(channel.it, &foreign) == -EINVAL);
    EXPECT(zinc_writer_publish(channel.it, &loan, &head, NULL) == 0 && head.number == 1001);
    EXPECT(zinc_writer_publish(channel.it, &loan, &head, NULL) == -EINVAL); /* it is none any more */
    EXPECT(zinc_writer_loan(NULL, &loan) == -EINVAL && zinc_writer_loan(channel.it, NULL) == -EINVAL);
    Writer other;
    EXPECT(open_writer("no-such-channel", &other) == -ENOENT && other.it == NULL);
    ZincChannelOptions options = {.size = sizeof options, .payload = 8, .messages = 0};
    EXPECT(create_channel("no-such-channel", &options, &other) == -EINVAL && other.it == NULL);
    options.messages = 8;
    options.payload = UINT64_MAX;
    EXPECT(create_channel("no-such-channel", &options, &other) == -EINVAL);
    options.payload = 8;
    options.views = 17;
    EXPECT(create_channel("no-such-channel", &options, &other) == -EINVAL);
    options.views = 0;
    options.flags = 8;
    EXPECT(create_channel("no-such-channel", &options, &other) == -EINVAL);
    EXPECT(zinc_lock_acquire(late.region, ZINC_OWN_LOCK, &look) == 0);
    EXPECT(zinc_lock_release(late.region, ZINC_OWN_LOCK) == 0);

    /* All slots held: an error, and no wait; each comes back. */
    ZincLoan loans[64];
    unsigned count = 0;
    while (count < 64 && zinc_writer_loan(channel.it, &loans[count]) == 0) count++;
    EXPECT(count >= 4 && count < 64);
    EXPECT(zinc_writer_loan(channel.it, &loan) == -ENOBUFS);
    EXPECT(zinc_writer_discard(channel.it, &loans[0]) == 0);
    EXPECT(zinc_writer_loan(channel.it, &loan) == 0);
    close_writer(channel);
    EXPECT(open_writer(name, &channel) == 0);
    send(channel, 1002);
    EXPECT(zinc_reader_skip(late.it) == 0 && next_of(late) == 1002);
    /* The handle goes on, as what it likes. */
    zinc_reader_end(early.it);
    EXPECT(zinc_writer_begin(early.region, &second) == 0);
    EXPECT(zinc_writer_loan(second, &loan) == 0 && zinc_writer_discard(second, &loan) == 0);
    zinc_writer_end(second);
    EXPECT(zinc_reader_begin(early.region, 1, &early.it) == 0);
    EXPECT(next_of(early) == 1002);
    close_reader(early);
    close_reader(late);
    close_reader(later);
    close_writer(channel);
    EXPECT(open_writer(name, &channel) == -ENOENT);
}

static void anonymous(void) {
    ZincChannelOptions options = {.size = sizeof options, .payload = 8, .messages = 4};
    Writer writer;
    Reader reader;
    EXPECT(zinc_channel_create_anonymous(&options, NULL, &writer.region) == 0);
    EXPECT(zinc_writer_begin(writer.region, &writer.it) == 0);
    EXPECT(zinc_region_open_descriptor(zinc_region_descriptor(writer.region), NULL, &reader.region) == 0);
    EXPECT(zinc_reader_begin(reader.region, 0, &reader.it) == 0);
    send(writer, 1);
    EXPECT(next_of(reader) == 1);
    close_reader(reader);
    close_writer(writer);
}

static uint64_t used(ZincHandle region) {
    uint64_t bytes = 0;
    EXPECT(zinc_region_used(region, &bytes) == 0);
    return bytes;
}

/* Slots get memory as they are used, for as much as is asked for, once. */
static void sparse(void) {
    enum { MIB = 1 << 20 };
    ZincChannelOptions options = {.size = sizeof options, .payload = MIB, .messages = 512};
    ZincOptions all = {.size = sizeof all, .flags = ZINC_SPARSE};
    Writer writer, other;
    ZincLoan loan, again;
    EXPECT(zinc_channel_create(name, &options, &all, &writer.region) == 0);
    EXPECT(zinc_writer_begin(writer.region, &writer.it) == 0);
    uint64_t empty = used(writer.region);
    EXPECT(empty < MIB / 4);
    EXPECT(zinc_writer_loan_for(writer.it, 100, &loan) == 0 && loan.capacity == 100);
    EXPECT(used(writer.region) > empty && used(writer.region) < empty + MIB / 4);
    EXPECT(zinc_writer_discard(writer.it, &loan) == 0);
    EXPECT(zinc_writer_loan(writer.it, &again) == 0 && again.slot == loan.slot && again.capacity == MIB);
    uint64_t full = used(writer.region);
    EXPECT(full >= empty + MIB && full < empty + MIB + MIB / 4);
    memset(again.data, 1, MIB);
    EXPECT(used(writer.region) == full);
    EXPECT(zinc_writer_discard(writer.it, &again) == 0);
    EXPECT(zinc_writer_loan_for(writer.it, MIB, &again) == 0 && again.slot == loan.slot);
    EXPECT(used(writer.region) == full);
    EXPECT(zinc_writer_loan_for(writer.it, MIB + 1, &loan) == -EMSGSIZE);
    EXPECT(zinc_writer_loan_for(writer.it, UINT64_MAX, &loan) == -EMSGSIZE);
    EXPECT(zinc_writer_loan_for(writer.it, 0, &loan) == 0 && loan.slot != again.slot);
    EXPECT(zinc_writer_loan_for(writer.it, 0, NULL) == -EINVAL);
    /* Who opens it knows, too. */
    EXPECT(open_writer(name, &other) == 0);
    full = used(writer.region);
    EXPECT(zinc_writer_loan(other.it, &again) == 0 && used(writer.region) >= full + MIB / 4 * 3);
    close_writer(other);
    close_writer(writer);
}

static void waiting(void) {
    Writer channel = create(4, ZINC_CHANNEL_WAIT, 2);
    for (uint64_t i = 1; i <= 9; i++) send(channel, i); /* nobody reads, so nobody waits */
    Reader reader = read_from(100);
    EXPECT(zinc_reader_next(reader.it) == 7); /* the place of number 6 is the next to be taken */
    EXPECT(send_for(channel, 10, &look) == 0);
    EXPECT(send_for(channel, 11, &look) == -ETIMEDOUT);
    ZincWaitOptions soon = in(50);
    EXPECT(send_for(channel, 11, &soon) == -ETIMEDOUT);
    EXPECT(next_of(reader) == 7);
    EXPECT(send_for(channel, 11, &look) == 0);
    pid_t writer = fork();
    if (writer == 0) { /* waits until there is room */
        for (uint64_t i = 12; i <= 200; i++) send(channel, i);
        _exit(failures);
    }
    for (int64_t i = 8; i <= 200; i++) {
        ZincMessage message;
        EXPECT(zinc_reader_receive(reader.it, &message, NULL) == 0);
        uint64_t value;
        memcpy(&value, message.data, 8);
        EXPECT((int64_t)value == i);
        zinc_reader_release(reader.it, &message);
    }
    int status;
    waitpid(writer, &status, 0);
    EXPECT(status == 0 && zinc_reader_lost(reader.it) == 0);

    /* A reader that is killed holds nobody up. */
    pid_t other = fork();
    if (other == 0) {
        Reader own = read_from(0);
        ZincMessage message;
        kill(getpid(), SIGSTOP);
        zinc_reader_receive(own.it, &message, NULL);
        _exit(0);
    }
    waitpid(other, &status, WUNTRACED);
    close_reader(reader);
    for (uint64_t i = 201; i <= 204; i++) EXPECT(send_for(channel, i, &look) == 0);
    EXPECT(send_for(channel, 205, &look) == -ETIMEDOUT); /* a stopped one does */
    kill(other, SIGKILL);
    waitpid(other, &status, 0);
    EXPECT(send_for(channel, 205, NULL) == 0);
    close_writer(channel);
}

static sigjmp_buf back;
static void jump(int signal) { siglongjmp(back, signal); }

static void ends(void) {
    Writer channel = create(4, 0, 2);
    Reader reader = read_from(0);
    send(channel, 1);
    ZincMessage message;
    EXPECT(zinc_reader_receive(reader.it, &message, NULL) == 0);
    /* A reader can't write. */
    signal(SIGSEGV, jump);
    int caught = sigsetjmp(back, 1);
    if (caught == 0) *(volatile char *)message.data = 1;
    EXPECT(caught == SIGSEGV);
    signal(SIGSEGV, SIG_DFL);

    /* A child goes on by itself: what its parent holds it can't give back. */
    pid_t child = fork();
    if (child == 0) {
        zinc_reader_release(reader.it, &message);
        ZincMessage own;
        EXPECT(zinc_reader_receive(reader.it, &own, &look) == -ETIMEDOUT);
        send(channel, 2);
        EXPECT(next_of(reader) == 2);
        _exit(failures);
    }
    int status;
    waitpid(child, &status, 0);
    EXPECT(status == 0);
    for (uint64_t i = 3; i < 100; i++) send(channel, i);
    uint64_t value;
    memcpy(&value, message.data, 8);
    EXPECT(value == 1);
    zinc_reader_release(reader.it, &message);

    /* Who is killed with loans and messages leaves none of them lost. */
    for (int round = 0; round < 40; round++) {
        child = fork();
        if (child == 0) {
            ZincLoan loan;
            Reader own = read_from(4);
            zinc_reader_receive(own.it, &message, &look);
            zinc_writer_loan(channel.it, &loan);
            kill(getpid(), SIGKILL);
        }
        waitpid(child, &status, 0);
        send(channel, 1000);
    }
    unsigned loans = 0;
    ZincLoan loan;
    while (zinc_writer_loan(channel.it, &loan) == 0) loans++;
    EXPECT(loans == 2 * 10 + 2 * 2);
    close_reader(reader);
    close_writer(channel);
}

static Writer thread_channel;
static volatile int is_over;

static void *send_on(void *unused) {
    while (!is_over) send(thread_channel, 5);
    return unused;
}

/* A child that is forked while a thread writes does not wait for that one. */
static void forks_amid_writes(void) {
    thread_channel = create(4, 0, 2);
    pthread_t thread;
    pthread_create(&thread, NULL, send_on, NULL);
    for (int round = 0; round < 200; round++) {
        pid_t child = fork();
        if (child == 0) {
            alarm(30); /* the watchdog */
            send(thread_channel, 6);
            _exit(failures);
        }
        int status;
        waitpid(child, &status, 0);
        EXPECT(status == 0);
    }
    is_over = 1;
    pthread_join(thread, NULL);
    close_writer(thread_channel);
}

/* What a channel says of itself, changed at random: an error, or a channel. */
static void lies(void) {
    unsigned opened = 0, seed = 1;
    for (int round = 0; round < 2000; round++) {
        Writer channel = create(4, 0, 2), other;
        for (uint64_t i = 0; i < 6; i++) send(channel, i);
        uint8_t *data = zinc_ptr(channel.region);
        uintptr_t capacity = zinc_capacity(channel.region);
        int is_of_geometry = round % 4 == 0;
        for (int k = 0; k < 3; k++) {
            uintptr_t at = (uintptr_t)rand_r(&seed) % (is_of_geometry ? 24 : capacity);
            data[at] = (uint8_t)rand_r(&seed);
        }
        if (open_writer(name, &other) == 0) {
            opened++;
            for (uint64_t i = 0; i < 20; i++) send_for(other, i, &look);
            Reader reader;
            if (open_reader(name, 3, &reader) == 0) {
                ZincMessage message;
                for (int i = 0; i < 20; i++)
                    if (zinc_reader_receive(reader.it, &message, &look) == 0) {
                        volatile uint8_t byte = 0;
                        for (uint64_t k = 0; k < message.head.length; k++)
                            byte ^= ((const uint8_t *)message.data)[k];
                        (void)byte;
                        zinc_reader_release(reader.it, &message);
                    }
                close_reader(reader);
            }
            close_writer(other);
        } else {
            EXPECT(other.it == NULL);
        }
        close_writer(channel);
        zinc_region_unlink(name, ZINC_FORCE); /* what could not be cleaned */
    }
    EXPECT(opened > 500 && opened < 2000);
}

/* Words that somebody scribbles on while others are at work: each call ends, and nothing traps. */
static void scribbled_on(void) {
    enum { PLACES = 4, VIEWS = 3, SLOTS = PLACES + 2 * (2 + 8) + 2 * VIEWS };
    unsigned seed = 1;
    for (int round = 0; round < 1000; round++) {
        Writer channel = create(PLACES, round & 1 ? ZINC_CHANNEL_WAIT : 0, VIEWS);
        Reader reader = read_from(0), other;
        ZincMessage held[VIEWS + 1];
        ZincChannelInfo info = {.size = sizeof info};
        int count = 0;
        for (uint64_t i = 0; i < PLACES; i++) send(channel, i);
        for (int step = 0; step < 30; step++) {
            scribble_on(zinc_ptr(channel.region), SLOTS, PLACES, &seed);
            switch (rand_r(&seed) % 10) {
            case 0:
            case 1:
                try_to_send(channel.it);
                break;
            case 2:
            case 3:
            case 4:
                if (count <= VIEWS && zinc_reader_receive(reader.it, &held[count], &look) == 0) count++;
                break;
            case 5:
                if (count > 0) zinc_reader_release(reader.it, &held[--count]);
                break;
            case 6:
                zinc_reader_skip(reader.it);
                break;
            case 7:
                if (open_reader(name, scribble(&seed), &other) == 0) close_reader(other);
                break;
            case 8:
                zinc_channel_examine(channel.region, &info);
                break;
            default:
                zinc_channel_wait_for_readers(channel.region, 1, &look);
            }
        }
        close_reader(reader);
        close_writer(channel);
        zinc_region_unlink(name, ZINC_FORCE); /* what could not be cleaned */
    }
}

/* One message is held while so many pass. */
static void long_view(uint64_t count) {
    Writer channel = create(4, 0, 2);
    Reader reader = read_from(0);
    send(channel, 77);
    ZincMessage held;
    EXPECT(zinc_reader_receive(reader.it, &held, NULL) == 0);
    ZincLoan loan;
    ZincMessageHead head = {.length = 8};
    for (uint64_t i = 2; i <= count; i++) {
        if (zinc_writer_loan(channel.it, &loan) != 0) break;
        *(uint64_t *)loan.data = i;
        if (zinc_writer_publish(channel.it, &loan, &head, NULL) != 0) break;
    }
    EXPECT(head.number == count);
    EXPECT(held.head.number == 1 && *(const uint64_t *)held.data == 77);
    zinc_reader_release(reader.it, &held);
    ZincMessage next;
    EXPECT(zinc_reader_receive(reader.it, &next, NULL) == 0 && next.head.number == count - 2);
    EXPECT(zinc_reader_lost(reader.it) == count - 4);
    close_reader(reader);
    close_writer(channel);
}

/* What a child ended with; -1 if it was killed. */
static int exit_of(pid_t child) {
    int status;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* What is told of each user, in the order of their seats. */
typedef struct {
    ZincChannelUser users[8];
    int count;
} Told;

static void note_user(const ZincChannelUser *user, void *context) {
    Told *told = context;
    if (told->count < 8) told->users[told->count++] = *user;
}

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* Who uses it is told; whom writers have waited for long enough is waited for no more. */
static void users(void) {
    Writer channel = create(4, ZINC_CHANNEL_WAIT, 3);
    ZincWaitOptions look = {.size = sizeof look};
    EXPECT(zinc_channel_wait_for_readers(channel.region, 1, &look) == -ETIMEDOUT);
    EXPECT(zinc_channel_wait_for_readers(channel.region, 0, &look) == 0);
    Reader slow = read_from(0), quick = read_from(0);
    EXPECT(zinc_channel_wait_for_readers(channel.region, 2, NULL) == 0);
    ZincWaitOptions soon = {.size = sizeof soon, .deadline_ns = now() + 30000000};
    EXPECT(zinc_channel_wait_for_readers(channel.region, 3, &soon) == -ETIMEDOUT);
    for (uint64_t i = 1; i <= 4; i++) {
        send(channel, i);
        EXPECT(next_of(quick) == (int64_t)i);
    }
    ZincMessage held;
    EXPECT(zinc_reader_receive(slow.it, &held, &look) == 0);
    send(channel, 5);
    EXPECT(send_for(channel, 6, &look) == -ETIMEDOUT);

    zinc_writer_evict_after(channel.it, 20000000);
    send(channel, 6);
    Told here = {.count = 0}, outside = {.count = 0};
    ZincChannelInfo info = {.size = sizeof info};
    EXPECT(zinc_channel_users(channel.region, note_user, &here) == 0);
    EXPECT(zinc_channel_examine_name(name, &info, note_user, &outside) == 0);
    EXPECT(here.count == 3 && outside.count == 3 && info.newest == 6);
    EXPECT(memcmp(&here, &outside, sizeof here) == 0);
    const ZincChannelUser *of = here.users;
    EXPECT(of[0].seat.role == ZINC_SEAT_WRITES && of[0].seat.pid == getpid() && !of[0].waiting_since);
    EXPECT(of[1].seat.role == ZINC_SEAT_READS && of[1].is_evicted && of[1].next == 2 && of[1].views == 1);
    EXPECT(of[2].seat.role == ZINC_SEAT_READS && !of[2].is_evicted && of[2].next == 5 && !of[2].views);
    EXPECT(next_of(slow) == 4);
    EXPECT(zinc_reader_lost(slow.it) == 2);
    here.count = 0;
    EXPECT(zinc_channel_users(channel.region, note_user, &here) == 0);
    EXPECT(!of[1].is_evicted && of[1].lost == 2 && of[1].next == 5);

    EXPECT(zinc_channel_users(NULL, note_user, &here) == -EINVAL);
    EXPECT(zinc_channel_users(channel.region, NULL, NULL) == 0);
    EXPECT(zinc_channel_examine_name(name, NULL, note_user, &here) == -EINVAL);
    EXPECT(zinc_channel_examine_name("no-such-channel", &info, NULL, NULL) == -ENOENT);
    zinc_writer_evict_after(NULL, 1);

    /* A child holds nothing of its parent's, and gives nothing of it back. */
    pid_t child = fork();
    if (child == 0) {
        zinc_reader_release(slow.it, &held);
        int is_read = next_of(slow) == 5;
        zinc_reader_release(slow.it, &held);
        _exit(!is_read);
    }
    EXPECT(exit_of(child) == 0);
    here.count = 0;
    EXPECT(zinc_channel_users(channel.region, note_user, &here) == 0);
    EXPECT(of[1].views == 1);
    close_reader(slow);
    close_reader(quick);
    close_writer(channel);
}

/* Who asked for it is told once nobody is left who has written. */
static void the_end(void) {
    Writer channel = create(4, 0, 3);
    Reader reader = read_from(0);
    ZincMessage message;
    ZincWaitOptions look = {.size = sizeof look, .flags = ZINC_WAIT_UNTIL_GONE};
    ZincWaitOptions wait = {.size = sizeof wait, .deadline_ns = ZINC_FOREVER, .flags = ZINC_WAIT_UNTIL_GONE};
    EXPECT(zinc_reader_receive(reader.it, &message, &look) == -ETIMEDOUT);
    send(channel, 1);
    EXPECT(zinc_writer_publish(channel.it, NULL, NULL, NULL) == -EINVAL);
    pid_t child = fork();
    if (child == 0) {
        send(channel, 2);
        pause();
    }
    for (uint64_t i = 1; i <= 2; i++) {
        EXPECT(zinc_reader_receive(reader.it, &message, &wait) == 0 && message.head.number == i);
        zinc_reader_release(reader.it, &message);
    }
    zinc_writer_end(channel.it);
    EXPECT(zinc_reader_receive(reader.it, &message, &look) == -ETIMEDOUT);
    kill(child, SIGKILL);
    EXPECT(zinc_reader_receive(reader.it, &message, &wait) == -EPIPE);
    EXPECT(zinc_reader_receive(reader.it, &message, &look) == -EPIPE);
    EXPECT(exit_of(child) == -1);
    close_reader(reader);
    zinc_close(channel.region);
}

int main(int count, char **arguments) {
    if (count < 2) return 2;
    snprintf(name, sizeof name, "%s", arguments[1]);
    if (count > 2) {
        long_view(strtoull(arguments[2], NULL, 10));
        return failures != 0;
    }
    overwriting();
    anonymous();
    sparse();
    waiting();
    ends();
    forks_amid_writes();
    users();
    the_end();
    lies();
    scribbled_on();
    return failures != 0;
}
