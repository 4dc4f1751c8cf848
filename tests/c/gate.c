/*
 * Forks while another thread is in the midst of a call, and counts what the child has inherited
 * that it can't know of: gate NAME OPERATION SYSTEM-CALL. The thread forks as if it had been
 * stopped at its first such system call. Most of them are where a fork has to wait, and so can't
 * be waited for; `free` says that it need not.
 */
#define _GNU_SOURCE
#include <zinc.h>

#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *name, *operation, *stop;
static ZincHandle region;
static int is_free;
static _Thread_local int is_armed;
static atomic_int is_inside, has_forked;

static void pass(const char *call) {
    if (!is_armed || strcmp(call, stop) != 0) return;
    is_armed = 0;
    atomic_store(&is_inside, 1);
    for (int i = 0; (is_free || i < 100) && !atomic_load(&has_forked); i++) usleep(1000);
}

/* libzinc.so finds these before libc's. */
#define HOOK(result, call, parameters, arguments)                                                            \
    result call parameters {                                                                                 \
        static result(*next) parameters;                                                                     \
        if (!next) *(void **)&next = dlsym(RTLD_NEXT, #call);                                                \
        pass(#call);                                                                                         \
        return next arguments;                                                                               \
    }
HOOK(ssize_t, pread, (int fd, void *to, size_t count, off_t at), (fd, to, count, at))
HOOK(int, fallocate, (int fd, int mode, off_t at, off_t length), (fd, mode, at, length))
HOOK(int, close, (int fd), (fd))
HOOK(int, munmap, (void *address, size_t length), (address, length))
HOOK(struct dirent *, readdir, (DIR * folder), (folder))

static int lines_with(const char *file, const char *text) {
    char line[600];
    int found = 0;
    FILE *lines = fopen(file, "r");
    while (fgets(line, sizeof line, lines)) found += strstr(line, text) != NULL;
    fclose(lines);
    return found;
}

/* Descriptors and mappings of regions, and of their folder. */
static int inherited(void) {
    char path[64], target[600];
    int found = lines_with("/proc/self/maps", name);
    if (strcmp(operation, "close") == 0) found = 0; /* its own mapping, which it keeps */
    for (int fd = 3; fd < 64; fd++) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(path, target, sizeof target - 1);
        target[length < 0 ? 0 : length] = 0;
        found += strncmp(target, "/dev/shm", 8) == 0 || strncmp(target, "/memfd:zinc", 11) == 0;
    }
    return found;
}

static void ignore(const char *found, void *context) {
    (void)found;
    (void)context;
}

static void *act(void *unused) {
    ZincHandle other = NULL;
    ZincRegionInfo info = {.size = sizeof info};
    is_armed = 1;
    if (strcmp(operation, "list") == 0) zinc_region_list(ignore, NULL);
    if (strcmp(operation, "examine") == 0) zinc_region_examine(name, &info);
    if (strcmp(operation, "reclaim") == 0) zinc_reclaim(NULL, NULL);
    if (strcmp(operation, "unlink") == 0) zinc_region_unlink(name, 0);
    if (strcmp(operation, "open") == 0) zinc_open(name, &other);
    if (strcmp(operation, "close") == 0) zinc_close(region);
    if (strcmp(operation, "create") == 0) zinc_region_create(name, 1, NULL, &other);
    if (strcmp(operation, "anonymous") == 0) zinc_region_create_anonymous(1, NULL, &other);
    is_armed = 0;
    zinc_close(other);
    return unused;
}

int main(int count, char **arguments) {
    if (count < 4) return 2;
    name = arguments[1];
    operation = arguments[2];
    stop = arguments[3];
    is_free = count > 4;
    ZincHandle other; /* what only the first call does is done */
    if (zinc_region_create_anonymous(1, NULL, &other) < 0) return 2;
    zinc_close(other);
    if (strcmp(operation, "close") == 0 && zinc_region_create(name, 1, NULL, &region) < 0) return 2;
    pthread_t thread;
    pthread_create(&thread, NULL, act, NULL);
    while (!atomic_load(&is_inside)) usleep(1000); /* the watchdog is the caller's */
    pid_t child = fork();
    if (child == 0) _exit(inherited());
    atomic_store(&has_forked, 1);
    pthread_join(thread, NULL);
    int status;
    waitpid(child, &status, 0);
    printf("%d\n", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    return 0;
}
