#ifndef HZ_STORE_POSTGRES_LINK_H
#define HZ_STORE_POSTGRES_LINK_H
/*
 * postgres_link - a connection to PostgreSQL that is always in libpq's pipeline mode.
 *
 * Commands are queued with link_send and answered by link_flush, which makes one trip of it.
 */

#include <libpq-fe.h>

#include "store/driver.h"

struct pg_link {
    PGconn *conn;
    struct store *owner; /* for its error text */
    char *url;
    bool is_prepared[STATEMENTS];
    bool has_send_failed; /* since the last flush */
    struct value columns[STORE_COLUMNS_MAX];
};

enum err link_connect(struct pg_link *l) HZ_MUST_USE;
void link_close(struct pg_link *l);
bool link_is_up(const struct pg_link *l);

/* To be called before link_send of this statement. A trip of its own the first time, since a Parse
 * that a failing pipeline skipped would be missed later. */
enum err link_prepare(struct pg_link *l, enum statement id) HZ_MUST_USE;
/* Queue; link_flush tells what came of it. */
void link_send(struct pg_link *l, enum statement id, size_t count, const char *const *values,
               const int *lengths, const int *formats);
void link_send_text(struct pg_link *l, const char *sql);

/* Runs what is queued; rows of whichever command gives any go to `row`. */
enum err link_flush(struct pg_link *l, store_row_fn *row, void *arg) HZ_MUST_USE;
/* Several statements in one text, outside of the pipeline. */
enum err link_script(struct pg_link *l, const char *sql) HZ_MUST_USE;

#endif
