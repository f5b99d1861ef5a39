#include "sim/sim_call.h"

#include <math.h>

#include "base/clock.h"
#include "sim/answer.h"
#include "sim/text.h"
#include "wire/base64.h"
#include "wire/json.h"

/*
 * A unit vector for each input, by its text alone. Components have 9 decimals, so that the text
 * form and the float32 form of a vector are the same numbers.
 */
enum { INPUTS_MAX = 2048, DIMENSIONS_MAX = 4096, DECIMALS = 9 };
#define SCALE 1000000000.0

static int64_t own_dimensions(const struct sim_call *c)
{
    return str_contains_nocase(c->model, STR("3-large")) ? 3072 : 1536;
}

static int64_t input_tokens(struct sim_call *c, struct str input)
{
    if (json_kind(input) == JSON_ARRAY)
        return (int64_t)json_len(input);
    return text_tokens(json_to_str(c->arena, input).len);
}

static void make_vector(struct str input, int64_t *billionths, size_t len)
{
    uint64_t seed = str_hash(input);
    double sum = 0;
    for (size_t i = 0; i < len; i++) {
        int64_t part = (int64_t)(text_random(&seed) >> 44) - (1 << 19);
        billionths[i] = part;
        sum += (double)part * (double)part;
    }
    double scale = SCALE / sqrt(sum);
    for (size_t i = 0; i < len; i++)
        billionths[i] = llround((double)billionths[i] * scale);
}

static void add_decimal(struct buf *out, int64_t billionths)
{
    char digits[DECIMALS];
    uint64_t rest = (uint64_t)(billionths < 0 ? -billionths : billionths);
    buf_add(out, billionths < 0 ? STR("-") : STR(""));
    for (int i = DECIMALS; i-- > 0; rest /= 10)
        digits[i] = (char)('0' + rest % 10);
    buf_add_i64(out, (int64_t)rest);
    buf_add_char(out, '.');
    buf_add(out, str_make(digits, DECIMALS));
}

static void add_floats(struct buf *out, const int64_t *billionths, size_t len)
{
    buf_add_char(out, '[');
    for (size_t i = 0; i < len; i++) {
        buf_add(out, i ? STR(",") : STR(""));
        add_decimal(out, billionths[i]);
    }
    buf_add_char(out, ']');
}

/* Little-endian float32, whatever this machine is. */
static void add_base64(struct sim_call *c, struct buf *out, const int64_t *billionths, size_t len)
{
    unsigned char *bytes = arena_alloc(c->arena, len * 4);
    for (size_t i = 0; i < len; i++) {
        float value = (float)((double)billionths[i] / SCALE);
        uint32_t bits;
        memcpy(&bits, &value, sizeof(bits));
        for (int k = 0; k < 4; k++)
            bytes[i * 4 + (size_t)k] = (unsigned char)(bits >> (8 * k));
    }
    buf_add_char(out, '"');
    base64_encode(str_make((const char *)bytes, len * 4), out);
    buf_add_char(out, '"');
}

static void add_embedding(struct sim_call *c, struct str input, int64_t index, struct buf *out)
{
    size_t len = (size_t)(c->dimensions > 0 ? c->dimensions : own_dimensions(c));
    int64_t *billionths = arena_alloc(c->arena, len * sizeof(*billionths));
    make_vector(input, billionths, len);
    buf_add(out, index ? STR(",{\"object\":\"embedding\",\"index\":")
                       : STR("{\"object\":\"embedding\",\"index\":"));
    buf_add_i64(out, index);
    buf_add(out, STR(",\"embedding\":"));
    if (c->wants_base64)
        add_base64(c, out, billionths, len);
    else
        add_floats(out, billionths, len);
    buf_add_char(out, '}');
}

/* One input: text, or a list of token numbers. */
static bool is_single(struct str input)
{
    struct json_iter it;
    struct str first;
    if (json_kind(input) == JSON_STRING)
        return true;
    json_iter_init(&it, input);
    return json_next_element(&it, &first) && json_kind(first) == JSON_NUMBER;
}

static void write_body(struct sim_call *c, struct buf *out)
{
    buf_add(out, STR("{\"object\":\"list\",\"data\":["));
    if (is_single(c->input)) {
        c->prompt_tokens = input_tokens(c, c->input);
        add_embedding(c, c->input, 0, out);
    } else {
        struct json_iter it;
        struct str input;
        json_iter_init(&it, c->input);
        for (int64_t i = 0; json_next_element(&it, &input); i++) {
            c->prompt_tokens += input_tokens(c, input);
            add_embedding(c, input, i, out);
        }
    }
    buf_add(out, STR("],\"model\":"));
    buf_add_json(out, c->model);
    if (c->behave.usage.at) {
        buf_add(out, STR(",\"usage\":"));
        answer_write_false_usage(c, out);
    } else if (!c->behave.no_usage) {
        buf_addf(out, ",\"usage\":{\"prompt_tokens\":%lld,\"total_tokens\":%lld}",
                 (long long)c->prompt_tokens, (long long)c->prompt_tokens);
    }
    buf_add_char(out, '}');
}

enum err embed_serve(struct task *t, struct sim_call *c)
{
    struct refusal why;
    if (!is_single(c->input) && json_len(c->input) > INPUTS_MAX) {
        why = refusal_bad(STR("input"), STR("'input' has more than 2048 entries."));
        return sim_call_refuse(t, c, &why);
    }
    if (c->dimensions > DIMENSIONS_MAX) {
        why = refusal_bad(STR("dimensions"), STR("'dimensions' must be at most 4096."));
        return sim_call_refuse(t, c, &why);
    }
    enum err err = sim_call_delay(t, c);
    struct buf body = { 0 };
    write_body(c, &body);
    c->status = 200;
    c->is_billed = true;
    if (!err)
        err = http_reply(t, c->http, 200, sim_call_headers(c, "application/json"), buf_str(&body));
    c->is_completed = !err;
    buf_fini(&body);
    return err;
}
