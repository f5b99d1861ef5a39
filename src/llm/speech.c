#include "llm/speech.h"

void voice_init(struct voice *v, enum reasoning_format format)
{
    *v = (struct voice) { .tool_index = -1 };
    think_init(&v->think, format);
}

void speech_fini(struct speech *sp)
{
    buf_fini(&sp->text);
    buf_fini(&sp->reasoning);
    buf_fini(&sp->answer);
    buf_fini(&sp->kept);
}

static bool is_filled(struct str value)
{
    return json_kind(value) == JSON_STRING && value.len > 2;
}

static void count(struct speech *sp, struct str value)
{
    if (!is_filled(value))
        return;
    token_count_add_json(&sp->tokens, value);
    sp->has_content = true;
}

/* Beside the text: who goes on with the text alone would not know of it. */
static void count_more(struct speech *sp, struct str value)
{
    count(sp, value);
    sp->has_more |= is_filled(value);
}

static void bound_kept(struct speech *sp, bool is_text)
{
    sp->has_more = !is_text || sp->kept.len > SPEECH_KEPT_MAX;
    if (sp->has_more)
        buf_fini(&sp->kept);
}

static void append_decoded(struct buf *out, struct str contents)
{
    if (contents.len)
        out->len += json_decode(contents, buf_reserve(out, contents.len));
}

/* False for halves of characters that do not fit together. */
static bool keep_text(struct speech *sp, struct str value)
{
    struct json_halves halves = json_find_halves(value);
    struct str text = str_make(value.at + 1, value.len - 2);
    if (halves.has_within || halves.has_first != sp->is_torn)
        return false;
    if (sp->is_torn) {
        char pair[2 * JSON_ESCAPE_LEN];
        memcpy(pair, sp->half, JSON_ESCAPE_LEN);
        memcpy(pair + JSON_ESCAPE_LEN, text.at, JSON_ESCAPE_LEN);
        append_decoded(&sp->kept, str_make(pair, sizeof(pair)));
        text = str_skip(text, JSON_ESCAPE_LEN);
    }
    sp->is_torn = halves.has_last;
    if (sp->is_torn) {
        text.len -= JSON_ESCAPE_LEN;
        memcpy(sp->half, text.at + text.len, JSON_ESCAPE_LEN);
    }
    append_decoded(&sp->kept, text);
    return true;
}

void speech_say(struct speech *sp, struct str value)
{
    count(sp, value);
    if (!sp->keeps_text || sp->has_more || !is_filled(value))
        return;
    bound_kept(sp, keep_text(sp, value));
}

/* ---- content ---- */

/* Into the scratch. Whoever goes on with the text would not know of a character that came in halves. */
static bool append_text(struct speech *sp, struct str value, struct buf *out)
{
    struct json_halves halves = json_find_halves(value);
    sp->has_more |= halves.has_first || halves.has_last || halves.has_within;
    return json_str_append(value, out);
}

/* What the scratch holds. */
static void keep_answer(struct speech *sp)
{
    sp->has_more |= sp->reasoning.len > 0;
    if (!sp->keeps_text || sp->has_more)
        return;
    buf_add(&sp->kept, buf_str(&sp->answer));
    bound_kept(sp, true);
}

/* What the scratch holds, as members without the braces. */
static void write_members(struct speech *sp, struct buf *out, bool needs_content)
{
    bool has_reasoning = sp->reasoning.len > 0;
    bool has_answer = sp->answer.len > 0 || needs_content;
    if (has_reasoning) {
        buf_add(out, STR("\"reasoning_content\":"));
        buf_add_json(out, buf_str(&sp->reasoning));
    }
    if (has_answer) {
        buf_add(out, has_reasoning ? STR(",\"content\":") : STR("\"content\":"));
        buf_add_json(out, buf_str(&sp->answer));
    }
    sp->has_content |= has_reasoning || sp->answer.len > 0;
}

