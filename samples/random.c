/* SPDX-License-Identifier: BSD-2-Clause
 * random - where the machine's random bytes come from, and 16 of them.
 *
 *   ./vesper run samples/random.c
 *   ./vesper run samples/random.c --cpu pentium3 -- -device virtio-rng-pci
 *
 * It shows random->fill and source. */
#include "vesper.h"
#include "vesper_text.h"

int main(struct vesper* vesper)
{
    uint8_t bytes[16];
    int filled = vesper->random->fill(bytes, sizeof bytes);
    if (filled < 0) return filled;
    vesper_print(vesper, "random bytes by %s:", vesper->random->source());
    for (int i = 0; i < filled; ++i) vesper_print(vesper, " %02x", bytes[i]);
    vesper_print(vesper, "\n");
    return 0;
}
