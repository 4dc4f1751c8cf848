/*
 * The last writer publishes, and goes, just as a reader looks whether there is one: its message comes
 * before the end. last_message NAME.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ends.h"
#include "expect.h"

static Writer writer;
static int is_armed;

static void send(void) {
    ZincLoan loan;
    ZincMessageHead head = {.length = 1};
    EXPECT(zinc_writer_loan(writer.it, &loan) == 0);
    EXPECT(zinc_writer_publish(writer.it, &loan, &head, NULL) == 0);
}

/* What libzinc.so finds before libc's. */
int fcntl(int file, int command, ...) {
    static int (*next)(int, int, ...);
    va_list list;
    va_start(list, command);
    void *argument = va_arg(list, void *);
    va_end(list);
    if (!next) *(void **)&next = dlsym(RTLD_NEXT, "fcntl");
    if (command == F_OFD_GETLK && is_armed) {
        is_armed = 0;
        send();
        close_writer(writer);
    }
    return next(file, command, argument);
}

int main(int count, char **arguments) {
    if (count != 2) return 2;
    ZincChannelOptions options = {.size = sizeof options, .payload = 8, .messages = 4};
    ZincWaitOptions look = {.size = sizeof look, .flags = ZINC_WAIT_UNTIL_GONE};
    ZincHandle creator;
    Reader reader;
    ZincMessage message;
    EXPECT(zinc_channel_create(arguments[1], &options, NULL, &creator) == 0);
    EXPECT(open_writer(arguments[1], &writer) == 0);
    EXPECT(open_reader(arguments[1], 0, &reader) == 0);
    send();
    EXPECT(zinc_reader_receive(reader.it, &message, &look) == 0 && message.head.number == 1);
    zinc_reader_release(reader.it, &message);
    is_armed = 1;
    EXPECT(zinc_reader_receive(reader.it, &message, &look) == 0 && message.head.number == 2);
    EXPECT(!is_armed);
    EXPECT(zinc_reader_receive(reader.it, &message, &look) == -EPIPE);
    close_reader(reader);
    zinc_close(creator);
    return failures != 0;
}
