#ifndef HZ_STORE_STORE_H
#define HZ_STORE_STORE_H
/*
 * store - the database behind one interface: SQLite (WAL, synchronous=FULL) or PostgreSQL.
 *
 * Plain blocking code, called only by the committer thread, by worker threads and by the command
 * line, never by a loop. SQL text stands in one table of statements with a column per database;
 * values are always bound.
 *
 * Thread: one store belongs to one thread at a time; open several for several threads.
 * Errors: ERR_STORE with the database's message in store_error(); ERR_EXISTS for a unique key.
 */

#include "base/buf.h"

struct store;

/* url: "sqlite:PATH" (created if missing, its directory too) or "postgresql://...". Applies pending
 * migrations under a lock unless `is_read_only`. A damaged or foreign database is refused; how long
 * SQLite's check may take is bounded, and `no_migrate` leaves it out (further connections of a
 * process that has opened the database already). `option` is what chose the URL, for people; NULL:
 * store.url. */
struct store_options {
    struct str url;
    const char *option;
    bool is_read_only;
    bool no_migrate;
};
enum err store_open(const struct store_options *options, struct store **out, struct fail *fail) HZ_MUST_USE;
void store_close(struct store *s);
const char *store_error(const struct store *s);
bool store_is_postgres(const struct store *s);
/* SELECT 1, reconnecting if needed: for /readyz. */
enum err store_ping(struct store *s) HZ_MUST_USE;
/* The file of a SQLite URL; at = NULL for any other. */
struct str store_sqlite_path(struct str url);
/* Makes the directories above a file that stands beside the store (mode 0700); false: see errno. */
bool store_make_directories(const char *path);

/* Statements by number, from store/statements.def: X(id, sqlite text, postgres text). */
enum statement {
#define X(id, sqlite, postgres) id,
#include "store/statements.def"
#undef X
    STATEMENTS
};

enum value_kind { VALUE_NULL, VALUE_INT, VALUE_TEXT, VALUE_BLOB };
struct value {
    enum value_kind kind;
    int64_t number;
    struct str text; /* TEXT and BLOB; borrowed */
};
#define VAL_NULL ((struct value) { VALUE_NULL, 0, STR_NONE })
#define VAL_INT(n) ((struct value) { VALUE_INT, (int64_t)(n), STR_NONE })
#define VAL_TEXT(s) ((struct value) { VALUE_TEXT, 0, (s) })
#define VAL_BLOB(s) ((struct value) { VALUE_BLOB, 0, (s) })

/* Runs a statement. `row` may be NULL; a row's texts live until the callback returns; a non-OK
 * return of the callback ends the statement and is passed on. The callback must not use the store.
 * Outside of a transaction a lost connection to PostgreSQL is made anew first. */
typedef enum err store_row_fn(void *arg, const struct value *columns, size_t count);
enum err store_run(struct store *s, enum statement id, const struct value *params, size_t count,
                   store_row_fn *row, void *arg) HZ_MUST_USE;
/* The same statement for many rows of parameters (rows * count values): SQLite steps a prepared
 * statement, PostgreSQL takes each parameter as an array (unnest; a column of NULLs only counts as
 * text). Only within a transaction: there PostgreSQL pipelines it, so that a failure may show only
 * at the next store_run or at store_commit, as the error that it is. */
enum err store_run_many(struct store *s, enum statement id, const struct value *params,
                        size_t count, size_t rows) HZ_MUST_USE;

/* SQLite waits here for other writers. A read-only store gets one consistent view. */
enum err store_begin(struct store *s) HZ_MUST_USE;
/* Whatever it returns, the transaction is over. After ERR_STORE from PostgreSQL it may have been
 * committed nonetheless: look before you repeat. */
enum err store_commit(struct store *s) HZ_MUST_USE;
void store_rollback(struct store *s); /* harmless outside a transaction */

#endif
