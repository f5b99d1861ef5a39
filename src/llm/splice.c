#include "llm/splice.h"

void splice_init(struct splice *s, struct str doc, struct buf *out)
{
    *s = (struct splice) { .doc = doc, .out = out };
}

/* Copies the document up to `at`, unless that part is done already. */
static void copy_to(struct splice *s, const char *at)
{
    size_t to = (size_t)(at - s->doc.at);
    HZ_ASSERT(at >= s->doc.at && to <= s->doc.len);
    if (to <= s->done)
        return;
    buf_add(s->out, str_make(s->doc.at + s->done, to - s->done));
    s->done = to;
}

static void skip_to(struct splice *s, const char *at)
{
    size_t to = (size_t)(at - s->doc.at);
    s->done = HZ_MAX(s->done, to);
    s->edits++;
}

void splice_open(struct splice *s, struct str slice)
{
    copy_to(s, slice.at);
    skip_to(s, slice.at + slice.len);
}

void splice_replace(struct splice *s, struct str slice, struct str text)
{
    splice_open(s, slice);
    buf_add(s->out, text);
}

void splice_end(struct splice *s)
{
    copy_to(s, s->doc.at + s->doc.len);
}

void splice_walk(struct splice_object *o, struct splice *s, struct str object)
{
    o->splice = s;
    o->object = object;
    o->value = STR_NONE;
    o->kept_end = NULL;
    o->is_dropped = o->has_added = false;
    json_iter_init(&o->it, object);
}

bool splice_next(struct splice_object *o)
{
    if (o->value.at && !o->is_dropped)
        o->kept_end = o->value.at + o->value.len;
    o->is_dropped = false;
    if (!json_next_member(&o->it, &o->raw_key, &o->value)) {
        o->value = STR_NONE;
        return false;
    }
    o->key = key_of(o->raw_key);
    return true;
}

void splice_drop(struct splice_object *o)
{
    const char *end = o->value.at + o->value.len;
    o->is_dropped = true;
    if (o->kept_end) {
        copy_to(o->splice, o->kept_end);
        skip_to(o->splice, end);
        return;
    }
    /* The first one left in its object takes the comma behind it along. */
    struct str behind = json_trim(o->it.rest);
    if (behind.len && behind.at[0] == ',')
        end = str_trim(str_skip(behind, 1)).at;
    copy_to(o->splice, o->raw_key.at);
    skip_to(o->splice, end);
}

/* Goes behind the last member that stays, and sets the comma. */
static struct buf *add_begin(struct splice_object *o)
{
    struct splice *s = o->splice;
    copy_to(s, o->kept_end ? o->kept_end : o->object.at + 1);
    if (o->kept_end || o->has_added)
        buf_add_char(s->out, ',');
    o->has_added = true;
    s->edits++;
    return s->out;
}

struct buf *splice_add_open(struct splice_object *o, const char *name)
{
    struct buf *out = add_begin(o);
    buf_add_char(out, '"');
    buf_add(out, str_of(name));
    buf_add(out, STR("\":"));
    return out;
}

void splice_add(struct splice_object *o, const char *name, struct str value)
{
    buf_add(splice_add_open(o, name), value);
}

void splice_add_members(struct splice_object *o, struct str members)
{
    buf_add(add_begin(o), members);
}
