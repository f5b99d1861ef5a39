/* Bytes as a spool, a slot or another process might hold them: refused, or a row that survives
 * another turn. */

#include "fuzz.h"

#include "ledger/handover.h"

static void check_again(const struct record *first, struct names *names)
{
    char *bytes = mem_alloc(ROW_BYTES_MAX);
    int64_t numbers[COL_NUMBERS], again[COL_NUMBERS];
    struct record *second = MEM_NEW(struct record);
    size_t len = row_encode(&first->row, names, bytes);
    HZ_ASSERT(len <= ROW_BYTES_MAX);
    struct str copy = fuzz_copy(str_make(bytes, len));
    HZ_ASSERT(row_decode(copy, names, second) == OK);
    row_numbers(&first->row, numbers);
    row_numbers(&second->row, again);
    HZ_ASSERT(memcmp(numbers, again, sizeof(numbers)) == 0);
    HZ_ASSERT(str_eq(first->row.correlation_id, second->row.correlation_id));
    fuzz_free(copy);
    mem_free(second);
    mem_free(bytes);
}

/* Most rows have no id of the caller's. */
static void check_without_correlation(const struct record *first, struct names *names)
{
    char *bytes = mem_alloc(ROW_BYTES_MAX);
    struct transfer row = first->row;
    struct record *second = MEM_NEW(struct record);
    row.correlation_id = STR_NONE;
    size_t len = row_encode(&row, names, bytes);
    HZ_ASSERT(row_decode(str_make(bytes, len), names, second) == OK);
    HZ_ASSERT(!second->row.correlation_id.at);
    mem_free(second);
    mem_free(bytes);
}

static void check_row(const struct record *r, struct names *names)
{
    int64_t numbers[COL_NUMBERS];
    row_numbers(&r->row, numbers);
    for (size_t i = 0; i < ROW_NAMES; i++)
        HZ_ASSERT(numbers[name_columns[i]] < names_count(names));
    HZ_ASSERT(r->row.correlation_id.len <= CORRELATION_LEN_MAX);
    for (size_t i = 0; i < r->row.correlation_id.len; i++)
        HZ_ASSERT((unsigned char)r->row.correlation_id.at[i] >= ' ');
    check_again(r, names);
    check_without_correlation(r, names);
}

/* The same bytes as rows with their lengths, one behind the other. */
static void check_list(struct str bytes)
{
    struct str rest = bytes, row;
    const char *at = bytes.at;
    while (handover_next_row(&rest, &row)) {
        HZ_ASSERT(row.at == at + sizeof(uint32_t));
        at = row.at + row.len;
        HZ_ASSERT(at == rest.at && rest.at + rest.len == bytes.at + bytes.len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct names *names = names_create();
    struct record *r = MEM_NEW(struct record);
    struct str bytes = fuzz_copy(str_make((const char *)data, size));
    if (row_decode(bytes, names, r) == OK)
        check_row(r, names);
    check_list(bytes);
    fuzz_free(bytes);
    mem_free(r);
    names_destroy(names);
    return 0;
}
