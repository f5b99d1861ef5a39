#include "config/fields.h"

#include "config/values.h"
#include "model/price.h"

static void *at_offset(void *base, size_t offset)
{
    return (char *)base + offset;
}

const struct field *field_find(struct field_table table, struct str name)
{
    for (size_t i = 0; i < table.len; i++) {
        if (str_is(name, table.fields[i].name))
            return &table.fields[i];
    }
    return NULL;
}

void field_describe_allowed(const struct field *f, struct buf *out)
{
    switch (f->type) {
    case FIELD_BOOL: buf_add(out, STR("true, false")); return;
    case FIELD_INT: buf_addf(out, "%lld to %lld", (long long)f->min, (long long)f->max); return;
    case FIELD_DATE: buf_add(out, STR("YYYY-MM-DD")); return;
    case FIELD_PRICE:
        buf_add(out, STR("dollars per million tokens, 0 or more, at most 9 decimals"));
        return;
    case FIELD_ADDRESS:
        buf_add(out, STR("host:port, such as 127.0.0.1:8080, [::1]:8080 or *:80"));
        return;
    case FIELD_TEXT:
    case FIELD_CHOICE:
    case FIELD_SWITCH:
    case FIELD_NAMES:
        if (f->choices)
            buf_add(out, str_of(f->choices));
        return;
    case FIELD_NODE: return;
    }
}

static enum err set_text(const struct field *f, struct arena *a, struct str text, void *at)
{
    if (f->choices && choice_index(f->choices, text) < 0)
        return ERR_CONFIG;
    struct str copy = arena_str(a, text);
    memcpy(at, &copy, sizeof(copy));
    return OK;
}

static enum err set_choice(const struct field *f, struct str text, void *at)
{
    int index = choice_index(f->choices, text);
    if (index < 0)
        return ERR_CONFIG;
    bool is_second = index == 1;
    if (f->type == FIELD_SWITCH)
        memcpy(at, &is_second, sizeof(is_second));
    else
        memcpy(at, &index, sizeof(index));
    return OK;
}

static enum err put_names(const struct field *f, const struct str *names, size_t len, void *base)
{
    for (size_t i = 0; i < len; i++) {
        if (names[i].len == 0 || (f->choices && choice_index(f->choices, names[i]) < 0))
            return ERR_CONFIG;
    }
    memcpy(at_offset(base, f->offset), &names, sizeof(struct str *));
    memcpy(at_offset(base, f->more), &len, sizeof(len));
    return OK;
}

static enum err set_list(const struct field *f, struct arena *a, const struct node *list, void *base)
{
    struct str *names = arena_alloc(a, (list->len + 1) * sizeof(*names));
    size_t len = 0;
    for (const struct node *item = list->first; item; item = item->next)
        names[len++] = item->kind == NODE_SCALAR ? item->text : STR_NONE;
    return put_names(f, names, len, base);
}

static enum err set_names(const struct field *f, struct arena *a, struct str text, void *base)
{
    size_t len = 0, room = 1;
    for (size_t i = 0; i < text.len; i++)
        room += text.at[i] == ',';
    struct str *names = arena_alloc(a, room * sizeof(*names));
    for (struct str rest = arena_str(a, text); rest.at;)
        names[len++] = str_trim(str_cut(&rest, ','));
    return put_names(f, names, len, base);
}

/* `text` is a scalar's. */
static enum err set_scalar(const struct field *f, struct arena *a, struct str text, void *base)
{
    void *at = at_offset(base, f->offset);
    switch (f->type) {
    case FIELD_BOOL: return value_bool(text, at);
    case FIELD_INT: return value_int(text, f->min, f->max, at);
    case FIELD_TEXT: return set_text(f, a, text, at);
    case FIELD_CHOICE:
    case FIELD_SWITCH: return set_choice(f, text, at);
    case FIELD_DATE: return value_is_date(text) ? set_text(f, a, text, at) : ERR_CONFIG;
    case FIELD_PRICE: return value_price(text, at);
    case FIELD_ADDRESS: return value_address(a, text, at, at_offset(base, f->more));
    case FIELD_NAMES: return set_names(f, a, text, base);
    case FIELD_NODE: break;
    }
    return ERR_CONFIG;
}

void fields_preset(struct field_table table, struct arena *a, void *base)
{
    for (size_t i = 0; i < table.len; i++) {
        const struct field *f = &table.fields[i];
        if (!f->preset)
            continue;
        enum err err = set_scalar(f, a, str_of(f->preset), base);
        HZ_ASSERT(!err);
    }
}

