/*
 * Kills, or stops, who puts, replaces, gets, removes, evicts or ends a store before and after each of its
 * system calls, and between them after each STRIDE instructions (0 is not at all, but for who seals), and
 * looks what the others get then: store_steps STRIDE. Prints at how many places.
 */
#define _GNU_SOURCE
#include <zinc.h>

#include <dirent.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/user.h>

#include "stepping.h"

enum { SMALL = 100, OLD = 1, NEW = 2 };
#define PAGE ((uint64_t)sysconf(_SC_PAGESIZE))

static char name[64];
static const ZincWaitOptions look = {.size = sizeof look};
static ZincHandle store, its;

/* So many entries to system calls and returns from them, and then so many instructions. */
static struct {
    int calls, instructions;
} place;
static int is_at_next_call; /* before it came so far */

static int is_at_call(pid_t pid) {
    long where = ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user, regs.rip), NULL);
    return (ptrace(PTRACE_PEEKTEXT, pid, where, NULL) & 0xFFFF) == 0x050F; /* syscall */
}

/* 0 if it ended before. */
static int go_there(pid_t pid) {
    int status;
    is_at_next_call = 0;
    for (int i = 0; i < place.calls; i++) {
        ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
        check(waitpid(pid, &status, 0) == pid, "can't trace");
        if (WIFEXITED(status)) {
            check(WEXITSTATUS(status) == 0, "it could not do it");
            return 0;
        }
    }
    for (int i = 0; i < place.instructions && !is_at_next_call; i++) {
        is_at_next_call = is_at_call(pid);
        if (is_at_next_call) break;
        ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL);
        check(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status), "can't step");
    }
    return 1;
}

static int start_at(void (*prepare)(void), void (*act)(void), pid_t *pid) {
    start_stopped(prepare, act, 0, pid);
    return go_there(*pid);
}

/* ---- what a process does */

static int32_t put(ZincHandle to, const char *key, size_t size, int byte, uint32_t flags) {
    ZincHandle object;
    int32_t status = zinc_store_begin(to, key, strlen(key), size, flags, NULL, &look, &object);
    if (status != 0) return status;
    memset(zinc_ptr(object), byte, size);
    status = zinc_store_seal(to, object, flags);
    zinc_close(object);
    return status;
}

/* The byte that it is full of; an error is less than 0. */
static int get(ZincHandle from, const char *key) {
    ZincHandle object;
    int32_t status = zinc_store_get(from, key, strlen(key), &look, &object);
    if (status != 0) return status;
    const uint8_t *data = zinc_ptr(object);
    int byte = data[0];
    for (size_t i = 1; i < zinc_capacity(object); i++) check(data[i] == byte, "torn");
    zinc_close(object);
    return byte;
}

static void sit(void) {
    if (zinc_store_open(name, NULL, &its) != 0) _exit(3);
    if (get(its, "a") != OLD) _exit(4);
}

static void put_it(void) {
    if (put(its, "b", SMALL, NEW, 0) != 0) _exit(5);
}

static void replace_it(void) {
    if (put(its, "a", SMALL, NEW, ZINC_STORE_REPLACE) != 0) _exit(6);
}

static void give_it_up(void) {
    ZincHandle object;
    if (zinc_store_begin(its, "b", 1, SMALL, 0, NULL, &look, &object) != 0) _exit(7);
    if (zinc_store_abort(its, object) != 0) _exit(8);
    zinc_close(object);
}

static void get_it(void) {
    if (get(its, "a") != OLD) _exit(9);
}

static void remove_it(void) {
    if (zinc_store_remove(its, "a", 1) != 0) _exit(10);
}

static void take_it(void) {
    ZincHandle object;
    if (zinc_store_take(its, "a", 1, &object) != 0) _exit(20);
    zinc_close(object);
}

static void evict_it(void) {
    uint64_t freed;
    if (zinc_store_evict(its, 1, &freed) != 0) _exit(11);
}

static void close_it(void) { zinc_close(its); }

/* ---- what must hold */

static uint64_t files(const char *of) {
    char prefix[80], path[300];
    uint64_t bytes = 0;
    struct stat status;
    size_t length = (size_t)snprintf(prefix, sizeof prefix, "zinc_%s", of);
    DIR *folder = opendir("/dev/shm");
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (strncmp(entry->d_name, prefix, length) != 0 || entry->d_name[length] != '-') continue;
        snprintf(path, sizeof path, "/dev/shm/%s", entry->d_name);
        if (stat(path, &status) == 0) bytes += (uint64_t)(status.st_size + PAGE - 1) / PAGE * PAGE;
    }
    closedir(folder);
    return bytes;
}

