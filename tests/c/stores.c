/*
 * Stores from C, with forked processes that are killed: stores NAME. Prints what does not hold and exits
 * with 1. The watchdog is the caller's. stores NAME full is for a small /dev/shm, and fills it; stores NAME
 * COUNT prints how long so many objects take.
 */
#define _GNU_SOURCE
#include <zinc.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "expect.h"

static const char *name;
enum { MANY = 3000 };

static int32_t put(ZincHandle store, const char *key, size_t size, int byte, uint32_t flags) {
    ZincHandle object;
    int32_t status = zinc_store_begin(store, key, strlen(key), size, flags, NULL, &look, &object);
    if (status != 0) return status;
    memset(zinc_ptr(object), byte, size);
    status = zinc_store_seal(store, object, flags);
    if (status != 0) EXPECT(zinc_store_abort(store, object) == 0);
    zinc_close(object);
    return status;
}

static int is_whole(ZincHandle object, int byte) {
    for (size_t i = 0; i < zinc_capacity(object); i++)
        if (zinc_ptr(object)[i] != (uint8_t)byte) return 0;
    return 1;
}

/* Its bytes, or the error. */
static int64_t get(ZincHandle store, const char *key, int byte) {
    ZincHandle object;
    int32_t status = zinc_store_get(store, key, strlen(key), &look, &object);
    if (status != 0) return status;
    EXPECT(is_whole(object, byte));
    int64_t size = (int64_t)zinc_capacity(object);
    zinc_close(object);
    return size;
}

static ZincStoreInfo info(ZincHandle store) {
    ZincStoreInfo info = {.size = sizeof info};
    EXPECT(zinc_store_examine(store, &info) == 0);
    return info;
}

/* How many files there are of the store, its own among them. */
static int files(void) {
    char prefix[300];
    snprintf(prefix, sizeof prefix, "zinc_%s", name);
    DIR *folder = opendir("/dev/shm");
    int count = 0;
    for (struct dirent *entry; (entry = readdir(folder));)
        count += strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
    closedir(folder);
    return count;
}

static ZincHandle create(uint64_t capacity, uint32_t full) {
    ZincHandle store = NULL;
    EXPECT(zinc_store_create(name, capacity, full, NULL, &store) == 0);
    return store;
}

