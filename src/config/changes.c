#include "config/lists.h"
#include "config/options.h"

/* ---- values of options ---- */

static struct str text_of(const struct field *f, const void *base)
{
    return *(const struct str *)((const char *)base + f->offset);
}

static struct names names_of(const struct field *f, const void *base)
{
    struct names names;
    memcpy(&names.at, (const char *)base + f->offset, sizeof(names.at));
    memcpy(&names.len, (const char *)base + f->more, sizeof(names.len));
    return names;
}

static bool are_names_same(struct names a, struct names b)
{
    bool is_same = a.len == b.len;
    for (size_t i = 0; is_same && i < a.len; i++)
        is_same = str_eq(a.at[i], b.at[i]);
    return is_same;
}

/* Of what is a plain value; text and lists of names are compared and copied by themselves. */
static size_t value_bytes(const struct field *f)
{
    switch (f->type) {
    case FIELD_BOOL:
    case FIELD_SWITCH: return sizeof(bool);
    case FIELD_CHOICE: return sizeof(int);
    case FIELD_INT:
    case FIELD_PRICE: return sizeof(int64_t);
    default: return 0;
    }
}

static bool is_same(const struct field *f, const void *a, const void *b)
{
    const char *one = a, *other = b;
    switch (f->type) {
    case FIELD_NAMES: return are_names_same(names_of(f, a), names_of(f, b));
    case FIELD_ADDRESS:
        return str_eq(text_of(f, a), text_of(f, b)) && !memcmp(one + f->more, other + f->more, sizeof(int));
    case FIELD_TEXT:
    case FIELD_DATE: return str_eq(text_of(f, a), text_of(f, b));
    default: return !memcmp(one + f->offset, other + f->offset, value_bytes(f));
    }
}

static void keep(const struct field *f, const struct config *running, struct config *fresh)
{
    const char *from = (const char *)running;
    char *to = (char *)fresh;
    HZ_ASSERT(f->type != FIELD_NAMES && f->type != FIELD_NODE);
    memcpy(to + f->offset, from + f->offset, value_bytes(f));
    if (value_bytes(f))
        return;
    struct str text = arena_str(&fresh->arena, text_of(f, running));
    memcpy(to + f->offset, &text, sizeof(text));
    if (f->type == FIELD_ADDRESS)
        memcpy(to + f->more, from + f->more, sizeof(int));
}

/* ---- lists ---- */

/* As they are printed, and the keys, which are not. */
static bool is_list_same(const struct config *a, const struct config *b, enum list_name list)
{
    struct buf one = { 0 }, other = { 0 };
    config_print_list(a, list, &one);
    config_print_list(b, list, &other);
    bool is_equal = str_eq(buf_str(&one), buf_str(&other));
    for (size_t i = 0; list == LIST_PROVIDERS && is_equal && i < a->providers_len; i++)
        is_equal = str_eq(a->providers[i].key, b->providers[i].key);
    buf_fini(&one);
    buf_fini(&other);
    return is_equal;
}

/* ---- the whole ---- */

static void add_name(struct buf *names, struct str name)
{
    if (names->len)
        buf_add(names, STR(", "));
    buf_add(names, name);
}

void config_compare(struct config *fresh, const struct config *running, struct buf *changed,
                    struct buf *kept)
{
    for (size_t i = 0; i < option_table.len; i++) {
        const struct field *f = &option_table.fields[i];
        if (is_same(f, fresh, running))
            continue;
        bool is_taken = f->marks & FIELD_RELOADABLE;
        add_name(is_taken ? changed : kept, str_of(f->name));
        if (!is_taken)
            keep(f, running, fresh);
    }
    config_derive(fresh);
    for (int i = 0; i < LIST_NAMES; i++) {
        if (!is_list_same(fresh, running, (enum list_name)i))
            add_name(changed, list_names[i]);
    }
}
