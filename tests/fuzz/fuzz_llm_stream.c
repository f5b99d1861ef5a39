/* Each line is one event. What goes to the client is whole events of valid JSON; and the short way for
 * chunks that resemble the former one gives the same as reading each in full, in a first stream and in
 * one that goes on with another. */

#include "llm.h"

#include "llm/stream.h"

/* "data: {...}\n\n", any number of times. */
static void check_lines(struct str out)
{
    while (out.len) {
        size_t end = str_find(out, STR("\n\n"));
        HZ_ASSERT(str_starts(out, STR("data: {")) && end != SIZE_MAX);
        HZ_ASSERT(str_find_char(str_first(out, end), '\n') == SIZE_MAX);
        HZ_ASSERT(str_find_char(str_first(out, end), '\r') == SIZE_MAX);
        fuzz_check_json(str_make(out.at + 6, end - 6));
        out = str_skip(out, end + 2);
    }
}

/* The same event behind `count` more spaces: no chunk equals the one before it then. */
static struct str spread(struct str event, size_t count, struct buf *spaced)
{
    buf_clear(spaced);
    buf_add(spaced, str_first(event, 1));
    for (size_t i = 0; i < count; i++)
        buf_add_char(spaced, ' ');
    buf_add(spaced, str_skip(event, 1));
    return buf_str(spaced);
}

static void check_same(struct llm_stream *fast, struct llm_stream *slow, struct str event, size_t count)
{
    struct buf spaced = { 0 }, out = { 0 }, slow_out = { 0 };
    struct str copy = fuzz_copy(event);
    enum llm_stream_kind kind = llm_stream_event(fast, copy, &out);
    check_lines(buf_str(&out));
    HZ_ASSERT(kind == LLM_EVENT_CONTENT || kind == LLM_EVENT_NOTHING || out.len == 0);
    struct str trimmed = json_trim(event);
    if (trimmed.len && trimmed.at[0] == '{') {
        HZ_ASSERT(llm_stream_event(slow, spread(trimmed, count, &spaced), &slow_out) == kind);
        HZ_ASSERT(slow_out.len == (out.len ? out.len + count : 0));
        HZ_ASSERT(!out.len || str_eq(str_skip(buf_str(&slow_out), 7 + count), str_skip(buf_str(&out), 7)));
    } else {
        HZ_ASSERT(llm_stream_event(slow, copy, &slow_out) == kind);
    }
    fuzz_free(copy);
    buf_fini(&spaced);
    buf_fini(&out);
    buf_fini(&slow_out);
}

static void check_end(struct llm_stream *fast, struct llm_stream *slow)
{
    struct buf out = { 0 };
    struct llm_answer a, b;
    llm_stream_answer(fast, &a);
    llm_stream_answer(slow, &b);
    HZ_ASSERT(a.output_estimate == b.output_estimate && a.has_usage == b.has_usage);
    HZ_ASSERT(a.usage.cached_tokens >= 0 && a.usage.input_tokens >= a.usage.cached_tokens);
    HZ_ASSERT(str_eq(a.finish_reason, b.finish_reason) && str_eq(a.response_model, b.response_model));
    HZ_ASSERT(llm_stream_is_complete(fast) == llm_stream_is_complete(slow));
    struct llm_said said, same;
    bool can_go_on = llm_stream_said(fast, &said);
    HZ_ASSERT(can_go_on == llm_stream_said(slow, &same) && str_eq(said.text, same.text) && str_eq(said.id, same.id));
    HZ_ASSERT(!can_go_on || (said.text.len && said.text.len <= 256 * 1024));
    llm_stream_finish(fast, &out);
    check_lines(buf_str(&out));
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_deployment f;
    struct str rest = { (const char *)data, size };
    if (!fuzz_deployment_init(&f, &rest))
        return 0;
    struct llm_request r = { .is_stream = true, .wants_usage = data[0] & 128, .n = 1 };
    struct llm_said after = { .text = STR("So"), .id = STR("id"), .model = STR("m"), .created_s = 1 };
    f.options.keeps_text = true;
    f.options.after = data[1] & 8 ? &after : NULL;
    struct llm_stream *fast = llm_stream_create(&r, &f.deployment, &f.options);
    struct llm_stream *slow = llm_stream_create(&r, &f.deployment, &f.options);
    for (size_t count = 1; rest.at; count++)
        check_same(fast, slow, str_cut(&rest, '\n'), count);
    check_end(fast, slow);
    llm_stream_destroy(fast);
    llm_stream_destroy(slow);
    return 0;
}