static void test_table(void) {
    ZincHandle store = create(1 << 20, ZINC_STORE_ERROR), other, object;
    EXPECT(zinc_store_open(name, NULL, &other) == 0);
    EXPECT(get(other, "a", 0) == -ENOENT);
    EXPECT(put(store, "a", 100, 1, 0) == 0);
    EXPECT(get(other, "a", 1) == 100);
    EXPECT(put(other, "a", 100, 2, 0) == -EEXIST);
    EXPECT(put(other, "a", 200, 2, ZINC_STORE_REPLACE) == 0);
    EXPECT(get(store, "a", 2) == 200);
    EXPECT(put(store, "", 5000, 3, 0) == 0);
    EXPECT(get(store, "", 3) == 5000);
    EXPECT(info(store).used == 2 * PAGE + 3 * PAGE);
    EXPECT(info(store).objects == 2 && files() == 3);
    /* Who has it keeps it. */
    EXPECT(zinc_store_get(store, "a", 1, &look, &object) == 0);
    EXPECT(zinc_region_is_readonly(object));
    EXPECT(zinc_store_remove(other, "a", 1) == 0);
    EXPECT(zinc_store_remove(other, "a", 1) == -ENOENT);
    EXPECT(get(store, "a", 0) == -ENOENT);
    EXPECT(is_whole(object, 2));
    EXPECT(info(store).used == 5 * PAGE && info(store).objects == 1 && files() == 3);
    zinc_close(object);
    EXPECT(info(store).used == 3 * PAGE && files() == 2);
    /* What is being made is nobody's yet. */
    ZincOptions kind = {.size = sizeof kind, .kind = 1234, .metadata = "meta", .metadata_length = 4};
    EXPECT(zinc_store_begin(store, "b", 1, 10, 0, &kind, NULL, &object) == 0);
    EXPECT(get(other, "b", 0) == -ENOENT);
    EXPECT(zinc_store_seal(other, object, 0) == -EINVAL);
    EXPECT(zinc_store_seal(store, store, 0) == -EINVAL);
    ZincStoreEntry entry = {.size = sizeof entry};
    EXPECT(zinc_store_find(store, "b", 1, &entry) == -ENOENT);
    EXPECT(zinc_store_seal(store, object, 0) == 0);
    EXPECT(zinc_store_seal(store, object, 0) == -EINVAL);
    EXPECT(zinc_store_abort(store, object) == 0);
    EXPECT(zinc_store_find(other, "b", 1, &entry) == 0);
    EXPECT(entry.capacity == 10 && entry.memory == 2 * PAGE && entry.kind == 1234 && entry.key_length == 1);
    EXPECT(entry.state == ZINC_OBJECT_PRESENT && !entry.pinned && entry.created_at > 0);
    EXPECT(strcmp(entry.name, zinc_region_name(object)) == 0);
    zinc_close(object);
    EXPECT(zinc_store_begin(store, "c", 1, 10, 0, NULL, NULL, &object) == 0);
    EXPECT(zinc_store_abort(store, object) == 0);
    EXPECT(zinc_store_seal(store, object, 0) == -EINVAL);
    zinc_close(object);
    EXPECT(info(store).used == 5 * PAGE && files() == 3);
    /* Two at once: one wins. */
    ZincHandle first, second;
    EXPECT(zinc_store_begin(store, "d", 1, 10, 0, NULL, NULL, &first) == 0);
    EXPECT(zinc_store_begin(other, "d", 1, 10, 0, NULL, NULL, &second) == 0);
    EXPECT(zinc_store_seal(other, second, 0) == 0);
    EXPECT(zinc_store_seal(store, first, 0) == -EEXIST);
    EXPECT(zinc_store_abort(store, first) == 0);
    zinc_close(first);
    zinc_close(second);
    /* Full, and larger than the whole. */
    EXPECT(put(store, "e", 1 << 20, 0, 0) == -ENOSPC);
    EXPECT(strstr(zinc_error_message(), "the store may have 1048576") != NULL);
    EXPECT(put(store, "e", (1 << 20) - 8 * PAGE, 0, 0) == 0);
    EXPECT(put(store, "f", 1, 0, 0) == -ENOSPC);
    EXPECT(zinc_store_remove(store, "e", 1) == 0);
    EXPECT(put(store, "f", 1, 0, 0) == 0);
    /* Refused. */
    char long_key[177] = {0};
    EXPECT(zinc_store_get(store, long_key, 177, &look, &object) == -EINVAL && object == NULL);
    EXPECT(zinc_store_get(store, NULL, 1, &look, &object) == -EINVAL);
    EXPECT(zinc_store_begin(store, "g", 1, 0, 0, NULL, &look, &object) == -EINVAL);
    EXPECT(zinc_store_begin(store, "g", 1, 1, 2, NULL, &look, &object) == -EINVAL);
    EXPECT(zinc_store_get(NULL, "g", 1, &look, &object) == -EINVAL);
    ZincHandle region, no_store;
    char plain[300];
    snprintf(plain, sizeof plain, "%s-plain", name);
    EXPECT(zinc_create(plain, PAGE, &region) == 0);
    EXPECT(zinc_store_get(region, "g", 1, &look, &object) == -EBADMSG);
    EXPECT(zinc_store_open(plain, NULL, &no_store) == -EBADMSG && no_store == NULL);
    EXPECT(zinc_store_open_or_create(plain, 1, 0, NULL, &no_store) == -EEXIST);
    zinc_close(region);
    EXPECT(zinc_store_open_or_create(name, 1 << 20, ZINC_STORE_WAIT, NULL, &no_store) == -EEXIST);
    EXPECT(zinc_store_open_or_create(name, 1 << 20, ZINC_STORE_ERROR, NULL, &no_store) == 0);
    zinc_close(no_store);
    EXPECT(zinc_store_create(name, 0, 0, NULL, &no_store) == -EINVAL);
    EXPECT(zinc_store_create(name, 1, 3, NULL, &no_store) == -EINVAL);
    zinc_close(store);
    EXPECT(files() > 1);
    zinc_close(other);
    EXPECT(files() == 0);
}

