#include "base/random.h"

#include <errno.h>
#include <sys/random.h>

void random_bytes(void *out, size_t size)
{
    char *at = out;
    while (size) {
        ssize_t n = getrandom(at, size, 0);
        if (n < 0 && errno == EINTR)
            continue;
        HZ_ASSERT(n > 0);
        at += n;
        size -= (size_t)n;
    }
}

uint64_t random_below(uint64_t below)
{
    uint64_t value;
    uint64_t unfair = UINT64_MAX - UINT64_MAX % below;
    do {
        random_bytes(&value, sizeof(value));
    } while (value >= unfair);
    return value % below;
}

void random_hex(char *out, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        unsigned char byte;
        random_bytes(&byte, 1);
        out[2 * i] = digits[byte >> 4];
        out[2 * i + 1] = digits[byte & 15];
    }
    out[2 * size] = '\0';
}
