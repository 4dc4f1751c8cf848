/*
 * The end of a process, while another thread closes: closing NAME MODE. Whoever removes the name
 * is held up as it is about to, until the other is done, if he does not wait as he has to.
 *
 *     close-amid-exit    exit has taken the handle: who closes it waits until exit is done with it
 *     exit-amid-close    a thread closes the handle: the process ends when that is done
 */
#define _GNU_SOURCE
#include <zinc.h>

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static ZincHandle region;
static atomic_int is_removing, has_closed;

/* libzinc.so finds this before libc's. */
int unlink(const char *path) {
    int (*next)(const char *);
    *(void **)&next = dlsym(RTLD_NEXT, "unlink");
    atomic_store(&is_removing, 1);
    for (int i = 0; i < 100 && !atomic_load(&has_closed); i++) usleep(1000);
    if (atomic_load(&has_closed)) _exit(1); /* it frees what is worked on here */
    return next(path);
}

static void *close_it(void *wait_first) {
    while (wait_first && !atomic_load(&is_removing)) usleep(1000);
    zinc_close(region);
    atomic_store(&has_closed, 1);
    return NULL;
}

int main(int count, char **arguments) {
    if (count < 3 || zinc_region_create(arguments[1], 1, NULL, &region) < 0) return 2;
    int is_exit_first = strcmp(arguments[2], "close-amid-exit") == 0;
    pthread_t thread;
    pthread_create(&thread, NULL, close_it, is_exit_first ? &region : NULL);
    while (!is_exit_first && !atomic_load(&is_removing)) usleep(1000);
    exit(0);
}
