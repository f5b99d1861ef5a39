#include "llm/twin.h"

/* Larger chunks are rare, and keeping one would cost every open stream. */
enum { AROUND_MAX = 2048 };

void twin_fini(struct twin *t)
{
    buf_fini(&t->around);
}

void twin_set(struct twin *t, struct str doc, struct str text)
{
    t->head_len = (size_t)(text.at - doc.at);
    t->is_set = doc.len - text.len <= AROUND_MAX;
    if (!t->is_set)
        return;
    buf_clear(&t->around);
    buf_add(&t->around, str_first(doc, t->head_len));
    buf_add(&t->around, str_skip(doc, t->head_len + text.len));
}

bool twin_matches(const struct twin *t, struct str doc, struct str *text)
{
    struct fail ignored;
    if (!t->is_set || doc.len < t->around.len + 2)
        return false;
    size_t text_len = doc.len - t->around.len;
    struct str tail = str_skip(doc, t->head_len + text_len);
    *text = str_make(doc.at + t->head_len, text_len);
    fail_clear(&ignored);
    return text->at[0] == '"' && memcmp(doc.at, t->around.at, t->head_len) == 0 &&
           memcmp(tail.at, t->around.at + t->head_len, tail.len) == 0 &&
           json_check(*text, &ignored) == OK;
}
