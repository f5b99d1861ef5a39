#include "books.h"

#include <stdlib.h>

#include "base/metrics.h"
#include "ledger/ledger.h"
#include "test.h"

enum { INPUT_NUSD = 1000, OUTPUT_NUSD = 2000 }; /* a token, as the world prices all its models */

sqlite3 *books_open(const char *path)
{
    sqlite3 *db;
    CHECK_EQ(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    return db;
}

int64_t books_number(sqlite3 *db, const char *sql, const char *parameter)
{
    sqlite3_stmt *statement;
    CHECK_EQ(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    if (parameter)
        sqlite3_bind_text(statement, 1, parameter, -1, SQLITE_STATIC);
    CHECK_EQ(sqlite3_step(statement), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return n;
}

/* The sum of all series of a counter. */
static int64_t counted(const char *name)
{
    struct buf text = { 0 };
    int64_t sum = 0, value;
    metrics_render(&text);
    struct str rest = buf_str(&text), line;
    while ((line = str_cut(&rest, '\n')).at && rest.at) {
        if (!str_starts(line, str_of(name)))
            continue;
        CHECK_OK(str_to_i64(str_skip(line, str_find_char(line, ' ') + 1), &value));
        sum += value;
    }
    buf_fini(&text);
    return sum;
}

void books_begin(struct books *b)
{
    *b = (struct books) {
        .attempts_before = counted("huntaze_attempts_total"),
        .repeated_before = counted("huntaze_ledger_repeated_rows_total"),
    };
}

/* "operation-attempt", the first in hexadecimal. */
static struct booking read_id(const char *text)
{
    char *end;
    struct booking booking = { .operation = (int64_t)strtoull(text, &end, 16) };
    CHECK(*end == '-');
    booking.attempt = strtol(end + 1, NULL, 10);
    CHECK(booking.attempt > 0);
    return booking;
}

static struct booking *find(struct books *b, const struct booking *wanted)
{
    for (size_t i = 0; i < b->len; i++) {
        if (b->list[i].operation == wanted->operation && b->list[i].attempt == wanted->attempt)
            return &b->list[i];
    }
    return NULL;
}

void books_note(struct books *b, struct str request_id)
{
    char text[INVOICE_ID_MAX];
    snprintf(text, sizeof(text), "%.*s", STR_ARG(request_id));
    struct booking booking = read_id(text);
    CHECK(!find(b, &booking)); /* an attempt sends its request once */
    CHECK(b->len < BOOKINGS_MAX);
    b->list[b->len++] = booking;
}

void books_take_invoice(struct books *b, const struct invoice *invoice)
{
    for (uint64_t i = invoice->first; i < invoice->next; i++) {
        const struct invoice_entry *e = &invoice->entries[i % invoice->cap];
        struct booking wanted = read_id(e->client_request_id), *booking = find(b, &wanted);
        CHECK(booking && !booking->is_billed);
        booking->is_billed = true;
        booking->prompt_tokens = e->prompt;
        booking->completion_tokens = e->completion;
    }
}

void books_check_once(const struct books *b)
{
    CHECK_EQ(counted("huntaze_ledger_repeated_rows_total"), b->repeated_before);
}

static void check_booking(const struct booking *booking, sqlite3 *db, bool is_cut_short)
{
    sqlite3_stmt *row;
    CHECK_EQ(
        sqlite3_prepare_v2(db,
                           "SELECT status, usage_source, input_tokens, output_tokens, amount_nusd "
                           "FROM transfer WHERE operation_id = ? AND attempt = ?",
                           -1, &row, NULL),
        SQLITE_OK);
    sqlite3_bind_int64(row, 1, booking->operation);
    sqlite3_bind_int64(row, 2, booking->attempt);
    CHECK_EQ(sqlite3_step(row), SQLITE_ROW);
    if (booking->is_billed && !is_cut_short)
        CHECK(sqlite3_column_int64(row, 4) > 0);
    if (sqlite3_column_int(row, 0) == ATTEMPT_OK) {
        CHECK(booking->is_billed);
        CHECK_EQ(sqlite3_column_int(row, 1), USAGE_PROVIDER);
        CHECK_EQ(sqlite3_column_int64(row, 2), booking->prompt_tokens);
        CHECK_EQ(sqlite3_column_int64(row, 3), booking->completion_tokens);
    }
    sqlite3_finalize(row);
}

void books_check(const struct books *b, sqlite3 *db, const char *correlation, bool is_cut_short)
{
    char wrong[200];
    int64_t rows =
        books_number(db, "SELECT count(*) FROM transfer WHERE correlation_id = ?", correlation);
    /* Those that never reached the provider have rows, too. */
    CHECK_EQ(rows, counted("huntaze_attempts_total") - b->attempts_before);
    CHECK_EQ(rows,
             books_number(db,
                          "SELECT coalesce(max(attempt), 0) FROM transfer WHERE correlation_id = ?",
                          correlation)); /* 1..n, each once: (operation, attempt, kind) is unique */
    for (size_t i = 0; i < b->len; i++)
        check_booking(&b->list[i], db, is_cut_short);
    snprintf(wrong, sizeof(wrong),
             "SELECT count(*) FROM transfer WHERE correlation_id = ? AND "
             "amount_nusd <> %d * input_tokens + %d * output_tokens",
             INPUT_NUSD, OUTPUT_NUSD);
    CHECK_EQ(books_number(db, wrong, correlation), 0);
}
