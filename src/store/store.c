#include "store/store.h"

#include <stdarg.h>
#include <stdio.h>

#include "store/driver.h"

const char *statement_name(enum statement id)
{
    static const char *const names[STATEMENTS] = {
#define X(id, sqlite, postgres) [id] = #id,
#include "store/statements.def"
#undef X
    };
    return names[id];
}

void store_note(struct store *s, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(s->error, sizeof(s->error), fmt, args);
    va_end(args);
    size_t len = strlen(s->error);
    while (len && s->error[len - 1] == '\n')
        s->error[--len] = '\0';
    for (size_t i = 0; i < len; i++) {
        if (s->error[i] == '\n')
            s->error[i] = ' ';
    }
}

struct str store_sqlite_path(struct str url)
{
    struct str prefix = STR("sqlite:");
    return str_starts(url, prefix) ? str_skip(url, prefix.len) : STR_NONE;
}

static bool is_postgres_url(struct str url)
{
    return str_starts(url, STR("postgresql://")) || str_starts(url, STR("postgres://"));
}

enum err store_open(const struct store_options *options, struct store **out, struct fail *fail)
{
    struct store *s;
    if (store_sqlite_path(options->url).len)
        s = sqlite_store_create();
    else if (is_postgres_url(options->url))
        s = postgres_store_create();
    else
        return fail_set(fail, ERR_STORE, "the store's URL must be sqlite:PATH or postgresql://...");

    s->is_read_only = options->is_read_only;
    enum err err = s->driver->open(s, options, fail);
    if (!err)
        err = store_migrate(s, options, fail);
    if (err) {
        store_close(s);
        return err;
    }
    *out = s;
    return OK;
}

void store_close(struct store *s)
{
    if (s)
        s->driver->close(s);
}

const char *store_error(const struct store *s)
{
    return s->error;
}

bool store_is_postgres(const struct store *s)
{
    return s->driver->migrations == postgres_migrations;
}

enum err store_ping(struct store *s)
{
    return s->driver->ping(s);
}

enum err store_run(struct store *s, enum statement id, const struct value *params, size_t count,
                   store_row_fn *row, void *arg)
{
    return s->driver->run(s, id, params, count, row, arg);
}

enum err store_run_many(struct store *s, enum statement id, const struct value *params,
                        size_t count, size_t rows)
{
    return rows ? s->driver->run_many(s, id, params, count, rows) : OK;
}

enum err store_begin(struct store *s)
{
    return s->driver->begin(s);
}

enum err store_commit(struct store *s)
{
    return s->driver->commit(s);
}

void store_rollback(struct store *s)
{
    s->driver->rollback(s);
}