static void count(const ZincStoreEntry *entry, void *context) {
    EXPECT(entry->state == ZINC_OBJECT_PRESENT);
    ++*(int *)context;
}

static void test_many(void) {
    ZincHandle store = create(1ull << 40, ZINC_STORE_EVICT);
    char key[20];
    for (int i = 0; i < MANY; i++) {
        snprintf(key, sizeof key, "key %d", i);
        EXPECT(put(store, key, 8, i, 0) == 0);
    }
    EXPECT(info(store).objects == MANY && info(store).used == MANY * 2ull * PAGE);
    for (int i = MANY - 1; i >= 0; i--) {
        snprintf(key, sizeof key, "key %d", i);
        EXPECT(get(store, key, i) == 8);
    }
    int listed = 0;
    EXPECT(zinc_store_list(store, count, &listed) == 0 && listed == MANY);
    for (int i = 0; i < MANY; i += 2) {
        snprintf(key, sizeof key, "key %d", i);
        EXPECT(zinc_store_remove(store, key, strlen(key)) == 0);
    }
    for (int i = 0; i < MANY; i++) {
        snprintf(key, sizeof key, "key %d", i);
        EXPECT(get(store, key, i) == (i % 2 ? 8 : -ENOENT));
    }
    /* Removed by its name, behind the store's back. */
    ZincStoreEntry entry = {.size = sizeof entry};
    EXPECT(zinc_store_find(store, "key 7", 5, &entry) == 0);
    EXPECT(zinc_region_unlink(entry.name, 0) == 0);
    EXPECT(get(store, "key 7", 7) == -ENOENT);
    EXPECT(info(store).objects == MANY / 2 - 1 && info(store).used == (MANY / 2 - 1) * 2ull * PAGE);
    zinc_close(store);
    EXPECT(files() == 0);
}

static void test_eviction(void) {
    ZincHandle store = create(8 * PAGE, ZINC_STORE_EVICT), held;
    EXPECT(put(store, "a", 1, 1, 0) == 0);
    EXPECT(put(store, "b", 1, 2, 0) == 0);
    EXPECT(put(store, "c", 1, 3, 0) == 0);
    EXPECT(put(store, "d", 1, 4, 0) == 0);
    EXPECT(get(store, "a", 1) == 1); /* used last, so b is the oldest */
    EXPECT(put(store, "e", 1, 5, 0) == 0);
    EXPECT(get(store, "b", 2) == -ENOENT && get(store, "a", 1) == 1 && get(store, "c", 3) == 1);
    /* d is the oldest, and somebody has it; e is next, and pinned. */
    EXPECT(zinc_store_get(store, "d", 1, &look, &held) == 0);
    EXPECT(zinc_store_pin(store, "e", 1, 1) == 0);
    EXPECT(get(store, "a", 1) == 1 && get(store, "c", 3) == 1);
    EXPECT(put(store, "f", PAGE + 1, 6, 0) == 0); /* takes three pages */
    EXPECT(get(store, "a", 1) == -ENOENT && get(store, "c", 3) == -ENOENT);
    EXPECT(get(store, "d", 4) == 1 && get(store, "e", 5) == 1);
    EXPECT(info(store).used <= 8 * PAGE);
    EXPECT(put(store, "g", 5 * PAGE, 7, 0) == -ENOSPC); /* what d and e have does not get free */
    EXPECT(strstr(zinc_error_message(), "no room") != NULL);
    zinc_close(held);
    EXPECT(zinc_store_pin(store, "e", 1, 0) == 0);
    EXPECT(put(store, "g", 5 * PAGE, 7, 0) == 0);
    uint64_t freed;
    EXPECT(zinc_store_evict(store, UINT64_MAX, &freed) == 0);
    EXPECT(freed == 8 * PAGE);
    EXPECT(info(store).used == 0 && info(store).objects == 0 && files() == 1);
    zinc_close(store);
}

