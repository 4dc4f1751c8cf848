/* Prints the first byte of a region each time that there is something new: reader NAME TIMES */
#include <stdio.h>
#include <stdlib.h>
#include <zinc.h>

int main(int count, char **arguments) {
    ZincHandle region;
    if (count != 3) return 2;
    if (zinc_open(arguments[1], &region) < 0) {
        fprintf(stderr, "%s\n", zinc_error_message());
        return 1;
    }
    for (int left = atoi(arguments[2]); left > 0; left--) {
        if (zinc_wait(region, 30000) < 0) break;
        printf("%d\n", zinc_ptr(region)[0]);
    }
    zinc_close(region);
    return 0;
}
