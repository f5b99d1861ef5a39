#ifndef HZ_TESTS_FLOW_BOOKS_H
#define HZ_TESTS_FLOW_BOOKS_H
/*
 * books - what the ledger must hold after a run, by the word of others: which requests the provider
 * received, what it billed for them, how many attempts the metrics count.
 */

#include <sqlite3.h>

#include "sim/invoice.h"

enum { BOOKINGS_MAX = 16 };

struct booking {
    int64_t operation, attempt; /* as the request named them to the provider */
    bool is_billed;
    int64_t prompt_tokens, completion_tokens;
};

struct books {
    struct booking list[BOOKINGS_MAX];
    size_t len;
    int64_t attempts_before, repeated_before;
};

sqlite3 *books_open(const char *path);
int64_t books_number(sqlite3 *db, const char *sql, const char *parameter);

void books_begin(struct books *b);
/* The provider has received a request. */
void books_note(struct books *b, struct str request_id);
/* After the last request, while the provider is still there. */
void books_take_invoice(struct books *b, const struct invoice *invoice);
/* After the ledger's end and before it is opened again, which looks at slots of rows that it has:
 * no row was handed over twice. The ledger itself would hide it. */
void books_check_once(const struct books *b);
/* Every attempt has one row, and what was billed is charged. `is_cut_short`: the provider itself
 * may have billed what it never sent. */
void books_check(const struct books *b, sqlite3 *db, const char *correlation, bool is_cut_short);

#endif