static void test_events(void) {
    ZincHandle store = create(4 * PAGE, ZINC_STORE_EVICT);
    EXPECT(put(store, "a", 1, 1, 0) == 0);
    EXPECT(put(store, "b", 2, 1, 0) == 0);
    EXPECT(put(store, "c", 3, 1, 0) == 0);
    EXPECT(zinc_store_remove(store, "b", 1) == 0);
    ZincStoreEvent events[8];
    uint64_t next = 0, lost;
    uint32_t found;
    EXPECT(zinc_store_events(store, &next, events, 8, &found, &lost) == 0);
    EXPECT(found == 5 && lost == 0 && next == 5);
    static const uint32_t changes[] = {ZINC_STORE_PUT, ZINC_STORE_PUT, ZINC_STORE_EVICTED, ZINC_STORE_PUT,
                                       ZINC_STORE_REMOVED};
    for (int i = 0; i < 5; i++) {
        EXPECT(events[i].change == changes[i]);
        EXPECT(events[i].key_length == 1 && events[i].key[0] == "ab"
                                                                "acb"[i]);
    }
    EXPECT(events[3].capacity == 3 && events[3].time > 0);
    for (int i = 0; i < 600; i++) EXPECT(put(store, "c", 1, 1, ZINC_STORE_REPLACE) == 0);
    EXPECT(zinc_store_events(store, &next, events, 8, &found, &lost) == 0);
    EXPECT(found == 8 && lost == 600 - 512);
    zinc_close(store);
}

/* Of which only the pages that are touched take memory. */
static void test_large(void) {
    ZincHandle store = create(1ull << 40, ZINC_STORE_EVICT), object;
    ZincOptions sparse = {.size = sizeof sparse, .flags = ZINC_SPARSE};
    uint64_t size = 16ull << 30;
    EXPECT(zinc_store_begin(store, "large", 5, size, 0, &sparse, NULL, &object) == 0);
    if (!object) exit(1);
    zinc_ptr(object)[0] = zinc_ptr(object)[size - 1] = 7;
    EXPECT(zinc_store_seal(store, object, 0) == 0);
    zinc_close(object);
    EXPECT(zinc_store_get(store, "large", 5, &look, &object) == 0);
    EXPECT(zinc_capacity(object) == size && zinc_ptr(object)[0] == 7 && zinc_ptr(object)[size - 1] == 7);
    zinc_close(object);
    EXPECT(info(store).used == size + PAGE);
    zinc_close(store);
    EXPECT(files() == 0);
}

/* ---- who is killed */

static ZincHandle opened(void) {
    ZincHandle store;
    if (zinc_store_open(name, NULL, &store) != 0) _exit(2);
    return store;
}

static void in_child(void (*body)(void)) {
    pid_t pid = fork();
    if (pid == 0) {
        body();
        kill(getpid(), SIGKILL);
    }
    int status;
    waitpid(pid, &status, 0);
    EXPECT(WIFSIGNALED(status));
}

static void begins(void) {
    ZincHandle object;
    if (zinc_store_begin(opened(), "k", 1, PAGE, 0, NULL, NULL, &object) != 0) _exit(2);
}

static void holds(void) {
    ZincHandle object;
    ZincHandle store = opened();
    if (zinc_store_get(store, "a", 1, &look, &object) != 0) _exit(2);
    if (zinc_store_remove(store, "a", 1) != 0) _exit(2);
}

static void locks(void) {
    if (zinc_lock_acquire(opened(), ZINC_OWN_LOCK, NULL) != 0) _exit(2);
}

static void puts_and_is_last(void) {
    ZincHandle store = create(1 << 20, 0);
    if (put(store, "a", 1, 1, 0) != 0 || put(store, "b", 1, 1, 0) != 0) _exit(2);
}

