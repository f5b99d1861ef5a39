#include "wire/json.h"

static void add(struct json_edits *e, struct json_edit edit)
{
    if (e->len == JSON_EDITS_MAX) {
        e->is_full = true;
        return;
    }
    e->list[e->len++] = edit;
}

/* Offset of a pointer into the document. */
static size_t offset(struct str doc, const char *at)
{
    HZ_ASSERT(at >= doc.at && at <= doc.at + doc.len);
    return (size_t)(at - doc.at);
}

void json_replace(struct json_edits *e, struct str doc, struct str slice, struct str text)
{
    size_t from = offset(doc, slice.at);
    add(e, (struct json_edit) { from, from + slice.len, text, JSON_EDIT_REPLACE });
}

void json_remove_member(struct json_edits *e, struct str doc, struct str object, struct str raw_key)
{
    struct json_iter it;
    struct str key, value;
    json_iter_init(&it, object);
    while (json_next_member(&it, &key, &value)) {
        if (key.at != raw_key.at)
            continue;
        size_t to = offset(doc, value.at + value.len);
        add(e, (struct json_edit) { offset(doc, key.at), to, STR_NONE, JSON_EDIT_REMOVE });
        return;
    }
}

void json_add_member(struct json_edits *e, struct str doc, struct str object,
                     struct str member_text)
{
    object = json_trim(object);
    HZ_ASSERT(json_kind(object) == JSON_OBJECT && object.len >= 2);
    struct str inside = json_trim(str_first(str_skip(object, 1), object.len - 2));
    /* Behind the last member, so that white space before the bracket stays there. */
    const char *at = inside.len ? inside.at + inside.len : object.at + object.len - 1;
    size_t from = offset(doc, at);
    add(e, (struct json_edit) { from, from, member_text, JSON_EDIT_ADD });
}

/* Stable, so that members come out in the order in which they were added. */
static void sort(struct json_edits *e)
{
    for (size_t i = 1; i < e->len; i++) {
        struct json_edit edit = e->list[i];
        size_t j = i;
        for (; j > 0 && e->list[j - 1].from > edit.from; j--)
            e->list[j] = e->list[j - 1];
        e->list[j] = edit;
    }
}

static char last_visible(struct str text)
{
    text = json_trim(text);
    return text.len ? text.at[text.len - 1] : '\0';
}

static char first_visible(struct str text)
{
    text = json_trim(text);
    return text.len ? text.at[0] : '\0';
}

/* A removed member goes with the comma before it, which stands in the output already, or, where
 * it now begins its object, with the one behind it. Returns the offset to go on from. */
static size_t remove_comma(struct str doc, size_t to, struct buf *out)
{
    struct str behind = str_skip(doc, to);
    if (last_visible(buf_str(out)) == ',') {
        while (out->at[out->len - 1] != ',')
            out->len--;
        out->len--;
        return to;
    }
    return first_visible(behind) == ',' ? to + str_find_char(behind, ',') + 1 : to;
}

void json_apply(struct json_edits *e, struct str doc, struct buf *out)
{
    size_t at = 0;
    sort(e);
    for (size_t i = 0; i < e->len; i++) {
        const struct json_edit *edit = &e->list[i];
        if (edit->from < at)
            continue; /* inside of a member that is gone */
        buf_add(out, str_make(doc.at + at, edit->from - at));
        at = edit->to;
        if (edit->kind == JSON_EDIT_REMOVE)
            at = remove_comma(doc, at, out);
        if (edit->kind == JSON_EDIT_ADD && last_visible(buf_str(out)) != '{')
            buf_add_char(out, ',');
        buf_add(out, edit->text);
    }
    buf_add(out, str_skip(doc, at));
}
