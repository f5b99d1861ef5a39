#include "config/prices.h"

#include "base/arena.h"
#include "base/mem.h"
#include "config/values.h"

enum { COLUMNS = 8, COLUMNS_NEEDED = 5, ROWS_MAX = 10000 };

static const char header[] = "provider,model,input_usd_per_mtok,output_usd_per_mtok,"
                             "cached_input_usd_per_mtok,context_tokens,max_output_tokens,source";

struct row {
    struct str provider, model;
    struct price price;
};

struct price_list {
    struct arena arena;
    struct row *rows;
    size_t len, cap;
};

struct csv {
    struct price_list *list;
    const char *name;
    int line;
    struct buf *errors;
    bool has_failed;
};

static void complain(struct csv *csv, const char *what)
{
    buf_addf(csv->errors, "%s:%d: %s\n", csv->name, csv->line, what);
    csv->has_failed = true;
}

/* RFC 4180 within one line: a quoted field doubles its quotes. False: a quote is left open, or
 * text follows a closing one. */
static bool cut_field(struct arena *a, struct str *rest, struct str *out)
{
    if (rest->len == 0 || rest->at[0] != '"') {
        *out = str_cut(rest, ',');
        return !out->len || !memchr(out->at, '"', out->len);
    }
    char *text = arena_alloc(a, rest->len);
    size_t len = 0, i = 1;
    for (; i < rest->len; i++) {
        if (rest->at[i] == '"' && (i + 1 == rest->len || rest->at[i + 1] != '"'))
            break;
        text[len++] = rest->at[i];
        if (rest->at[i] == '"')
            i++;
    }
    bool is_closed = i < rest->len;
    *rest = str_skip(*rest, i + 1);
    bool is_ended = is_closed && (rest->len == 0 || rest->at[0] == ',');
    *rest = rest->len ? str_skip(*rest, 1) : STR_NONE;
    *out = str_make(text, len);
    return is_ended;
}

static size_t cut_line(struct csv *csv, struct str line, struct str fields[COLUMNS])
{
    size_t count = 0;
    while (line.at && count < COLUMNS) {
        if (!cut_field(&csv->list->arena, &line, &fields[count])) {
            complain(csv, "a quoted field must end with a quote before the comma");
            return 0;
        }
        count++;
    }
    if (line.at)
        complain(csv, "too many fields; allowed: 8");
    else if (count < COLUMNS_NEEDED)
        complain(csv,
                 "too few fields; allowed: provider, model, three prices and up to three more");
    return line.at || count < COLUMNS_NEEDED ? 0 : count;
}

static bool read_price(struct csv *csv, struct str text, const char *column, int64_t *out)
{
    if (!value_price(text, out))
        return true;
    buf_addf(csv->errors,
             "%s:%d: %s: '%.*s' is not a price; allowed: dollars per million tokens, 0 or more, "
             "at most 9 decimals\n",
             csv->name, csv->line, column, (int)HZ_MIN(text.len, (size_t)40), text.at);
    csv->has_failed = true;
    return false;
}

static void row_add(struct price_list *list, struct row row)
{
    if (list->len == list->cap) {
        list->cap = list->cap ? list->cap * 2 : 64;
        list->rows = mem_realloc(list->rows, list->cap * sizeof(*list->rows));
    }
    row.provider = arena_str(&list->arena, row.provider);
    row.model = arena_str(&list->arena, row.model);
    list->rows[list->len++] = row;
}

static void read_line(struct csv *csv, struct str line)
{
    struct str fields[COLUMNS] = { 0 };
    if (cut_line(csv, line, fields) == 0)
        return;
    struct row row = { fields[0], fields[1], { PRICE_NONE, PRICE_NONE, PRICE_NONE } };
    if (row.provider.len == 0 || row.model.len == 0) {
        complain(csv, "provider and model must not be empty");
        return;
    }
    bool is_good = read_price(csv, fields[2], "input_usd_per_mtok", &row.price.input_nusd_per_mtok);
    is_good &= read_price(csv, fields[3], "output_usd_per_mtok", &row.price.output_nusd_per_mtok);
    if (fields[4].len)
        is_good &= read_price(csv, fields[4], "cached_input_usd_per_mtok",
                              &row.price.cached_nusd_per_mtok);
    if (!is_good)
        return;
    if (price_list_find(csv->list, row.provider, row.model)) {
        complain(csv, "this provider and model have a row already");
        return;
    }
    row_add(csv->list, row);
}

struct price_list *price_list_load(struct str text, const char *name, struct buf *errors)
{
    struct csv csv = { .list = MEM_NEW(struct price_list), .name = name, .errors = errors };
    for (struct str rest = text; rest.at && csv.list->len < ROWS_MAX;) {
        struct str line = str_cut(&rest, '\n');
        if (line.len && line.at[line.len - 1] == '\r')
            line.len--;
        csv.line++;
        if (csv.line == 1 && !str_is(line, header)) {
            buf_addf(errors, "%s:1: the first line must be the header: %s\n", name, header);
            csv.has_failed = true;
            break;
        }
        if (csv.line > 1 && line.len)
            read_line(&csv, line);
    }
    if (csv.line == 0 || csv.list->len == ROWS_MAX)
        complain(&csv, csv.line ? "too many rows; allowed: 10000" : "the price list is empty");
    if (!csv.has_failed)
        return csv.list;
    price_list_destroy(csv.list);
    return NULL;
}

void price_list_destroy(struct price_list *list)
{
    if (!list)
        return;
    arena_fini(&list->arena);
    mem_free(list->rows);
    mem_free(list);
}

const struct price *price_list_find(const struct price_list *list, struct str provider,
                                    struct str model)
{
    for (size_t i = 0; i < list->len; i++) {
        const struct row *row = &list->rows[i];
        if ((provider.len == 0 || str_eq_nocase(row->provider, provider)) &&
            str_eq_nocase(row->model, model))
            return &row->price;
    }
    return NULL;
}

void price_list_similar(const struct price_list *list, struct str provider, struct str model,
                        struct buf *out)
{
    size_t before = out->len;
    for (size_t i = 0; i < list->len; i++) {
        const struct row *row = &list->rows[i];
        if (!str_eq_nocase(row->provider, provider) || row->model.len <= model.len ||
            row->model.at[model.len] != '@' ||
            !str_eq_nocase(str_first(row->model, model.len), model))
            continue;
        if (out->len > before)
            buf_add(out, STR(", "));
        buf_add(out, row->model);
    }
}