static void test_kills(void) {
    ZincHandle store = create(1 << 20, ZINC_STORE_ERROR);
    in_child(begins);
    EXPECT(info(store).used == 0 && files() == 1);
    EXPECT(put(store, "a", 1, 1, 0) == 0);
    in_child(holds);
    EXPECT(info(store).used == 0 && files() == 1);
    for (int i = 0; i < 3; i++) {
        EXPECT(put(store, "a", 1, 1, ZINC_STORE_REPLACE) == 0 &&
               put(store, "b", 2, 2, ZINC_STORE_REPLACE) == 0);
        in_child(locks);
        EXPECT(get(store, "a", 1) == 1 && get(store, "b", 2) == 2);
        EXPECT(info(store).used == 4 * PAGE && info(store).objects == 2);
    }
    zinc_close(store);
    EXPECT(files() == 0);
    /* All are killed: who looks removes the store, and its objects. */
    in_child(puts_and_is_last);
    EXPECT(files() == 3);
    ZincRegionInfo region = {.size = sizeof region};
    EXPECT(zinc_region_examine(name, &region) == 0 && region.state == ZINC_DEAD);
    zinc_reclaim(NULL, NULL);
    EXPECT(files() == 0);
    /* Or who creates one of that name, which has nothing of it. */
    in_child(puts_and_is_last);
    store = create(1 << 20, 0);
    EXPECT(files() == 1 && get(store, "a", 1) == -ENOENT && info(store).objects == 0);
    zinc_close(store);
}

static void test_persistent(void) {
    ZincOptions options = {.size = sizeof options, .flags = ZINC_PERSISTENT, .mode = 0640};
    ZincHandle store, object;
    EXPECT(zinc_store_create(name, 1 << 20, 0, &options, &store) == 0);
    EXPECT(put(store, "a", 1, 1, 0) == 0 && put(store, "b", 1, 1, 0) == 0);
    zinc_close(store);
    zinc_reclaim(NULL, NULL);
    EXPECT(files() == 3);
    EXPECT(zinc_store_open(name, NULL, &store) == 0);
    ZincStoreEntry entry = {.size = sizeof entry};
    EXPECT(zinc_store_find(store, "a", 1, &entry) == 0);
    ZincRegionInfo region = {.size = sizeof region};
    EXPECT(zinc_region_examine(entry.name, &region) == 0);
    EXPECT(region.state == ZINC_UNATTACHED && region.mode == 0640);
    EXPECT(zinc_store_get(store, "a", 1, &look, &object) == 0);
    EXPECT(zinc_region_unlink(name, 0) == 0);
    EXPECT(files() == 1 && is_whole(object, 1));
    /* One of that name is another one. */
    ZincHandle next = create(1 << 20, 0);
    zinc_close(object);
    EXPECT(files() == 1);
    zinc_close(next);
    EXPECT(files() == 0);
    EXPECT(get(store, "a", 1) == -ENOENT);
    zinc_close(store);
}

/* What somebody has, however much of it, is in nobody's way who is done with something else. */
static void test_held(void) {
    enum { HELD = 300 };
    ZincHandle store = create((HELD + 1) * 2 * PAGE, ZINC_STORE_ERROR), held[HELD + 1];
    for (int i = 0; i <= HELD; i++) {
        EXPECT(put(store, "a", 1, i, 0) == 0);
        EXPECT(zinc_store_get(store, "a", 1, &look, &held[i]) == 0);
        EXPECT(zinc_store_remove(store, "a", 1) == 0);
    }
    zinc_close(held[HELD]);
    EXPECT(put(store, "more", 1, 1, 0) == 0);
    for (int i = 0; i < HELD; i++) {
        EXPECT(is_whole(held[i], i));
        zinc_close(held[i]);
    }
    EXPECT(info(store).used == 2 * PAGE && files() == 2);
    zinc_close(store);
}

/* Somebody waits for a key, and somebody for room. */
static void puts_it(void) {
    ZincHandle store = opened();
    usleep(30000);
    if (put(store, "late", 1, 9, 0) != 0) _exit(2);
    usleep(30000);
    if (zinc_store_remove(store, "fill", 4) != 0) _exit(2);
}