/* Replaces the current member, key and value, by reasoning_content and content. */
static void replace_content(struct speech *sp, struct splice_object *o)
{
    const char *end = o->value.at + o->value.len;
    splice_open(o->splice, str_make(o->raw_key.at, (size_t)(end - o->raw_key.at)));
    write_members(sp, o->splice->out, !sp->is_delta || sp->reasoning.len == 0);
}

static void clear_scratch(struct speech *sp)
{
    buf_clear(&sp->text);
    buf_clear(&sp->reasoning);
    buf_clear(&sp->answer);
}

static void rewrite_text(struct speech *sp, struct voice *v, struct splice_object *o, bool is_last)
{
    if (think_is_off(&v->think)) {
        sp->only_text = o->value;
        speech_say(sp, o->value);
        return;
    }
    if (json_is_null(o->value) && !is_last)
        return;
    clear_scratch(sp);
    if (append_text(sp, o->value, &sp->text))
        token_count_add_json(&sp->tokens, o->value);
    think_feed(&v->think, buf_str(&sp->text), &sp->reasoning, &sp->answer);
    if (is_last)
        think_flush(&v->think, &sp->reasoning, &sp->answer);
    if (sp->reasoning.len || !str_eq(buf_str(&sp->answer), buf_str(&sp->text)))
        replace_content(sp, o);
    sp->has_content |= sp->answer.len > 0;
    keep_answer(sp);
}

/* Mistral's form: parts of type thinking, which hold text parts themselves, and of type text. */
static bool read_part(struct speech *sp, struct str part, struct buf *out)
{
    struct str type = json_get(part, "type");
    if (!str_is(type, "\"text\""))
        return false;
    struct str text = json_get(part, "text");
    token_count_add_json(&sp->tokens, text);
    return append_text(sp, text, out);
}

static bool read_thinking(struct speech *sp, struct str part)
{
    struct json_iter it;
    struct str inner;
    if (!str_is(json_get(part, "type"), "\"thinking\""))
        return false;
    json_iter_init(&it, json_get(part, "thinking"));
    while (json_next_element(&it, &inner)) {
        if (!read_part(sp, inner, &sp->reasoning))
            return false;
    }
    return true;
}

static void rewrite_parts(struct speech *sp, struct splice_object *o)
{
    struct json_iter it;
    struct str part;
    int64_t counted = sp->tokens.millitokens;
    clear_scratch(sp);
    json_iter_init(&it, o->value);
    while (json_next_element(&it, &part)) {
        if (read_thinking(sp, part) || read_part(sp, part, &sp->answer))
            continue;
        /* A kind of part that is not known stays as it came. */
        sp->tokens.millitokens = counted;
        token_count_add(&sp->tokens, o->value);
        sp->has_content = sp->has_more = true;
        return;
    }
    replace_content(sp, o);
    keep_answer(sp);
}

struct str speech_rest(struct speech *sp, struct voice *v)
{
    clear_scratch(sp);
    think_flush(&v->think, &sp->reasoning, &sp->answer);
    write_members(sp, &sp->text, false);
    return buf_str(&sp->text);
}

/* ---- tool calls ---- */

static void rewrite_arguments(struct speech *sp, struct splice_object *o)
{
    enum json_kind kind = json_kind(o->value);
    if (kind == JSON_STRING) {
        count(sp, o->value);
        return;
    }
    splice_open(o->splice, o->value);
    if (kind == JSON_NULL) {
        buf_add(o->splice->out, sp->is_delta ? STR("\"\"") : STR("\"{}\""));
        return;
    }
    token_count_add(&sp->tokens, o->value);
    buf_add_json(o->splice->out, o->value);
}

static void rewrite_function(struct speech *sp, struct splice *s, struct str function)
{
    struct splice_object o;
    splice_walk(&o, s, function);
    while (splice_next(&o)) {
        if (KEY_IS(o.key, "arguments"))
            rewrite_arguments(sp, &o);
        else if (KEY_IS(o.key, "name"))
            count(sp, o.value);
        else if (KEY_IS(o.key, "call_id") && json_is_null(o.value))
            splice_drop(&o);
    }
}

