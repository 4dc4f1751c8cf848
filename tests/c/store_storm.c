/*
 * Users of one store, of which one is killed every few milliseconds, and all at once from time to time:
 * store_storm NAME SECONDS KEYS SIZE PAGES evict|wait|error attended|alone PROCESSES. Objects have up to
 * SIZE bytes, the store PAGES pages. Prints what it saw, and exits with 1 if a byte was wrong, a key that
 * nobody removes was missing, the store was counted wrong, or something of it was left.
 */
#define _GNU_SOURCE
#include <zinc.h>

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "storm.h"

enum { HELD = 4, MOST_KEYS = 1024, MOST_PUTS = 1 << 26 };
#define PAGE ((uint64_t)sysconf(_SC_PAGESIZE))

static struct {
    atomic_ulong next, done, puts, full, hits, misses, removed, taken, evicted, lists, events, forks, kills;
    atomic_int line;
    atomic_char is_taken[MOST_PUTS]; /* of each put */
} *seen;

static const ZincWaitOptions look = {.size = sizeof look};

static ZincWaitOptions in(uint64_t milliseconds) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    return (ZincWaitOptions){.size = sizeof look, .deadline_ns = ns + milliseconds * 1000000u};
}

static const char *name;
static int keys, processes;
static uint64_t largest, capacity;
static uint32_t policy;
static int is_attended;

/* So many of the keys are pinned, and only ever replaced. */
static int pinned(void) { return is_attended ? 1 + keys / 8 : 0; }

/* ---- what an object has */

typedef struct {
    uint64_t put, key, size;
} Label;

static uint64_t word(const Label *label, uint64_t i) {
    return (label->put + i) * 0x9E3779B97F4A7C15u ^ label->key << 56;
}

static void fill(uint8_t *data, const Label *label) {
    for (uint64_t i = 0; i < label->size; i += 8) {
        uint64_t value = word(label, i), left = label->size - i;
        memcpy(data + i, &value, left < 8 ? left : 8);
    }
}

static void expect_whole(ZincHandle object, uint64_t key) {
    Label label;
    uintptr_t length;
    const void *metadata = zinc_region_metadata(object, &length);
    CHECK(length == sizeof label);
    memcpy(&label, metadata, sizeof label);
    CHECK(label.key == key && label.size == zinc_capacity(object));
    const uint8_t *data = zinc_ptr(object);
    for (uint64_t i = 0; i < label.size; i += 8) {
        uint64_t value = word(&label, i), left = label.size - i;
        CHECK(memcmp(data + i, &value, left < 8 ? left : 8) == 0);
    }
}

/* ---- what a user does */

typedef struct {
    ZincHandle store, held[HELD];
    uint64_t keys[HELD], next_event;
    unsigned seed;
    int is_shared; /* the handle of the store is two threads' */
} User;

static uint64_t any(User *user, uint64_t below) { return (uint64_t)rand_r(&user->seed) % below; }

static size_t spell(char *text, uint64_t key) { return (size_t)sprintf(text, "key %d", (int)key); }

static ZincHandle opened(void) {
    ZincHandle store;
    ZincOptions options = {.size = sizeof options};
    if (is_attended)
        CHECK(zinc_store_open(name, NULL, &store) == 0);
    else
        CHECK(zinc_store_open_or_create(name, capacity, policy, &options, &store) == 0);
    return store;
}

/* Of all sizes there are as many of one length in binary as of another. */
static uint64_t size_for(User *user, uint64_t key) {
    uint64_t most = (int)key < pinned() ? PAGE : largest;
    uint64_t bound = 1;
    while (bound < most && any(user, 20) != 0) bound *= 2;
    return 1 + any(user, bound < most ? bound : most);
}

static void put(User *user, uint64_t key, uint32_t flags) {
    char text[32];
    size_t length = spell(text, key);
    Label label = {atomic_fetch_add(&seen->next, 1), key, size_for(user, key)};
    ZincOptions options = {.size = sizeof options, .metadata = &label, .metadata_length = sizeof label};
    ZincWaitOptions wait = in(any(user, 4));
    ZincHandle object;
    int32_t status = zinc_store_begin(user->store, text, length, label.size, flags, &options, &wait, &object);
    if (status == -ENOSPC) atomic_fetch_add(&seen->full, 1);
    CHECK(status == 0 || status == -ENOSPC || (status == -EEXIST && !flags));
    if (status != 0) return;
    fill(zinc_ptr(object), &label);
    int gives_up = any(user, 16) == 0;
    if (!gives_up) {
        status = zinc_store_seal(user->store, object, flags);
        CHECK(status == 0 || (status == -EEXIST && !flags));
        if (status == 0) atomic_fetch_add(&seen->puts, 1);
    }
    if (gives_up || status != 0) CHECK(zinc_store_abort(user->store, object) == 0);
    zinc_close(object);
}