static void test_waits(void) {
    ZincHandle store = create(6 * PAGE, ZINC_STORE_WAIT), object;
    EXPECT(put(store, "fill", PAGE, 1, 0) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        puts_it();
        _exit(0);
    }
    EXPECT(zinc_store_get(store, "late", 4, NULL, &object) == 0);
    EXPECT(is_whole(object, 9));
    zinc_close(object);
    EXPECT(zinc_store_begin(store, "more", 4, 2 * PAGE, 0, NULL, &look, &object) == -ENOSPC);
    EXPECT(zinc_store_begin(store, "more", 4, 2 * PAGE, 0, NULL, NULL, &object) == 0);
    EXPECT(zinc_store_seal(store, object, 0) == 0);
    zinc_close(object);
    int status;
    waitpid(pid, &status, 0);
    EXPECT(status == 0);
    zinc_close(store);
}

/* ---- one who has the table, and does not go on */

static void locks_and_stops(void) {
    locks();
    raise(SIGSTOP);
}

static void hear(int number) { (void)number; }

static void *gets_for_ever(void *store) {
    ZincHandle object;
    return (void *)(intptr_t)zinc_store_get(store, "none", 4, NULL, &object);
}

static void test_stopped(void) {
    ZincHandle store = create(1 << 20, ZINC_STORE_WAIT), closing = opened(), object;
    pthread_t thread;
    void *status;
    EXPECT(put(store, "a", 1, 1, 0) == 0);
    EXPECT(pthread_create(&thread, NULL, gets_for_ever, closing) == 0);
    pid_t pid = fork();
    if (pid == 0) locks_and_stops();
    waitpid(pid, NULL, WUNTRACED);
    /* Close ends what waits for it, and for the object after that. */
    zinc_notify(closing);
    zinc_close(closing);
    EXPECT(pthread_join(thread, &status) == 0 && (intptr_t)status == -ECANCELED);
    EXPECT(zinc_store_remove(store, "a", 1) == -EBUSY);
    EXPECT(strstr(zinc_error_message(), "is it stopped?") != NULL);
    /* A signal does, where it may. */
    struct sigaction act = {.sa_handler = hear};
    struct itimerval soon = {{0, 20000}, {0, 20000}}, never = {0};
    ZincWaitOptions wait = {.size = sizeof wait, .deadline_ns = UINT64_MAX, .flags = ZINC_WAIT_INTERRUPTIBLE};
    sigaction(SIGALRM, &act, NULL);
    setitimer(ITIMER_REAL, &soon, NULL);
    EXPECT(zinc_store_get(store, "a", 1, &wait, &object) == -EINTR);
    setitimer(ITIMER_REAL, &never, NULL);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    EXPECT(get(store, "a", 1) == 1);
    zinc_close(store);
    EXPECT(files() == 0);
}

/* ---- what others may have written where the table is */

enum { ENTRIES = 256 + 4 * 32768 + 512 * 256, ENTRY = 256, SOME = 8 };

static unsigned seed = 1;

static uint32_t any(uint32_t below) { return (uint32_t)rand_r(&seed) % below; }

/* A word of the head, of an entry, of a bucket or of an event, mostly of those that are in use. */
static uint32_t *somewhere(ZincHandle store) {
    uint8_t *data = zinc_ptr(store);
    switch (any(8)) {
    case 0:
        return (uint32_t *)(data + 256 + 4 * any(32768));
    case 1:
        return (uint32_t *)(data + 256 + 4 * 32768 + 4 * any(512 * 64));
    case 2:
    case 3:
        return (uint32_t *)(data + 4 * any(28));
    default:
        return (uint32_t *)(data + ENTRIES + ENTRY * any(SOME + 2) + 4 * any(22));
    }
}

static void scribble(ZincHandle store) {
    static const uint32_t values[] = {0, UINT32_MAX, 1 << 20, (1 << 20) - 1, 1u << 31, 256, 255};
    uint32_t value = any(2) ? any(SOME + 3) : any(3) ? values[any(7)] : (uint32_t)rand_r(&seed);
    __atomic_store_n(somewhere(store), value, __ATOMIC_RELAXED);
}

static unsigned refused;

