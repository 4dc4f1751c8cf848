/* Prints a channel's messages, of a number each: reader NAME TIMES. Begins before the writer or after. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <zinc.h>

int main(int count, char **arguments) {
    const ZincWaitOptions for_ever = {.size = sizeof for_ever, .deadline_ns = ZINC_FOREVER};
    ZincHandle channel;
    ZincReader reader;
    if (count != 3) return 2;
    if (zinc_region_await(arguments[1], NULL, &for_ever, &channel) < 0 ||
        zinc_reader_begin(channel, 0, &reader) < 0) {
        fprintf(stderr, "%s\n", zinc_error_message());
        return 1;
    }
    for (int left = atoi(arguments[2]); left > 0; left--) {
        ZincMessage message;
        if (zinc_reader_receive(reader, &message, &for_ever) < 0) break;
        const double *value = message.data; /* where it lies, and as it is until it is released */
        printf("%" PRIu64 ": %g\n", message.head.number, *value);
        zinc_reader_release(reader, &message);
    }
    printf("%" PRIu64 " lost\n", zinc_reader_lost(reader));
    zinc_reader_end(reader);
    zinc_close(channel);
    return 0;
}