static void let_go(User *user, int i) {
    if (user->held[i] == NULL) return;
    expect_whole(user->held[i], user->keys[i]);
    zinc_close(user->held[i]);
    user->held[i] = NULL;
}

static void get(User *user, uint64_t key) {
    char text[32];
    size_t length = spell(text, key);
    int i = (int)any(user, HELD);
    ZincWaitOptions wait = in(any(user, 2));
    let_go(user, i);
    int32_t status = zinc_store_get(user->store, text, length, &wait, &user->held[i]);
    CHECK(status == 0 || status == -ENOENT);
    CHECK(status == 0 || (int)key >= pinned());
    atomic_fetch_add(status == 0 ? &seen->hits : &seen->misses, 1);
    if (status != 0) return;
    user->keys[i] = key;
    expect_whole(user->held[i], key);
    if (any(user, 2) == 0) let_go(user, i);
}

static void take(User *user, uint64_t key) {
    char text[32];
    ZincHandle object;
    int32_t status = zinc_store_take(user->store, text, spell(text, key), &object);
    CHECK(status == 0 || status == -ENOENT);
    if (status != 0) return;
    /* Nobody else gets it so. */
    uintptr_t length;
    Label label;
    memcpy(&label, zinc_region_metadata(object, &length), sizeof label);
    CHECK(!atomic_exchange(&seen->is_taken[label.put % MOST_PUTS], 1));
    expect_whole(object, key);
    zinc_close(object);
    atomic_fetch_add(&seen->taken, 1);
}

typedef struct {
    uint64_t memory;
    uint8_t is_there[MOST_KEYS];
} Sum;

static uint64_t number(const uint8_t *key, uint32_t length) {
    char text[180] = "";
    memcpy(text, key, length);
    CHECK(strncmp(text, "key ", 4) == 0);
    uint64_t number = (uint64_t)atoi(text + 4);
    CHECK((int)number < keys);
    return number;
}

static void add(const ZincStoreEntry *entry, void *context) {
    Sum *sum = context;
    sum->memory += entry->memory;
    uint64_t key = number(entry->key, entry->key_length);
    if (entry->state == ZINC_OBJECT_PRESENT) CHECK(!sum->is_there[key]++);
}

static void list(ZincHandle store) {
    static __thread Sum sum;
    memset(&sum, 0, sizeof sum);
    CHECK(zinc_store_list(store, add, &sum) == 0);
    CHECK(sum.memory <= capacity);
    for (int key = 0; key < pinned(); key++) CHECK(sum.is_there[key]);
    atomic_fetch_add(&seen->lists, 1);
}

static ZincStoreInfo info(ZincHandle store) {
    ZincStoreInfo info = {.size = sizeof info};
    CHECK(zinc_store_examine(store, &info) == 0);
    CHECK(info.used <= capacity && info.objects <= (uint64_t)keys);
    return info;
}

static void follow(User *user) {
    ZincStoreEvent events[64];
    uint32_t found;
    uint64_t lost, before = user->next_event;
    CHECK(zinc_store_events(user->store, &user->next_event, events, 64, &found, &lost) == 0);
    CHECK(user->next_event == before + lost + found);
    for (uint32_t i = 0; i < found; i++) {
        uint64_t key = number(events[i].key, events[i].key_length);
        CHECK(events[i].change == ZINC_STORE_PUT || (int)key >= pinned());
    }
    atomic_fetch_add(&seen->events, found);
}

/* A child has what its parent had, and a place of its own in the store. */
static void in_child(User *user) {
    atomic_fetch_add(&seen->forks, 1);
    pid_t pid = fork();
    if (pid != 0) {
        if (any(user, 2) == 0) usleep(300);
        if (any(user, 2) == 0) kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        return;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int turn = 0; turn < 3; turn++) {
        get(user, any(user, (uint64_t)keys));
        put(user, any(user, (uint64_t)keys), ZINC_STORE_REPLACE);
        for (int i = 0; i < HELD; i++)
            if (user->held[i] != NULL) expect_whole(user->held[i], user->keys[i]);
    }
    _exit(0);
}

static void *use(void *context) {
    User *user = context;
    char text[32];
    while (1) {
        uint64_t key = any(user, (uint64_t)keys), what = any(user, 100);
        size_t length = spell(text, key);
        int is_pinned = (int)key < pinned();
        if (what < 20) {
            put(user, key, ZINC_STORE_REPLACE);
        } else if (what < 40) {
            put(user, key, 0);
        } else if (what < 75) {
            get(user, key);
        } else if (what < 80 && !is_pinned) {
            take(user, key);
        } else if (what < 85 && !is_pinned) {
            int32_t status = zinc_store_remove(user->store, text, length);
            CHECK(status == 0 || status == -ENOENT);
            if (status == 0) atomic_fetch_add(&seen->removed, 1);
        } else if (what < 88 && !is_pinned) {
            int32_t status = zinc_store_pin(user->store, text, length, any(user, 4) == 0);
            CHECK(status == 0 || status == -ENOENT);
        } else if (what < 90) {
            uint64_t freed;
            CHECK(zinc_store_evict(user->store, any(user, 4 * PAGE), &freed) == 0);
            atomic_fetch_add(&seen->evicted, freed);
        } else if (what < 92) {
            list(user->store);
        } else if (what < 94) {
            info(user->store);
        } else if (what < 96) {
            follow(user);
        } else if (what < 98) {
            in_child(user);
        } else if (!user->is_shared) {
            zinc_close(user->store);
            user->store = opened();
            if (!is_attended) user->next_event = 0;
        }
        atomic_fetch_add(&seen->done, 1);
    }
}