static const char *what_it_is(const struct field *f)
{
    switch (f->type) {
    case FIELD_INT: return "a whole number in range";
    case FIELD_BOOL: return "a truth value";
    case FIELD_DATE: return "a date";
    case FIELD_PRICE: return "a price";
    case FIELD_ADDRESS: return "an address";
    case FIELD_NAMES: return f->choices ? "a list of allowed words" : "a list of texts";
    default: return f->choices ? "an allowed word" : "a text";
    }
}

static const char *kind_text(const struct node *node)
{
    return node->kind == NODE_MAP ? "a map" : "a list";
}

static void note_bad_value(const struct field *f, const struct reading *r, const struct node *node)
{
    struct buf allowed = { 0 };
    field_describe_allowed(f, &allowed);
    if (f->unit && allowed.len)
        buf_addf(&allowed, " (%s)", f->unit);
    struct str shown = f->marks & FIELD_SECRET ? STR("the value") : STR_NONE;
    if (!shown.at && node->kind == NODE_SCALAR)
        shown = arena_printf(r->arena, "'%.*s'", STR_ARG(problem_quote(r->arena, node->text)));
    if (!shown.at)
        shown = f->type == FIELD_NAMES && node->kind == NODE_LIST ? STR("the list")
                                                                  : str_of(kind_text(node));
    problem(r->problems, node->origin, "%s%s: %.*s is not %s%s%.*s", r->prefix, f->name,
            STR_ARG(shown), what_it_is(f), allowed.len ? "; allowed: " : "",
            STR_ARG(buf_str(&allowed)));
    buf_fini(&allowed);
}

static bool is_wrongly_empty(const struct field *f, const struct node *node)
{
    return f->type == FIELD_TEXT && (f->marks & (FIELD_REQUIRED | FIELD_FILLED)) &&
           node->kind == NODE_SCALAR && str_trim(node->text).len == 0;
}

static void read_field(const struct field *f, const struct reading *r, const struct node *node,
                       void *base)
{
    enum err err;
    if (f->type == FIELD_NODE) {
        memcpy(at_offset(base, f->offset), &node, sizeof(struct node *));
        return;
    }
    if (is_wrongly_empty(f, node)) {
        problem(r->problems, node->origin, "%s%s: must not be empty: %s", r->prefix, f->name, f->help);
        return;
    }
    if (f->type == FIELD_NAMES && node->kind == NODE_LIST)
        err = set_list(f, r->arena, node, base);
    else
        err = node->kind == NODE_SCALAR ? set_scalar(f, r->arena, node->text, base) : ERR_CONFIG;
    if (err)
        note_bad_value(f, r, node);
}

/* The names that may stand at this level: the first part of each that begins with `prefix`. */
static size_t names_at(struct field_table table, const struct reading *r, struct str prefix,
                       struct str **out)
{
    struct str *names = arena_alloc(r->arena, (table.len + r->also_len) * sizeof(*names));
    size_t len = 0;
    for (size_t i = 0; i < table.len; i++) {
        struct str rest = str_of(table.fields[i].name);
        if (!str_starts(rest, prefix))
            continue;
        rest = str_skip(rest, prefix.len);
        struct str name = str_cut(&rest, '.');
        if (len == 0 || !str_eq(names[len - 1], name))
            names[len++] = name;
    }
    for (size_t i = 0; i < r->also_len && prefix.len == 0; i++)
        names[len++] = r->also[i];
    *out = names;
    return len;
}

static void note_unknown(struct field_table table, const struct reading *r, struct str prefix,
                         const struct node *node)
{
    struct str *names;
    size_t len = names_at(table, r, prefix, &names);
    struct str guess = problem_suggest(node->key, names, len);
    struct buf text = { 0 };
    buf_addf(&text, "%s%.*s", r->prefix, STR_ARG(prefix));
    if (text.len) {
        text.len--; /* the dot */
        buf_add(&text, STR(": "));
    }
    buf_addf(&text, "unknown key '%.*s'", STR_ARG(problem_quote(r->arena, node->key)));
    if (guess.at)
        buf_addf(&text, "; did you mean '%.*s'?", STR_ARG(guess));
    buf_add(&text, STR("; allowed: "));
    for (size_t i = 0; i < len; i++)
        buf_addf(&text, "%s%.*s", i ? ", " : "", STR_ARG(names[i]));
    problem(r->problems, node->origin, "%.*s", STR_ARG(buf_str(&text)));
    buf_fini(&text);
}

/* Recursion is bounded by the tree's depth, and ends where no field's name goes on. */
static void read_level(struct field_table table, const struct reading *r, struct str prefix,
                       const struct node *map, void *base)
{
    for (const struct node *node = map->first; node; node = node->next) {
        struct str name = arena_printf(r->arena, "%.*s%.*s", STR_ARG(prefix), STR_ARG(node->key));
        const struct field *f = field_find(table, name);
        if (f) {
            if (!node->is_null)
                read_field(f, r, node, base);
            continue;
        }
        struct str deeper = arena_printf(r->arena, "%.*s.", STR_ARG(name));
        struct str *names;
        if (names_at(table, &(struct reading) { .arena = r->arena }, deeper, &names) == 0)
            note_unknown(table, r, prefix, node);
        else if (node->kind == NODE_MAP)
            read_level(table, r, deeper, node, base);
        else if (!node->is_null)
            problem(r->problems, node->origin, "%s%.*s: must be a map of options", r->prefix,
                    STR_ARG(name));
    }
}

