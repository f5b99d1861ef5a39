#include "llm/replay.h"

#include "llm/dialect.h"
#include "llm/think.h"

struct replaying {
    struct splice *splice;
    const struct capabilities *caps;
    bool drops_index;
    bool is_assistant; /* the message at hand */
    struct buf text;
    struct buf reasoning;
};

/* The text in r->text without its think block, as a JSON string in place of `slice`. */
static void write_text(struct replaying *r, struct str slice, bool strips)
{
    struct str text = buf_str(&r->text);
    struct buf answer = { 0 };
    if (strips) {
        struct think think;
        think_init(&think, REASONING_THINK_TAG);
        buf_clear(&r->reasoning);
        think_feed(&think, text, &r->reasoning, &answer);
        think_flush(&think, &r->reasoning, &answer);
        text = buf_str(&answer);
    }
    splice_open(r->splice, slice);
    buf_add_json(r->splice->out, text);
    buf_fini(&answer);
}

/* "<" may be escaped, the word is not. */
static bool may_think(const struct replaying *r, struct str value)
{
    return r->is_assistant && r->caps->strips_reasoning_in &&
           str_find(value, STR("think")) != SIZE_MAX;
}

static void strip_string(struct replaying *r, struct str value)
{
    if (!may_think(r, value))
        return;
    buf_clear(&r->text);
    if (json_str_append(value, &r->text))
        write_text(r, value, true);
}

/* Joins the texts of all parts in r->text; false when one is no text. */
static bool join_parts(struct replaying *r, struct str parts)
{
    struct json_iter it;
    struct str part;
    buf_clear(&r->text);
    json_iter_init(&it, parts);
    for (bool is_first = true; json_next_element(&it, &part); is_first = false) {
        if (!str_is(json_get(part, "type"), "\"text\""))
            return false;
        if (!is_first)
            buf_add_char(&r->text, '\n');
        if (!json_str_append(json_get(part, "text"), &r->text))
            return false;
    }
    return true;
}

static void rewrite_parts(struct replaying *r, struct str parts)
{
    if (r->caps->flattens_text_parts && join_parts(r, parts)) {
        write_text(r, parts, may_think(r, parts));
        return;
    }
    struct json_iter it;
    struct str part;
    json_iter_init(&it, parts);
    while (json_next_element(&it, &part))
        strip_string(r, json_get(part, "text"));
}

static void drop_indexes(struct replaying *r, struct str calls)
{
    struct json_iter it;
    struct str call;
    json_iter_init(&it, calls);
    while (json_next_element(&it, &call)) {
        struct splice_object o;
        splice_walk(&o, r->splice, call);
        while (splice_next(&o)) {
            if (KEY_IS(o.key, "index"))
                splice_drop(&o);
        }
    }
}

static void rewrite_message(struct replaying *r, struct str message)
{
    struct splice_object o;
    r->is_assistant = str_is(json_get(message, "role"), "\"assistant\"");
    bool strips = r->is_assistant && r->caps->strips_reasoning_in;
    splice_walk(&o, r->splice, message);
    while (splice_next(&o)) {
        bool is_developer = KEY_IS(o.key, "role") && str_is(o.value, "\"developer\"");
        if (is_developer && !r->caps->has_developer_role)
            splice_replace(r->splice, o.value, STR("\"system\""));
        else if (strips && (KEY_IS(o.key, "reasoning_content") || KEY_IS(o.key, "reasoning")))
            splice_drop(&o);
        else if (KEY_IS(o.key, "content") && json_kind(o.value) == JSON_ARRAY)
            rewrite_parts(r, o.value);
        else if (KEY_IS(o.key, "content"))
            strip_string(r, o.value);
        else if (KEY_IS(o.key, "tool_calls") && r->drops_index)
            drop_indexes(r, o.value);
    }
}

void replay_rewrite(struct splice *s, struct str messages, const struct deployment *d)
{
    struct replaying r = {
        .splice = s,
        .caps = &d->caps,
        .drops_index = dialect_info(d->provider->dialect)->drops_extra,
    };
    bool takes_all = r.caps->has_developer_role && !r.caps->flattens_text_parts &&
                     !r.caps->strips_reasoning_in && !r.drops_index;
    if (takes_all)
        return;
    struct json_iter it;
    struct str message;
    json_iter_init(&it, messages);
    while (json_next_element(&it, &message))
        rewrite_message(&r, message);
    buf_fini(&r.text);
    buf_fini(&r.reasoning);
}
