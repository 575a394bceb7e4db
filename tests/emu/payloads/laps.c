/* SPDX-License-Identifier: BSD-2-Clause
 * Says for each key how many microseconds have passed since boot; 'q' ends it. */
#include "vesper.h"
#include "vesper_text.h"

int main(struct vesper* vesper)
{
    do vesper_print(vesper, "%llu us\n", vesper->time->ticks());
    while (vesper->key() != 'q');
    return 0;
}
