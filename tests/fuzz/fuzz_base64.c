/* Text that decodes is the one and only encoding of its bytes; any bytes survive both ways. */

#include "fuzz.h"

#include "wire/base64.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str input = { (const char *)data, size };
    struct buf there = { 0 }, back = { 0 };
    if (base64_decode(input, &there) == OK) {
        base64_encode(buf_str(&there), &back);
        HZ_ASSERT(str_eq(buf_str(&back), input));
    }
    buf_clear(&there);
    buf_clear(&back);
    base64_encode(input, &there);
    HZ_ASSERT(base64_decode(buf_str(&there), &back) == OK);
    HZ_ASSERT(str_eq(buf_str(&back), input));
    buf_fini(&there);
    buf_fini(&back);
    return 0;
}
