#ifndef HZ_STORE_DRIVER_H
#define HZ_STORE_DRIVER_H
/* driver - what a database must offer; nobody outside store/ sees it. */

#include "store/store.h"

enum { STORE_COLUMNS_MAX = 64 };

struct migration {
    int number;
    const char *name;
    const char *sql;
};

/* All members are mandatory. */
struct store_driver {
    const char *name;
    const struct migration *migrations;
    const char *bootstrap; /* what must stand before the first migration: safe to repeat */

    /* Connects; `fail` says what a person should do. */
    enum err (*open)(struct store *s, const struct store_options *options, struct fail *fail);
    void (*close)(struct store *s); /* also after a failed open */
    enum err (*ping)(struct store *s);
    enum err (*run)(struct store *s, enum statement id, const struct value *params, size_t count,
                    store_row_fn *row, void *arg);
    enum err (*run_many)(struct store *s, enum statement id, const struct value *params,
                         size_t count, size_t rows);
    enum err (*script)(struct store *s, const char *sql); /* several statements, without values */
    enum err (*begin)(struct store *s);
    enum err (*commit)(struct store *s);
    void (*rollback)(struct store *s);
};

struct store {
    const struct store_driver *driver;
    bool is_read_only;
    char error[256];
};

struct store *sqlite_store_create(void);
struct store *postgres_store_create(void);
extern const struct migration sqlite_migrations[], postgres_migrations[];

const char *statement_name(enum statement id);

/* Keeps what the database said, on one line. */
void store_note(struct store *s, const char *fmt, ...) HZ_PRINTF(2, 3);

/* Brings the tables to the version of this program, or says why it cannot. */
enum err store_migrate(struct store *s, const struct store_options *options,
                       struct fail *fail) HZ_MUST_USE;

#endif
