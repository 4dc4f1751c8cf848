/* Sends numbers: writer NAME TIMES. Waits for a reader first; killed and started again, it goes on. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <zinc.h>

/* What a message is, for Python: as in the header of a .npy file. */
static const char description[] = "{'descr': '<f8', 'fortran_order': False, 'shape': ()}";

int main(int count, char **arguments) {
    const ZincChannelOptions sizes = {
        .size = sizeof sizes, .payload = sizeof(double), .messages = 8, .flags = ZINC_CHANNEL_WAIT};
    const ZincOptions options = {
        .size = sizeof options, .metadata = description, .metadata_length = sizeof description - 1};
    const ZincWaitOptions for_ever = {.size = sizeof for_ever, .deadline_ns = ZINC_FOREVER};
    ZincHandle channel;
    ZincWriter writer;
    if (count != 3) return 2;
    int32_t status = zinc_channel_create(arguments[1], &sizes, &options, &channel);
    if (status == -EEXIST) status = zinc_open(arguments[1], &channel);
    if (status == 0) status = zinc_channel_wait_for_readers(channel, 1, &for_ever);
    if (status == 0) status = zinc_writer_begin(channel, &writer);
    if (status < 0) {
        fprintf(stderr, "%s\n", zinc_error_message());
        return 1;
    }
    for (int i = 1; i <= atoi(arguments[2]) && status == 0; i++) {
        ZincLoan loan;
        if ((status = zinc_writer_loan(writer, &loan)) < 0) break;
        double *value = loan.data; /* a slot of shared memory that nobody reads */
        *value = i / 2.0;
        ZincMessageHead head = {.length = sizeof *value};
        status = zinc_writer_publish(writer, &loan, &head, &for_ever);
    }
    zinc_writer_end(writer);
    zinc_close(channel);
    return status == 0 ? 0 : 1;
}