static void rewrite_call(struct speech *sp, struct voice *v, struct splice *s, struct str call)
{
    bool has_index = false, has_id = false;
    struct splice_object o;
    splice_walk(&o, s, call);
    while (splice_next(&o)) {
        if (KEY_IS(o.key, "function"))
            rewrite_function(sp, s, o.value);
        else if (KEY_IS(o.key, "id"))
            has_id = is_filled(o.value);
        else if (KEY_IS(o.key, "index") && json_is_null(o.value))
            splice_drop(&o);
        else if (KEY_IS(o.key, "index"))
            has_index = json_to_i64(o.value, &v->tool_index);
    }
    if (has_index || !sp->is_delta)
        return;
    /* An id opens a call; fragments without one belong to the last. */
    v->tool_index =
        has_id || v->tool_index < 0 ? HZ_MIN(v->tool_index, INT32_MAX) + 1 : v->tool_index;
    buf_add_i64(splice_add_open(&o, "index"), v->tool_index);
}

static void rewrite_calls(struct speech *sp, struct voice *v, struct splice_object *o)
{
    struct json_iter it;
    struct str call;
    if (json_is_null(o->value)) {
        splice_drop(o);
        return;
    }
    json_iter_init(&it, o->value);
    while (json_next_element(&it, &call)) {
        if (json_kind(call) != JSON_OBJECT)
            continue;
        v->has_tools = sp->has_content = sp->has_more = true;
        rewrite_call(sp, v, o->splice, call);
    }
}

/* ---- the members ---- */

static void rewrite_role(const struct speech *sp, struct voice *v, struct splice_object *o)
{
    /* Clients that join deltas member by member would read "assistantassistant". */
    if (sp->is_delta && v->has_role)
        splice_drop(o);
    v->has_role = true;
}

static void rewrite_member(struct speech *sp, struct voice *v, struct splice_object *o,
                           bool is_last)
{
    if (KEY_IS(o->key, "content")) {
        if (json_kind(o->value) == JSON_ARRAY)
            rewrite_parts(sp, o);
        else
            rewrite_text(sp, v, o, is_last);
    } else if (KEY_IS(o->key, "role")) {
        rewrite_role(sp, v, o);
    } else if (KEY_IS(o->key, "tool_calls")) {
        rewrite_calls(sp, v, o);
    } else if (KEY_IS(o->key, "function_call")) {
        if (json_kind(o->value) == JSON_OBJECT) {
            sp->has_content = sp->has_more = true;
            rewrite_function(sp, o->splice, o->value);
        }
    } else if (KEY_IS(o->key, "audio")) {
        sp->has_content |= json_kind(o->value) == JSON_OBJECT;
        sp->has_more |= json_kind(o->value) == JSON_OBJECT;
    } else if (KEY_IS(o->key, "reasoning_content") || KEY_IS(o->key, "refusal")) {
        sp->only_text = o->value;
        count_more(sp, o->value);
    } else if (KEY_IS(o->key, "reasoning") &&
               !is_filled(json_get(o->object, "reasoning_content"))) {
        /* Servers that changed the name send both. */
        count_more(sp, o->value);
    }
}

void speech_rewrite(struct speech *sp, struct voice *v, struct splice *s, struct str object,
                    bool is_last)
{
    struct splice_object o;
    bool looks_for_tags = !think_is_off(&v->think);
    /* The provider took the reasoning out already: what looks like a tag is text. */
    if (looks_for_tags && is_filled(json_get(object, "reasoning_content"))) {
        looks_for_tags = false;
        v->think.state = THINK_OFF;
    }
    size_t members = 0;
    sp->only_text = STR_NONE;
    splice_walk(&o, s, object);
    for (; splice_next(&o); members++) {
        /* An empty one would stand beside the one that the tags give. */
        if (looks_for_tags && KEY_IS(o.key, "reasoning_content"))
            splice_drop(&o);
        else
            rewrite_member(sp, v, &o, is_last);
    }
    if (members != 1)
        sp->only_text = STR_NONE;
    struct str rest = is_last && !think_is_off(&v->think) ? speech_rest(sp, v) : STR_NONE;
    if (rest.len)
        splice_add_members(&o, rest);
}