static bool is_given(const struct node *map, struct str name)
{
    const struct node *node = document_find(map, name);
    return node && !node->is_null;
}

void fields_read(struct field_table table, const struct reading *r, const struct node *map,
                 void *base)
{
    read_level(table, r, STR(""), map, base);
    for (size_t i = 0; i < table.len; i++) {
        const struct field *f = &table.fields[i];
        if ((f->marks & FIELD_REQUIRED) && !is_given(map, str_of(f->name)))
            problem(r->problems, map->origin, "%s%s: missing: %s", r->prefix, f->name, f->help);
    }
}

static void print_names(const struct field *f, const void *base, struct buf *out)
{
    const struct str *names;
    size_t len;
    memcpy(&names, (const char *)base + f->offset, sizeof(names));
    memcpy(&len, (const char *)base + f->more, sizeof(len));
    buf_add_char(out, '[');
    for (size_t i = 0; i < len; i++) {
        if (i)
            buf_add(out, STR(", "));
        buf_add_json(out, names[i]);
    }
    buf_add_char(out, ']');
}

static void print_text(const struct field *f, struct str text, struct buf *out)
{
    struct arena scratch = { 0 };
    if (f->marks & FIELD_SECRET)
        text = STR("***");
    else if (f->marks & FIELD_URL_PASSWORD)
        text = url_without_password(&scratch, text);
    buf_add_json(out, text);
    arena_fini(&scratch);
}

static void print_address(const struct field *f, const void *base, struct buf *out)
{
    const struct str *host = (const void *)((const char *)base + f->offset);
    const int *port = (const void *)((const char *)base + f->more);
    bool is_ipv6 = str_find_char(*host, ':') != SIZE_MAX;
    buf_addf(out, is_ipv6 ? "\"[%.*s]:%d\"" : "\"%.*s:%d\"", STR_ARG(*host), *port);
}

static bool has_value(const struct field *f, const void *base)
{
    const void *at = (const char *)base + f->offset;
    const struct str *names;
    switch (f->type) {
    case FIELD_TEXT:
    case FIELD_DATE: return ((const struct str *)at)->len > 0;
    case FIELD_PRICE: return *(const int64_t *)at != PRICE_NONE;
    case FIELD_CHOICE: return *(const int *)at >= 0;
    case FIELD_NAMES: memcpy(&names, at, sizeof(names)); return names != NULL;
    case FIELD_INT: return *(const int64_t *)at >= f->min && *(const int64_t *)at <= f->max;
    case FIELD_NODE: return false;
    default: return true;
    }
}

static void print_value(const struct field *f, const void *base, struct buf *out)
{
    const void *at = (const char *)base + f->offset;
    switch (f->type) {
    case FIELD_BOOL: buf_add(out, *(const bool *)at ? STR("true") : STR("false")); return;
    case FIELD_INT: buf_add_i64(out, *(const int64_t *)at); return;
    case FIELD_TEXT:
    case FIELD_DATE: print_text(f, *(const struct str *)at, out); return;
    case FIELD_CHOICE: buf_add(out, choice_at(f->choices, *(const int *)at)); return;
    case FIELD_SWITCH: buf_add(out, choice_at(f->choices, *(const bool *)at)); return;
    case FIELD_NAMES: print_names(f, base, out); return;
    case FIELD_PRICE: buf_add_usd(out, *(const int64_t *)at); return;
    case FIELD_ADDRESS: print_address(f, base, out); return;
    case FIELD_NODE: return;
    }
}

void fields_print(struct field_table table, const void *base, int indent, struct buf *out)
{
    struct str section = STR_NONE;
    for (size_t i = 0; i < table.len; i++) {
        const struct field *f = &table.fields[i];
        if (!has_value(f, base))
            continue;
        struct str name = str_of(f->name);
        size_t dot = str_find_char(name, '.');
        struct str own = dot == SIZE_MAX ? STR_NONE : str_first(name, dot);
        if (own.at && !str_eq(own, section))
            buf_addf(out, "%*s%.*s:\n", indent, "", STR_ARG(own));
        section = own;
        buf_addf(out, "%*s%s: ", indent + (own.at ? 2 : 0), "",
                 own.at ? f->name + dot + 1 : f->name);
        print_value(f, base, out);
        buf_add_char(out, '\n');
    }
}
