#include "wire/lanes.h"

/* By itself, also when the program is linked as a whole: the stack protector that it earns would be
 * paid in every loop. */
__attribute__((noinline)) lanes lanes_load_part(const byte *at, size_t left)
{
    byte bytes[LANES_BYTES] = { 0 };
    memcpy(bytes, at, left);
    return lanes_load(bytes);
}
