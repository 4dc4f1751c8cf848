/*
 * What a process that exits or forks in the middle of other threads' calls leaves behind:
 * transitions WHAT FOLDER. Each way prints nothing and ends with 0 where all is well.
 */
#define _GNU_SOURCE
#include <zinc.h>

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char base[64];
static atomic_int go;

static void check(int holds, const char *what) {
    if (holds) return;
    printf("%s\n", what);
    exit(1);
}

static int exit_status(pid_t pid) {
    int status;
    check(waitpid(pid, &status, 0) == pid, "there is no child");
    return status;
}

/* ---- exit beside a thread that closes ---- */

enum { HANDLES = 300, ROUNDS = 100 };
static ZincHandle handles[HANDLES];
static char innocent[128];
static char *volatile kept[HANDLES];

/* Closes, and puts strings that could pass for a region's path where the handles were. */
static void *close_all(void *unused) {
    (void)unused;
    while (!atomic_load(&go)) {
    }
    for (int i = HANDLES - 1; i >= 0; i--) {
        zinc_close(handles[i]);
        kept[i] = strdup(innocent);
    }
    return NULL;
}

static void name_of(char *name, size_t size, int i) { snprintf(name, size, "%s-%03d", base, i); }

static void exit_while_closing(const char *folder) {
    char name[80];
    name_of(name, sizeof name, 0);
    int padding = (int)(strlen("/dev/shm/zinc_") + strlen(name) - strlen(folder) - 1);
    snprintf(innocent, sizeof innocent, "%s/%0*d", folder, padding > 1 ? padding : 1, 7);
    for (int round = 0; round < ROUNDS; round++) {
        close(open(innocent, O_CREAT | O_RDWR, 0600));
        pid_t pid = fork();
        if (pid == 0) {
            for (int i = 0; i < HANDLES; i++) {
                name_of(name, sizeof name, i);
                if (zinc_region_create(name, 8, NULL, &handles[i]) < 0) _exit(9);
            }
            pthread_t thread;
            pthread_create(&thread, NULL, close_all, NULL);
            usleep(200); /* until it waits, or not: both are good */
            atomic_store(&go, 1);
            exit(0);
        }
        check(exit_status(pid) == 0, "a process that exits died");
        check(access(innocent, F_OK) == 0, "a file that is no region is gone");
        for (int i = 0; i < HANDLES; i++) {
            ZincRegionInfo info = {.size = sizeof info};
            name_of(name, sizeof name, i);
            check(zinc_region_examine(name, &info) == -2, "a name was left behind");
        }
    }
    unlink(innocent);
}

/* ---- fork beside a thread that opens and closes descriptors ---- */

static void ignore(const char *name, void *context) { (void)name, (void)context; }

static void list(void) { zinc_region_list(ignore, NULL); }

static void reclaim(void) { zinc_reclaim(NULL, NULL); }

static void examine(void) {
    ZincRegionInfo info = {.size = sizeof info};
    zinc_region_examine(base, &info);
}

static void create_in_vain(void) {
    ZincHandle handle;
    ZincOptions options = {.size = sizeof options};
    zinc_region_create(base, 200 << 10, &options, &handle); /* it is there */
}

static void create_large_in_vain(void) {
    ZincHandle handle;
    ZincOptions options = {.size = sizeof options, .metadata_length = 2048, .metadata = innocent};
    zinc_region_create_anonymous((uintptr_t)1 << 50, &options, &handle);
}

static void *repeat(void *act) {
    while (!atomic_load(&go)) ((void (*)(void))(uintptr_t)act)();
    return NULL;
}

/* How many descriptors this process has that lead to shared memory, its list's own left out. */
static int descriptors(void) {
    DIR *folder = opendir("/proc/self/fd");
    int count = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        char path[300], to[300];
        snprintf(path, sizeof path, "/proc/self/fd/%s", entry->d_name);
        ssize_t length = readlink(path, to, sizeof to - 1);
        if (length <= 0) continue;
        to[length] = 0;
        count += strncmp(to, "/dev/shm", 8) == 0 || strstr(to, "memfd:zinc") != NULL;
    }
    closedir(folder);
    return count;
}

static void fork_beside(void (*act)(void), const char *what) {
    int expected = descriptors();
    pthread_t thread;
    atomic_store(&go, 0);
    pthread_create(&thread, NULL, repeat, (void *)(uintptr_t)act);
    for (int i = 0; i < 500; i++) {
        pid_t pid = fork();
        if (pid == 0) _exit(descriptors() != expected);
        check(exit_status(pid) == 0, what);
    }
    atomic_store(&go, 1);
    pthread_join(thread, NULL);
}

/* ---- callers' code ---- */

static void fork_and_open(const char *name, uint64_t bytes, void *told) {
    (void)bytes;
    if (strncmp(name, base, strlen(base)) != 0) return;
    pid_t pid = fork();
    if (pid == 0) _exit(0);
    exit_status(pid);
    ZincHandle handle;
    check(zinc_open("nothing-of-this-name", &handle) == -2, "a callback can't call zinc");
    ++*(int *)told;
}

static void fork_and_open_of(const char *name, void *told) { fork_and_open(name, 0, told); }

static void callbacks(void) {
    int told = 0;
    ZincHandle handle;
    /* The first call of a process removes what is dead, and its children have that behind them. */
    check(zinc_create(base, (uintptr_t)sysconf(_SC_PAGESIZE), &handle) == 0, "can't create");
    zinc_close(handle);
    pid_t pid = fork();
    if (pid == 0) {
        _exit(zinc_create(base, (uintptr_t)sysconf(_SC_PAGESIZE), &handle) != 0);
    }
    check(exit_status(pid) == 0, "can't create");
    zinc_region_list(fork_and_open_of, &told);
    check(told == 1, "the list does not have the name");
    zinc_reclaim(fork_and_open, &told);
    check(told == 2, "the dead region was not reclaimed");
}

int main(int count, char **arguments) {
    check(count == 3, "transitions WHAT FOLDER");
    snprintf(base, sizeof base, "test-%d-transitions", getpid());
    alarm(200); /* the watchdog */
    if (strcmp(arguments[1], "exit") == 0) {
        exit_while_closing(arguments[2]);
    } else if (strcmp(arguments[1], "callbacks") == 0) {
        callbacks();
    } else {
        ZincHandle handle;
        check(zinc_region_create(base, 8, NULL, &handle) == 0, "can't create");
        fork_beside(list, "a child inherited what zinc_region_list had open");
        fork_beside(reclaim, "a child inherited what zinc_reclaim had open");
        fork_beside(examine, "a child inherited what zinc_region_examine had open");
        fork_beside(create_in_vain, "a child inherited what a create had open");
        fork_beside(create_large_in_vain, "a child inherited what an anonymous create had open");
        zinc_close(handle);
    }
    return 0;
}
