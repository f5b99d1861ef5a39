/* Any text as a price list: loaded or refused with a message that names a line; line ends of either
 * kind are the same; every row can be found again. */

#include "fuzz.h"

#include "config/prices.h"

static void check_rows(const struct price_list *list, struct str csv)
{
    struct buf similar = { 0 };
    for (struct str rest = csv; rest.at;) {
        struct str line = str_cut(&rest, '\n');
        struct str provider = str_cut(&line, ','), model = str_cut(&line, ',');
        if (!provider.len || !model.len || provider.at[0] == '"' || model.at[0] == '"')
            continue;
        const struct price *p = price_list_find(list, provider, model);
        if (str_is(provider, "provider"))
            continue;
        HZ_ASSERT(p && p->input_nusd_per_mtok >= 0 && p->output_nusd_per_mtok >= 0);
        HZ_ASSERT(p->cached_nusd_per_mtok >= PRICE_NONE);
        HZ_ASSERT(price_list_find(list, STR_NONE, model));
        price_list_similar(list, provider, str_first(model, model.len - 1), &similar);
    }
    buf_fini(&similar);
}

static void check_line_ends(struct str csv, bool is_good)
{
    struct buf b = { 0 }, errors = { 0 };
    for (struct str rest = csv; rest.at;) {
        buf_add(&b, str_cut(&rest, '\n'));
        if (rest.at)
            buf_add(&b, STR("\r\n"));
    }
    struct price_list *list = price_list_load(buf_str(&b), "prices.csv", &errors);
    HZ_ASSERT((list != NULL) == is_good);
    price_list_destroy(list);
    buf_fini(&errors);
    buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str csv = fuzz_copy(str_make((const char *)data, size));
    struct buf errors = { 0 };
    struct price_list *list = price_list_load(csv, "prices.csv", &errors);
    HZ_ASSERT((list == NULL) == (errors.len > 0));
    HZ_ASSERT(list || str_starts(buf_str(&errors), STR("prices.csv:")));
    if (list)
        check_rows(list, csv);
    if (str_find_char(csv, '\r') == SIZE_MAX)
        check_line_ends(csv, list != NULL);
    price_list_destroy(list);
    buf_fini(&errors);
    fuzz_free(csv);
    return 0;
}
