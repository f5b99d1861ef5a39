#include "llm/tally.h"

#include "llm/key.h"

enum { ABSURD_MAX = 80 };

/* What one usage object may say of one number, under any of its names. */
struct tally_reading {
    int64_t input, output, total;
    int64_t cached, cache_write, reasoning;
    bool has_input, has_output, has_total;
    bool is_absurd; /* the member under way, or one before */
};

/* False when nothing is stated; a number that cannot be true is noted. */
static bool take_number(struct tally_reading *t, struct str value, int64_t *out)
{
    int64_t n;
    if (!value.at || json_kind(value) == JSON_NULL)
        return false;
    if (!json_to_i64(value, &n) || n < 0 || n > USAGE_CLASS_MOST) {
        t->is_absurd = true;
        return false;
    }
    *out = n;
    return true;
}

static void read_most(struct tally_reading *t, struct str value, int64_t *out)
{
    int64_t n;
    if (take_number(t, value, &n))
        *out = HZ_MAX(*out, n);
}

static void read_input_details(struct tally_reading *t, struct str details)
{
    read_most(t, json_get(details, "cached_tokens"), &t->cached);
    read_most(t, json_get(details, "cache_write_tokens"), &t->cache_write);
}

static void read_member(struct tally_reading *t, struct key key, struct str value)
{
    if (KEY_IS(key, "prompt_tokens") || KEY_IS(key, "input_tokens"))
        t->has_input |= take_number(t, value, &t->input);
    else if (KEY_IS(key, "completion_tokens") || KEY_IS(key, "output_tokens"))
        t->has_output |= take_number(t, value, &t->output);
    else if (KEY_IS(key, "total_tokens"))
        t->has_total |= take_number(t, value, &t->total);
    else if (KEY_IS(key, "prompt_tokens_details") || KEY_IS(key, "input_tokens_details"))
        read_input_details(t, value);
    else if (KEY_IS(key, "completion_tokens_details") || KEY_IS(key, "output_tokens_details"))
        read_most(t, json_get(value, "reasoning_tokens"), &t->reasoning);
    else if (KEY_IS(key, "prompt_cache_hit_tokens") || KEY_IS(key, "cached_tokens"))
        read_most(t, value, &t->cached);
}

enum tally tally_read(struct str object, struct usage *out, struct str *absurd)
{
    struct tally_reading t = { 0 };
    struct json_iter it;
    struct str raw, value;
    if (json_kind(object) != JSON_OBJECT)
        return TALLY_NONE;
    json_iter_init(&it, object);
    while (json_next_member(&it, &raw, &value)) {
        read_member(&t, key_of(raw), value);
        if (t.is_absurd) {
            *absurd =
                str_first(str_make(raw.at, (size_t)(value.at + value.len - raw.at)), ABSURD_MAX);
            return TALLY_ABSURD;
        }
    }
    if (!t.has_input && !t.has_output)
        return TALLY_NONE;
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
    return TALLY_STATED;
}

void tally_take(struct llm_answer *answer, struct splice_object *o, struct str object)
{
    enum tally tally = tally_read(object, &answer->usage, &answer->absurd_usage);
    answer->has_usage |= tally == TALLY_STATED;
    if (tally == TALLY_ABSURD)
        splice_drop(o);
}

void tally_write(const struct usage *u, struct buf *out)
{
    buf_addf(out,
             "{\"prompt_tokens\":%lld,\"completion_tokens\":%lld,\"total_tokens\":%lld,"
             "\"prompt_tokens_details\":{\"cached_tokens\":%lld},"
             "\"completion_tokens_details\":{\"reasoning_tokens\":%lld}}",
             (long long)u->input_tokens, (long long)u->output_tokens,
             (long long)num_add_capped(u->input_tokens, u->output_tokens),
             (long long)u->cached_tokens, (long long)u->reasoning_tokens);
}
