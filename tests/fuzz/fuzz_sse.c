/* Any split gives the same events and the same refusal of an event that is too long. */

#include "fuzz.h"

#include "wire/sse.h"

static void show(struct buf *out, const struct sse_event *e)
{
    buf_add_char(out, e->type.at ? 'T' : 't');
    buf_add_json(out, e->type);
    buf_add_char(out, e->has_data ? 'D' : 'd');
    buf_add_i64(out, (int64_t)e->data.len);
    buf_add(out, e->data);
}

static enum err read_all(struct str text, size_t step, size_t limit, struct buf *out)
{
    struct sse_reader r = { .event_limit = limit };
    struct sse_event e;
    bool is_event = true;
    enum err err = OK;
    for (; text.len && !err; text = str_skip(text, step)) {
        struct str piece = fuzz_copy(str_first(text, step)), in = piece;
        do {
            err = sse_next(&r, &in, &e, &is_event);
            if (!err && is_event)
                show(out, &e);
        } while (!err && is_event);
        HZ_ASSERT(err || in.len == 0);
        fuzz_free(piece);
    }
    if (!err) {
        err = sse_finish(&r, &e, &is_event);
        if (is_event)
            show(out, &e);
    }
    sse_fini(&r);
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = { (const char *)data, size };
    size_t limit = size & 1 ? 24 : 0;
    struct buf whole = { 0 }, split = { 0 };
    enum err err = read_all(text, size + 1, limit, &whole);
    for (size_t step = 1; step < 6; step++) {
        buf_clear(&split);
        HZ_ASSERT(read_all(text, step, limit, &split) == err);
        HZ_ASSERT(str_eq(buf_str(&split), buf_str(&whole)));
    }
    buf_fini(&whole);
    buf_fini(&split);
    return 0;
}
