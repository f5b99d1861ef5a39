/* Any split gives the same data, end and error; what was decoded survives encoding and decoding. */

#include "fuzz.h"

#include "wire/chunked.h"

struct outcome {
    struct buf data;
    enum err err;
    size_t behind; /* bytes left over */
    bool is_done;
};

static struct outcome decode(struct str text, size_t step)
{
    struct outcome o = { 0 };
    struct chunked c = { 0 };
    while (text.len && !o.err && !c.is_done) {
        struct str piece = fuzz_copy(str_first(text, step)), in = piece, data;
        do {
            o.err = chunked_next(&c, &in, &data);
            if (!o.err)
                buf_add(&o.data, data);
        } while (!o.err && data.len);
        HZ_ASSERT(o.err || c.is_done || in.len == 0);
        text = str_skip(text, piece.len - in.len);
        fuzz_free(piece);
    }
    o.is_done = c.is_done;
    o.behind = o.err ? 0 : text.len;
    return o;
}

static void check_again(struct str data)
{
    struct buf b = { 0 };
    for (size_t size = 1; data.len; size = size * 3 + 1) {
        char line[CHUNKED_SIZE_MAX];
        struct str chunk = str_first(data, size);
        buf_add(&b, str_make(line, chunked_write_size(line, chunk.len)));
        buf_add(&b, chunk);
        buf_add(&b, STR("\r\n"));
        data = str_skip(data, chunk.len);
    }
    buf_add(&b, CHUNKED_LAST);
    struct outcome o = decode(buf_str(&b), 7);
    HZ_ASSERT(o.err == OK && o.is_done && o.behind == 0);
    buf_fini(&o.data);
    buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = { (const char *)data, size };
    struct outcome whole = decode(text, size + 1);
    for (size_t step = 1; step < 6; step++) {
        struct outcome split = decode(text, step);
        HZ_ASSERT(split.err == whole.err && split.is_done == whole.is_done);
        HZ_ASSERT(split.behind == whole.behind);
        HZ_ASSERT(str_eq(buf_str(&split.data), buf_str(&whole.data)));
        buf_fini(&split.data);
    }
    check_again(buf_str(&whole.data));
    buf_fini(&whole.data);
    return 0;
}