static ZincStoreInfo info(void) {
    ZincStoreInfo info = {.size = sizeof info};
    check(zinc_store_examine(store, &info) == 0, zinc_error_message());
    return info;
}

static void expect_present(const ZincStoreEntry *entry, void *context) {
    (void)context;
    check(entry->state == ZINC_OBJECT_PRESENT, "something is left");
}

/* Nothing but what it is about is another; `a` and `b` are, afterwards, as they were. */
static void expect_all_is_well(int may_be_new, int may_be_missing) {
    int a = get(store, "a"), b = get(store, "b");
    check(a == OLD || (a == NEW && may_be_new) || (a == -ENOENT && may_be_missing), "lost, or another's");
    check(b == -ENOENT || b == NEW, "torn, or another's");
    check(get(store, "pinned") == OLD, "lost a pinned one");
    check(info().used == files(name), "counted wrong");
    check(info().objects == (uint64_t)(1 + (a >= 0) + (b >= 0)), "miscounted");
    check(zinc_store_list(store, expect_present, NULL) == 0, zinc_error_message());
    if (b >= 0) check(zinc_store_remove(store, "b", 1) == 0, zinc_error_message());
    check(put(store, "a", SMALL, OLD, ZINC_STORE_REPLACE) == 0, zinc_error_message());
    check(info().used == 4 * PAGE && files(name) == 4 * PAGE, "memory is lost");
}

/* ---- one trial each; false when there was no such place */

static int kill_amid(void (*act)(void), int may_be_new, int may_be_missing) {
    pid_t pid;
    int is_stopped = start_at(sit, act, &pid);
    if (is_stopped) kill_and_reap(pid);
    expect_all_is_well(may_be_new, may_be_missing);
    return is_stopped;
}

static int putter_is_killed(void) { return kill_amid(put_it, 0, 0); }
static int replacer_is_killed(void) { return kill_amid(replace_it, 1, 0); }
static int who_gives_up_is_killed(void) { return kill_amid(give_it_up, 0, 0); }
static int getter_is_killed(void) { return kill_amid(get_it, 0, 0); }
static int remover_is_killed(void) { return kill_amid(remove_it, 0, 1); }
static int taker_is_killed(void) { return kill_amid(take_it, 0, 1); }
static int evicter_is_killed(void) { return kill_amid(evict_it, 0, 1); }
static int user_is_killed_as_it_closes(void) { return kill_amid(close_it, 0, 0); }

/* Who waits for what is there has been told, or nobody tells them any more. */
static ZincHandle made;

static void make_it(void) {
    sit();
    if (zinc_store_begin(its, "b", 1, SMALL, 0, NULL, &look, &made) != 0) _exit(21);
    memset(zinc_ptr(made), NEW, SMALL);
}

static void seal_it(void) {
    if (zinc_store_seal(its, made, 0) != 0) _exit(22);
    zinc_close(made);
}

static uint64_t sequence(void) {
    ZincRegionInfo region = {.size = sizeof region};
    check(zinc_region_examine(name, &region) == 0, zinc_error_message());
    return region.sequence;
}

static int sealer_is_killed(void) {
    pid_t pid;
    start_stopped(make_it, seal_it, 0, &pid);
    uint64_t seen = sequence();
    int is_stopped = go_there(pid);
    if (is_stopped) kill_and_reap(pid);
    check(sequence() != seen || get(store, "b") == -ENOENT, "is there, and nobody was told");
    expect_all_is_well(0, 0);
    return is_stopped;
}

/* Who finds what a dead one had begun and what another one had removed. */
static void begin_and_die(void) {
    ZincHandle object;
    sit();
    if (zinc_store_begin(its, "b", 1, SMALL, 0, NULL, &look, &object) != 0) _exit(12);
    if (zinc_store_begin(its, "a", 1, SMALL, 0, NULL, &look, &object) != -EEXIST) _exit(13);
    if (zinc_store_get(its, "a", 1, &look, &object) != 0) _exit(14);
    if (zinc_store_remove(its, "a", 1) != 0) _exit(15);
    kill(getpid(), SIGKILL);
}

static int cleaner_is_killed(void) {
    pid_t pid;
    start_stopped(sit, put_it, 0, &pid);
    waitpid(start(begin_and_die), NULL, 0);
    int is_stopped = go_there(pid);
    if (is_stopped) kill_and_reap(pid);
    expect_all_is_well(0, 1);
    return is_stopped;
}

/* Who gets the lock of a dead one, and makes the table anew. */
static void lock_and_die(void) {
    if (zinc_store_open(name, NULL, &its) != 0) _exit(16);
    if (zinc_lock_acquire(its, ZINC_OWN_LOCK, NULL) != 0) _exit(17);
    kill(getpid(), SIGKILL);
}

