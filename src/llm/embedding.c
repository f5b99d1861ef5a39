#include "llm/embedding.h"

#include "llm/fault.h"
#include "llm/splice.h"
#include "llm/tally.h"
#include "wire/base64.h"

#include <math.h>
#include <stdlib.h>

enum { EXACT_POWER = 22 };
#define EXACT_MAX ((int64_t)1 << 53)

/* ---- numbers ---- */

/* Digits and a power of ten that a double holds exactly; false sends the number to strtod. */
static bool parse_short(struct str text, double *out)
{
    static const double powers[EXACT_POWER + 1] = {
        1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
        1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
    };
    size_t i = text.at[0] == '-' ? 1 : 0;
    int64_t value = 0, power = 0, exponent = 0;
    bool has_point = false;
    for (; i < text.len && (text.at[i] | 0x20) != 'e'; i++) {
        if (text.at[i] == '.') {
            has_point = true;
            continue;
        }
        if (value >= EXACT_MAX)
            return false;
        value = value * 10 + (text.at[i] - '0');
        power -= has_point ? 1 : 0;
    }
    if (i < text.len) {
        struct str digits = str_skip(text, i + 1);
        if (str_to_i64(digits.len && digits.at[0] == '+' ? str_skip(digits, 1) : digits, &exponent))
            return false;
    }
    if (exponent < -99 || exponent > 99 || value >= EXACT_MAX)
        return false;
    power += exponent;
    if (power < -EXACT_POWER || power > EXACT_POWER)
        return false;
    double size = power < 0 ? (double)value / powers[-power] : (double)value * powers[power];
    *out = text.at[0] == '-' ? -size : size;
    return true;
}

static bool parse_float(struct str text, float *out)
{
    double value;
    if (json_kind(text) != JSON_NUMBER)
        return false;
    /* strtod stops by itself: in a document a comma or bracket follows every element. */
    if (!parse_short(text, &value))
        value = strtod(text.at, NULL);
    *out = (float)value;
    return isfinite(*out);
}

static void add_float(struct buf *bytes, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof(bits));
    char *at = buf_reserve(bytes, sizeof(bits));
    for (size_t i = 0; i < sizeof(bits); i++)
        at[i] = (char)(bits >> (8 * i) & 0xFF);
    bytes->len += sizeof(bits);
}

/* A JSON array of numbers to base64 text; false on an element that is no finite float. */
static bool pack(struct str numbers, struct buf *bytes, struct buf *out)
{
    struct json_iter it;
    struct str number;
    float value;
    buf_clear(bytes);
    json_iter_init(&it, numbers);
    while (json_next_element(&it, &number)) {
        if (!parse_float(number, &value))
            return false;
        add_float(bytes, value);
    }
    base64_encode(buf_str(bytes), out);
    return true;
}

/* base64 text to a JSON array; false on what is no base64 of finite floats. */
static bool unpack(struct str base64, struct buf *bytes, struct buf *out)
{
    buf_clear(bytes);
    if (base64_decode(base64, bytes) || bytes->len % sizeof(float))
        return false;
    buf_add_char(out, '[');
    for (size_t i = 0; i < bytes->len; i += sizeof(float)) {
        const unsigned char *at = (const unsigned char *)bytes->at + i;
        uint32_t bits =
            (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
        float value;
        memcpy(&value, &bits, sizeof(value));
        if (!isfinite(value))
            return false;
        buf_addf(out, "%s%.9g", i ? "," : "", (double)value);
    }
    buf_add_char(out, ']');
    return true;
}

/* ---- the document ---- */

struct vectors {
    struct arena *arena;
    bool wants_base64;
    bool is_broken;
    size_t len;
    struct buf bytes;
};

static void convert(struct vectors *in, struct splice_object *o)
{
    enum json_kind kind = json_kind(o->value);
    struct buf *out = o->splice->out;
    in->len++;
    if (kind == (in->wants_base64 ? JSON_STRING : JSON_ARRAY))
        return;
    if (kind != JSON_STRING && kind != JSON_ARRAY) {
        in->is_broken = true;
        return;
    }
    splice_open(o->splice, o->value);
    if (in->wants_base64) {
        buf_add_char(out, '"');
        in->is_broken |= !pack(o->value, &in->bytes, out);
        buf_add_char(out, '"');
    } else {
        in->is_broken |= !unpack(json_to_str(in->arena, o->value), &in->bytes, out);
    }
}

static void convert_all(struct vectors *in, struct splice *s, struct str data)
{
    struct json_iter it;
    struct str item;
    json_iter_init(&it, data);
    while (json_next_element(&it, &item)) {
        struct splice_object o;
        splice_walk(&o, s, item);
        while (splice_next(&o)) {
            if (KEY_IS(o.key, "embedding"))
                convert(in, &o);
        }
    }
}

enum err embedding_read(struct arena *a, const struct llm_request *r, const struct deployment *d,
                        const struct llm_answer_options *options, struct str body, struct buf *out,
                        struct llm_answer *answer, struct fail *fail)
{
    struct vectors in = { .arena = a, .wants_base64 = r->wants_base64 };
    struct splice s;
    struct splice_object o;
    struct fault fault = { 0 };
    size_t items = 0;

    splice_init(&s, body, out);
    splice_walk(&o, &s, body);
    while (splice_next(&o)) {
        fault_look(&fault, o.key, o.value);
        if (KEY_IS(o.key, "data")) {
            items = json_len(o.value);
            convert_all(&in, &s, o.value);
        } else if (KEY_IS(o.key, "usage")) {
            tally_take(answer, &o, o.value);
        } else if (KEY_IS(o.key, "model")) {
            answer->response_model = arena_str(a, json_to_str(a, o.value));
        }
    }
    if (options->is_simulated)
        splice_add(&o, "simulated", STR("true"));
    splice_end(&s);
    buf_fini(&in.bytes);
    answer->absurd_usage = arena_str(a, answer->absurd_usage);
    /* Embeddings have no output tokens, whatever a total may suggest. */
    answer->usage.output_tokens = 0;
    if (fault_found(&fault))
        return fault_refuse(a, d, body, fail);
    if (in.len == 0 || in.len != items || in.is_broken)
        return fail_set(fail, ERR_UPSTREAM_BROKEN, "provider '%.*s' sent no readable embeddings",
                        STR_ARG(d->provider->name));
    return OK;
}
