#ifndef HZ_BASE_RANDOM_H
#define HZ_BASE_RANDOM_H
/* random - bytes from the kernel's generator, fit for keys and tokens. Any thread. */

#include "base/defs.h"

void random_bytes(void *out, size_t size);
/* Uniform in [0, below); below > 0. */
uint64_t random_below(uint64_t below);
/* 2 * size lower-case hex digits and a final NUL. */
void random_hex(char *out, size_t size);

#endif