static int repairer_is_killed(void) {
    pid_t pid;
    start_stopped(sit, remove_it, 0, &pid);
    waitpid(start(lock_and_die), NULL, 0);
    int is_stopped = go_there(pid);
    if (is_stopped) kill_and_reap(pid);
    expect_all_is_well(0, 1);
    return is_stopped;
}

/* The others wait for one that is stopped only while it has the lock. */
static int stop_amid(void (*act)(void)) {
    pid_t pid;
    int is_stopped = start_at(sit, act, &pid);
    ZincLockInfo lock = {.size = sizeof lock};
    check(zinc_lock_examine(store, ZINC_OWN_LOCK, &lock) == 0, zinc_error_message());
    if (is_stopped && lock.state == ZINC_LOCK_FREE) {
        check(put(store, "c", SMALL, NEW, 0) == 0, zinc_error_message());
        check(get(store, "c") == NEW && get(store, "pinned") == OLD, "lost");
        check(info().used >= files(name), "counts less than there is");
        check(zinc_store_remove(store, "c", 1) == 0, zinc_error_message());
    }
    if (is_stopped) go_on(pid);
    expect_all_is_well(1, 1);
    return is_stopped;
}

static int putter_is_stopped(void) { return stop_amid(put_it); }
static int replacer_is_stopped(void) { return stop_amid(replace_it); }
static int getter_is_stopped(void) { return stop_amid(get_it); }
static int remover_is_stopped(void) { return stop_amid(remove_it); }
static int evicter_is_stopped(void) { return stop_amid(evict_it); }

/* The only user of another store, which goes with it. */
static char other[80];

static void be_the_last(void) {
    if (zinc_store_create(other, 1 << 20, ZINC_STORE_EVICT, NULL, &its) != 0) _exit(18);
    if (put(its, "a", SMALL, OLD, 0) != 0 || put(its, "b", SMALL, OLD, 0) != 0) _exit(19);
}

static int last_user_is_killed(void) {
    pid_t pid;
    char path[120];
    ZincHandle nobodys;
    int is_stopped = start_at(be_the_last, close_it, &pid);
    if (is_stopped) kill_and_reap(pid);
    check(zinc_store_open(other, NULL, &nobodys) == -ENOENT, "outlives its last user");
    zinc_reclaim(NULL, NULL);
    snprintf(path, sizeof path, "/dev/shm/zinc_%s", other);
    check(files(other) == 0 && access(path, F_OK) != 0, "memory is left");
    return is_stopped;
}

static void try_all(const char *what, int (*trial)(void), int stride) {
    int count = 0;
    alarm(300); /* the watchdog */
    for (place.calls = 0;; place.calls++) {
        place.instructions = 0;
        do {
            if (!trial()) {
                printf("%s %d\n", what, count);
                return;
            }
            count++;
            place.instructions += stride;
        } while (stride != 0 && place.calls % 2 == 0 && !is_at_next_call);
    }
}

#define TRY(trial) try_all(#trial, trial, stride)

int main(int count, char **arguments) {
    int stride = count == 2 ? atoi(arguments[1]) : 0;
    stay_on_one_processor();
    setvbuf(stdout, NULL, _IOLBF, 0);
    snprintf(name, sizeof name, "store-steps-%d", getpid());
    snprintf(other, sizeof other, "store-last-%d", getpid());
    check(zinc_store_create(name, 1 << 20, ZINC_STORE_EVICT, NULL, &store) == 0, zinc_error_message());
    check(put(store, "pinned", SMALL, OLD, 0) == 0, zinc_error_message());
    check(zinc_store_pin(store, "pinned", 6, 1) == 0, zinc_error_message());
    check(put(store, "a", SMALL, OLD, 0) == 0, zinc_error_message());
    TRY(putter_is_killed);
    TRY(replacer_is_killed);
    try_all("sealer_is_killed", sealer_is_killed, stride != 0 ? stride : 32);
    TRY(who_gives_up_is_killed);
    TRY(getter_is_killed);
    TRY(remover_is_killed);
    TRY(taker_is_killed);
    TRY(evicter_is_killed);
    TRY(user_is_killed_as_it_closes);
    TRY(cleaner_is_killed);
    TRY(repairer_is_killed);
    TRY(putter_is_stopped);
    TRY(replacer_is_stopped);
    TRY(getter_is_stopped);
    TRY(remover_is_stopped);
    TRY(evicter_is_stopped);
    TRY(last_user_is_killed);
    zinc_close(store);
    return 0;
}
