/* SPDX-License-Identifier: BSD-2-Clause
 * What does not belong anywhere else. */
#include <malloc.h>
#include <reent.h>
#include <stdlib.h>

#include "libc.h"

int getentropy(void* to, size_t bytes)
{
    int result = vesper->random->fill(to, bytes);
    return result < 0 ? libc_fail(result) : 0;
}

/* newlib's own does not notice that the product is too large. */
void* calloc(size_t count, size_t bytes)
{
    size_t product;
    if (!__builtin_mul_overflow(count, bytes, &product)) return _calloc_r(_REENT, 1, product);
    errno = ENOMEM;
    return NULL;
}

int posix_memalign(void** memory, size_t alignment, size_t bytes)
{
    if (alignment < sizeof(void*) || (alignment & (alignment - 1))) return EINVAL;
    *memory = memalign(alignment, bytes);
    return *memory ? 0 : ENOMEM;
}