static void expect_an_answer(int32_t status) {
    static const int32_t answers[] = {0, -EBADMSG, -ENOENT, -EEXIST, -ENOSPC, -EINVAL};
    int is_one = 0;
    for (int i = 0; i < 6; i++) is_one |= status == answers[i];
    if (!is_one) fprintf(stderr, "status %d\n", status);
    EXPECT(is_one);
    refused += status == -EBADMSG;
}

static void tell(const ZincStoreEntry *entry, void *context) {
    EXPECT(entry->key_length <= sizeof entry->key && memchr(entry->name, 0, sizeof entry->name));
    ++*(int *)context;
}

static void try_all(ZincHandle store) {
    char key[8];
    ZincHandle object;
    ZincStoreEntry entry = {.size = sizeof entry};
    ZincStoreInfo info = {.size = sizeof info};
    ZincStoreEvent events[16];
    uint64_t next = any(2) ? 0 : UINT64_MAX - any(4), lost, freed;
    uint32_t found = 0;
    int told = 0;
    snprintf(key, sizeof key, "k%u", any(SOME));
    size_t length = strlen(key);
    switch (any(11)) {
    case 0:
        expect_an_answer(zinc_store_list(store, tell, &told));
        break;
    case 1:
        expect_an_answer(zinc_store_examine(store, &info));
        break;
    case 2:
        expect_an_answer(zinc_store_events(store, &next, events, 16, &found, &lost));
        for (uint32_t i = 0; i < found; i++) EXPECT(events[i].key_length <= sizeof events[i].key);
        break;
    case 3:
        expect_an_answer(zinc_store_evict(store, any(2) ? UINT64_MAX : 3 * PAGE, &freed));
        break;
    case 4:
        expect_an_answer(zinc_store_remove(store, key, length));
        break;
    case 5:
        expect_an_answer(zinc_store_pin(store, key, length, any(2)));
        break;
    case 6:
        expect_an_answer(zinc_store_find(store, key, length, &entry));
        break;
    case 7:
    case 8:
        expect_an_answer(put(store, key, 1 + any(2 * PAGE), 1, any(2)));
        break;
    default: {
        int32_t status = any(2) ? zinc_store_get(store, key, length, &look, &object)
                                : zinc_store_take(store, key, length, &object);
        expect_an_answer(status);
        if (status == 0) zinc_close(object);
    }
    }
}

static void test_lies(void) {
    for (int round = 0; round < 2000; round++) {
        char key[8];
        ZincHandle store = create(any(2) ? 16 * PAGE : 1 << 20, any(3)), object = NULL;
        for (uint32_t i = 0; i < SOME; i++) {
            snprintf(key, sizeof key, "k%u", i);
            put(store, key, 10, 1, 0);
        }
        if (any(2)) zinc_store_get(store, "k3", 2, &look, &object);
        zinc_store_remove(store, "k3", 2);
        for (uint32_t i = 0; i <= any(8); i++) scribble(store);
        /* Then the next one makes anew what follows from the entries. */
        if (any(2)) {
            EXPECT(zinc_lock_acquire(store, ZINC_OWN_LOCK, NULL) == 0);
            EXPECT(zinc_lock_abandon(store, ZINC_OWN_LOCK) == 0);
        }
        for (int i = 0; i < 12; i++) try_all(store);
        if (object != NULL) zinc_close(object);
        zinc_close(store);
        EXPECT(files() == 0);
    }
    EXPECT(refused > 300);
}

static void scribbles(void) {
    ZincHandle store = opened();
    while (1) scribble(store);
}

static void test_scribbler(void) {
    for (int round = 0; round < 10; round++) {
        ZincHandle store = create(1 << 20, round % 3);
        pid_t pid = fork();
        if (pid == 0) scribbles();
        ZincWaitOptions end = in(100);
        while (in(0).deadline_ns < end.deadline_ns) try_all(store);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        zinc_close(store);
        EXPECT(files() == 0);
    }
}

/* ---- where /dev/shm itself is full: it has to be a small one */

