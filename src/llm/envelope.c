#include "llm/envelope.h"

static bool is_filled(struct str value)
{
    return json_kind(value) == JSON_STRING && value.len > 2;
}

/* The value as it came, or at = NULL where the fallback had to take its place. */
static struct str take_text(struct splice_object *o, struct str fallback, bool is_given)
{
    if (is_filled(o->value) && !is_given)
        return o->value;
    splice_open(o->splice, o->value);
    buf_add_json(o->splice->out, fallback);
    return STR_NONE;
}

static void take_created(struct envelope *e, struct splice_object *o)
{
    e->has_created = true;
    struct str whole = str_first(o->value, str_find_char(o->value, '.'));
    if (json_kind(o->value) != JSON_NUMBER || e->is_given) {
        splice_open(o->splice, o->value);
        buf_add_i64(o->splice->out, e->created_s);
        return;
    }
    if (!json_to_i64(o->value, &e->seen_created_s) && json_to_i64(whole, &e->seen_created_s))
        splice_replace(o->splice, o->value, whole);
}

bool envelope_take(struct envelope *e, struct splice_object *o)
{
    if (KEY_IS(o->key, "id")) {
        e->has_id = true;
        e->seen_id = take_text(o, e->id, e->is_given);
    } else if (KEY_IS(o->key, "model")) {
        e->has_model = true;
        e->seen_model = take_text(o, e->model, e->is_given);
    } else if (KEY_IS(o->key, "created")) {
        take_created(e, o);
    } else if (KEY_IS(o->key, "object")) {
        e->has_object = true;
        take_text(o, str_of(e->object), false);
    } else {
        return false;
    }
    return true;
}

void envelope_close(struct envelope *e, struct splice_object *o)
{
    if (!e->has_id)
        buf_add_json(splice_add_open(o, "id"), e->id);
    if (!e->has_object)
        buf_add_json(splice_add_open(o, "object"), str_of(e->object));
    if (!e->has_created)
        buf_add_i64(splice_add_open(o, "created"), e->created_s);
    if (!e->has_model)
        buf_add_json(splice_add_open(o, "model"), e->model);
    if (e->is_simulated)
        splice_add(o, "simulated", STR("true"));
}