static pid_t start(int number) {
    pid_t pid = fork();
    if (pid != 0) return pid;
    User user = {.store = opened(), .seed = (unsigned)getpid(), .is_shared = number % 3 == 0};
    User other = user;
    other.seed++;
    pthread_t thread;
    if (user.is_shared) CHECK(pthread_create(&thread, NULL, use, &other) == 0);
    use(&user);
    _exit(0);
}

/* ---- what is there when all have died */

/* Bytes that the files of objects have, and how many files there are, the store's among them. */
static uint64_t files(int *count) {
    char prefix[300], path[600];
    struct stat status;
    uint64_t bytes = 0;
    size_t length = (size_t)snprintf(prefix, sizeof prefix, "zinc_%s", name);
    DIR *folder = opendir("/dev/shm");
    *count = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (strncmp(entry->d_name, prefix, length) != 0) continue;
        ++*count;
        snprintf(path, sizeof path, "/dev/shm/%s", entry->d_name);
        if (entry->d_name[length] == '-' && stat(path, &status) == 0)
            bytes += (uint64_t)(status.st_size + PAGE - 1) / PAGE * PAGE;
    }
    closedir(folder);
    return bytes;
}

static void expect_all_is_well(ZincHandle store) {
    int count;
    uint64_t used = info(store).used, bytes = files(&count);
    if (used != bytes) fprintf(stderr, "used %lu, and the files have %lu\n", used, bytes);
    CHECK(used == bytes);
    list(store);
    for (int key = 0; key < keys; key++) {
        char text[32];
        ZincHandle object;
        int32_t status = zinc_store_get(store, text, spell(text, (uint64_t)key), &look, &object);
        CHECK(status == 0 || (status == -ENOENT && key >= pinned()));
        if (status != 0) continue;
        expect_whole(object, (uint64_t)key);
        zinc_close(object);
    }
}

static void begin_pinned(ZincHandle store) {
    User user = {.store = store, .seed = 1};
    for (int key = 0; key < pinned(); key++) {
        char text[32];
        while (zinc_store_pin(store, text, spell(text, (uint64_t)key), 1) != 0) put(&user, (uint64_t)key, 0);
    }
}

int main(int count, char **arguments) {
    if (count != 9) return 2;
    name = arguments[1];
    double end = now() + atof(arguments[2]), worst = 0;
    keys = atoi(arguments[3]);
    largest = (uint64_t)atoll(arguments[4]);
    capacity = (uint64_t)atoll(arguments[5]) * PAGE;
    policy = arguments[6][0] == 'e' ? arguments[6][1] == 'v' ? ZINC_STORE_EVICT : ZINC_STORE_ERROR
                                    : ZINC_STORE_WAIT;
    is_attended = strcmp(arguments[7], "attended") == 0;
    processes = atoi(arguments[8]);
    seen = mmap(NULL, sizeof *seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    ZincHandle store = NULL;
    if (is_attended) {
        CHECK(zinc_store_create(name, capacity, policy, NULL, &store) == 0);
        begin_pinned(store);
    }
    int left, rounds = 0;
    for (; now() < end && atomic_load(&seen->line) == 0; rounds++) {
        double silence = rage(0.3, processes, start, &seen->line, &seen->kills, &seen->done);
        if (silence > worst) worst = silence;
        while (waitpid(-1, NULL, 0) > 0) { /* their children are gone as well */
        }
        if (atomic_load(&seen->line) != 0) break;
        if (is_attended) {
            expect_all_is_well(store);
        } else {
            zinc_reclaim(NULL, NULL);
            files(&left);
            CHECK(left == 0);
        }
    }
    if (is_attended) zinc_close(store);
    files(&left);
    printf("%s, %d keys of up to %lu bytes, %s: %d rounds, %lu kills, %lu forks, %lu calls, %lu put, %lu "
           "found no room, %lu found, %lu not, %lu removed, %lu taken, %lu bytes evicted, %lu lists, %lu "
           "events; "
           "longest silence %.1f ms; %d files left\n",
           arguments[6], keys, largest, arguments[7], rounds, seen->kills, seen->forks, seen->done,
           seen->puts, seen->full, seen->hits, seen->misses, seen->removed, seen->taken, seen->evicted,
           seen->lists, seen->events, worst * 1e3, left);
    return atomic_load(&seen->line) || left || seen->puts == 0 || seen->hits == 0;
}