/* Takes all that is left but so many pages. */
static void fill_folder(const char *ballast, int pages) {
    static const char zeros[1 << 16];
    int fd = open(ballast, O_CREAT | O_WRONLY | O_TRUNC, 0600);
    off_t size = 0;
    while (write(fd, zeros, PAGE) == (ssize_t)PAGE) size += PAGE;
    EXPECT((uint64_t)size >= pages * PAGE && ftruncate(fd, size - (off_t)(pages * PAGE)) == 0);
    close(fd);
}

static void test_full(void) {
    enum { AT_ONCE = 256 }; /* entries that the table gets memory for */
    static const char ballast[] = "/dev/shm/ballast";
    char key[20];
    ZincHandle store, none;
    fill_folder(ballast, 1);
    EXPECT(zinc_store_create(name, 1 << 30, ZINC_STORE_EVICT, NULL, &none) == -ENOSPC);
    EXPECT(files() == 0);
    unlink(ballast);
    store = create(1 << 30, ZINC_STORE_ERROR);
    /* There is no memory for the first entries, and then none for an object. */
    fill_folder(ballast, 1);
    EXPECT(put(store, "a", 1, 1, 0) == -ENOSPC);
    fill_folder(ballast, 17);
    EXPECT(put(store, "a", PAGE, 1, 0) == -ENOSPC);
    EXPECT(info(store).used == 0 && files() == 1);
    unlink(ballast);
    for (int i = 0; i < AT_ONCE; i++) {
        snprintf(key, sizeof key, "key %d", i);
        EXPECT(put(store, key, 8, i, 0) == 0);
    }
    fill_folder(ballast, 4);
    EXPECT(put(store, "one more", 1, 1, 0) == -ENOSPC);
    EXPECT(info(store).used == AT_ONCE * 2ull * PAGE && files() == AT_ONCE + 1);
    for (int i = 0; i < AT_ONCE; i++) {
        snprintf(key, sizeof key, "key %d", i);
        EXPECT(get(store, key, i) == 8);
    }
    unlink(ballast);
    EXPECT(put(store, "large", 1 << 29, 1, 0) == -ENOSPC);
    EXPECT(put(store, "key 1", 1 << 29, 1, ZINC_STORE_REPLACE) == -ENOSPC);
    EXPECT(get(store, "key 1", 1) == 8 && files() == AT_ONCE + 1);
    EXPECT(put(store, "one more", 1, 1, 0) == 0);
    zinc_close(store);
    EXPECT(files() == 0);
}

/* ---- how long it takes, for people */

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void measure(int many) {
    ZincHandle store = create(1ull << 40, ZINC_STORE_EVICT);
    char key[20];
    double times[5] = {now()};
    int listed = 0;
    for (int i = 0; i < many; i++) {
        snprintf(key, sizeof key, "key %d", i);
        EXPECT(put(store, key, 8, i, 0) == 0);
    }
    times[1] = now();
    for (int i = 0; i < many; i++) {
        snprintf(key, sizeof key, "key %d", i);
        EXPECT(get(store, key, i) == 8);
    }
    times[2] = now();
    EXPECT(zinc_store_list(store, count, &listed) == 0 && listed == many);
    times[3] = now();
    zinc_close(store);
    times[4] = now();
    EXPECT(files() == 0);
    printf("%d objects: put %.1f us, get %.1f us each; list %.0f ms, close %.0f ms\n", many,
           (times[1] - times[0]) / many * 1e6, (times[2] - times[1]) / many * 1e6,
           (times[3] - times[2]) * 1e3, (times[4] - times[3]) * 1e3);
}

int main(int argc, char **argv) {
    if (argc != 2 && argc != 3) return 2;
    name = argv[1];
    if (argc == 3) {
        if (strcmp(argv[2], "full") == 0)
            test_full();
        else
            measure(atoi(argv[2]));
        return failures != 0;
    }
    test_table();
    test_many();
    test_eviction();
    test_events();
    test_large();
    test_kills();
    test_persistent();
    test_held();
    test_waits();
    test_stopped();
    test_lies();
    test_scribbler();
    return failures != 0;
}
