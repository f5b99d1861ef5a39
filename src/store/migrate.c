#include "base/clock.h"
#include "base/planted.h"
#include "store/driver.h"

#define X(number, name)                          \
    extern const char migration_sqlite_##name[]; \
    extern const char migration_postgres_##name[];
#include "store/migrations.def"
#undef X

const struct migration sqlite_migrations[] = {
#define X(number, name) { number, #name, migration_sqlite_##name },
#include "store/migrations.def"
#undef X
    { 0 },
};

const struct migration postgres_migrations[] = {
#define X(number, name) { number, #name, migration_postgres_##name },
#include "store/migrations.def"
#undef X
    { 0 },
};

static enum err keep_number(void *arg, const struct value *columns, size_t count)
{
    HZ_ASSERT(count == 1);
    *(int64_t *)arg = columns[0].number;
    return OK;
}

/* The number of the last migration that the database has seen; 0 for a new one. */
static enum err version_of(struct store *s, int64_t *out)
{
    int64_t tables = 0;
    *out = 0;
    enum err err = store_run(s, SQL_MIGRATION_TABLES, NULL, 0, keep_number, &tables);
    if (err || !tables)
        return err;
    return store_run(s, SQL_MIGRATION_LAST, NULL, 0, keep_number, out);
}

static int latest(const struct migration *m)
{
    while (m[1].sql)
        m++;
    return m->number;
}

static enum err apply(struct store *s, const struct migration *m)
{
    enum err err = s->driver->script(s, m->sql);
    if (err)
        return err;
    struct value params[] = { VAL_INT(m->number), VAL_TEXT(str_of(m->name)),
                              VAL_INT(clock_wall_ms()) };
    return store_run(s, SQL_MIGRATION_ADD, params, HZ_LEN(params), NULL, NULL);
}

static enum err apply_pending(struct store *s)
{
    int64_t version;
    enum err err = store_begin(s);
    if (!err)
        err = store_run(s, SQL_MIGRATION_LOCK, NULL, 0, NULL, NULL);
    if (!err)
        err = s->driver->script(s, s->driver->bootstrap);
    /* Another process may have been here while this one waited for the lock. */
    if (!err)
        err = version_of(s, &version);
    for (const struct migration *m = s->driver->migrations; !err && m->sql; m++) {
        if (m->number > version)
            err = apply(s, m);
    }
    if (!err && HZ_PLANTED(NO_UNIQUE_KEY))
        err = s->driver->script(s, "DROP INDEX transfer_once");
    if (!err)
        return store_commit(s);
    store_rollback(s);
    return err;
}

enum err store_migrate(struct store *s, const struct store_options *options, struct fail *fail)
{
    int64_t version;
    int newest = latest(s->driver->migrations);
    enum err err = version_of(s, &version);
    if (err)
        return fail_set(fail, ERR_STORE, "the database cannot be read: %s", store_error(s));
    if (version > newest)
        return fail_set(
            fail, ERR_STORE,
            "the database has tables of a newer huntaze (migration %lld, this program knows "
            "%d): use the newer program",
            (long long)version, newest);
    if (version == newest)
        return OK;
    if (options->is_read_only || options->no_migrate)
        return fail_set(fail, ERR_STORE,
                        "the database lacks tables of this huntaze (migration %lld of %d): start "
                        "'huntaze serve' on it once",
                        (long long)version, newest);
    if (apply_pending(s) != OK)
        return fail_set(fail, ERR_STORE,
                        "the database's tables could not be brought up to date: %s",
                        store_error(s));
    return OK;
}
