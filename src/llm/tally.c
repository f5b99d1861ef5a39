#include "llm/tally.h"

#include "llm/key.h"

/* What one usage object may say of one number, under any of its names. */
struct tally {
    int64_t input, output, total;
    int64_t cached, cache_write, reasoning;
    bool has_input, has_output, has_total;
};

static int64_t number_of(struct str value)
{
    int64_t n;
    return json_to_i64(value, &n) && n > 0 ? n : 0;
}

static void set_number(struct str value, int64_t *out, bool *has)
{
    if (json_kind(value) != JSON_NUMBER)
        return;
    *out = number_of(value);
    *has = true;
}

static void read_input_details(struct tally *t, struct str details)
{
    t->cached = HZ_MAX(t->cached, number_of(json_get(details, "cached_tokens")));
    t->cache_write = HZ_MAX(t->cache_write, number_of(json_get(details, "cache_write_tokens")));
}

static void read_member(struct tally *t, struct key key, struct str value)
{
    if (KEY_IS(key, "prompt_tokens") || KEY_IS(key, "input_tokens"))
        set_number(value, &t->input, &t->has_input);
    else if (KEY_IS(key, "completion_tokens") || KEY_IS(key, "output_tokens"))
        set_number(value, &t->output, &t->has_output);
    else if (KEY_IS(key, "total_tokens"))
        set_number(value, &t->total, &t->has_total);
    else if (KEY_IS(key, "prompt_tokens_details") || KEY_IS(key, "input_tokens_details"))
        read_input_details(t, value);
    else if (KEY_IS(key, "completion_tokens_details") || KEY_IS(key, "output_tokens_details"))
        t->reasoning = number_of(json_get(value, "reasoning_tokens"));
    else if (KEY_IS(key, "prompt_cache_hit_tokens") || KEY_IS(key, "cached_tokens"))
        t->cached = HZ_MAX(t->cached, number_of(value));
}

bool tally_read(struct str object, struct usage *out)
{
    struct tally t = { 0 };
    struct json_iter it;
    struct str raw, value;
    if (json_kind(object) != JSON_OBJECT)
        return false;
    json_iter_init(&it, object);
    while (json_next_member(&it, &raw, &value))
        read_member(&t, key_of(raw), value);
    if (!t.has_input && !t.has_output)
        return false;
    if (!t.has_input && t.has_total)
        t.input = HZ_MAX(t.total - t.output, 0);
    if (!t.has_output && t.has_total)
        t.output = HZ_MAX(t.total - t.input, 0);
    *out = (struct usage) {
        .input_tokens = t.input,
        .cached_tokens = HZ_MIN(t.cached, t.input),
        .cache_write_tokens = HZ_MIN(t.cache_write, t.input),
        .output_tokens = t.output,
        .reasoning_tokens = HZ_MIN(t.reasoning, t.output),
    };
    return true;
}

void tally_write(const struct usage *u, struct buf *out)
{
    buf_addf(out,
             "{\"prompt_tokens\":%lld,\"completion_tokens\":%lld,\"total_tokens\":%lld,"
             "\"prompt_tokens_details\":{\"cached_tokens\":%lld},"
             "\"completion_tokens_details\":{\"reasoning_tokens\":%lld}}",
             (long long)u->input_tokens, (long long)u->output_tokens,
             (long long)(u->input_tokens + u->output_tokens), (long long)u->cached_tokens,
             (long long)u->reasoning_tokens);
}
