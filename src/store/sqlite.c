#include <time.h>

#include "base/mem.h"
#include "base/planted.h"
#include "store/driver.h"
#include "store/sqlite_file.h"

enum { BUSY_MS = 10000, WAL_TRIES = 100, WAL_TRY_NS = 20 * 1000 * 1000 };

struct sqlite_store {
    struct store base;
    sqlite3 *db;
    const char *option; /* that chose its file */
    sqlite3_stmt *statements[STATEMENTS];
    struct value columns[STORE_COLUMNS_MAX];
};

static const char *const texts[STATEMENTS] = {
#define X(id, sqlite, postgres) [id] = sqlite,
#include "store/statements.def"
#undef X
};

static struct sqlite_store *sqlite_of(struct store *s)
{
    return HZ_CONTAINER_OF(s, struct sqlite_store, base);
}

/* The last connection to close writes the log into the file. Into a damaged one it must not: they
 * are evidence, and the log may be all that is whole. */
static void keep_log(struct sqlite_store *q, bool is_kept)
{
    sqlite3_db_config(q->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, (int)is_kept, NULL);
}

static enum err failed(struct sqlite_store *q, const char *doing)
{
    int code = sqlite3_extended_errcode(q->db);
    if ((code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB)
        keep_log(q, true);
    store_note(&q->base, "%s: %s", doing, sqlite3_errmsg(q->db));
    bool is_taken = code == SQLITE_CONSTRAINT_UNIQUE || code == SQLITE_CONSTRAINT_PRIMARYKEY ||
                    code == SQLITE_CONSTRAINT_ROWID;
    return is_taken ? ERR_EXISTS : ERR_STORE;
}

static enum err sqlite_script(struct store *s, const char *sql)
{
    struct sqlite_store *q = sqlite_of(s);
    return sqlite3_exec(q->db, sql, NULL, NULL, NULL) == SQLITE_OK ? OK : failed(q, "script");
}

/* ---- opening ---- */

/* The change to WAL does not wait for other connections by itself. */
static enum err turn_on_wal(struct sqlite_store *q)
{
    struct timespec pause = { 0, WAL_TRY_NS };
    for (int i = 0; i < WAL_TRIES; i++) {
        int rc = sqlite3_exec(q->db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
        if ((rc & 0xff) != SQLITE_BUSY)
            return rc == SQLITE_OK ? OK : failed(q, "journal_mode");
        nanosleep(&pause, NULL);
    }
    return failed(q, "journal_mode");
}

static enum err prepare_writing(struct sqlite_store *q, const char *path, struct fail *fail)
{
    if (sqlite3_db_readonly(q->db, "main") == 1)
        return fail_set(fail, ERR_STORE,
                        "the store %s is not writable: change its owner or mode, or choose another "
                        "place with %s",
                        path, q->option);
    /* FULL: with NORMAL a power cut takes commits that were answered already. */
    enum err err = turn_on_wal(q);
    if (!err)
        err = sqlite_script(&q->base, "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON");
    if (!err && HZ_PLANTED(SYNCHRONOUS_NORMAL))
        err = sqlite_script(&q->base, "PRAGMA synchronous = NORMAL");
    if (err)
        return fail_set(fail, ERR_STORE, "the store %s cannot be written: %s", path, q->base.error);
    return HZ_PLANTED(DIRECTORY_NOT_SYNCED) ? OK : sqlite_file_sync_directory(path, fail);
}

static enum err open_file(struct sqlite_store *q, const struct store_options *options,
                          const char *path, struct fail *fail)
{
    int flags = options->is_read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
    enum err err = options->is_read_only ? OK : sqlite_file_make(path, q->option, fail);
    if (err)
        return err;
    if (sqlite3_open_v2(path, &q->db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL) !=
        SQLITE_OK)
        return fail_set(fail, ERR_STORE, "the store %s cannot be opened: %s", path,
                        q->db ? sqlite3_errmsg(q->db) : "out of memory");
    sqlite3_busy_timeout(q->db, BUSY_MS);
    keep_log(q, true);
    err = sqlite_file_is_ours(q->db, path, q->option, fail);
    if (!err && !options->no_migrate)
        err = sqlite_file_check(q->db, path, fail);
    if (!err && !options->is_read_only)
        err = prepare_writing(q, path, fail);
    if (!err)
        keep_log(q, false);
    return err;
}

static enum err sqlite_open(struct store *s, const struct store_options *options, struct fail *fail)
{
    char *path = str_dup(store_sqlite_path(options->url));
    sqlite_of(s)->option = options->option ? options->option : "store.url";
    enum err err = open_file(sqlite_of(s), options, path, fail);
    mem_free(path);
    return err;
}

static void sqlite_close(struct store *s)
{
    struct sqlite_store *q = sqlite_of(s);
    for (int i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(q->statements[i]);
    sqlite3_close(q->db);
    mem_free(q);
}

/* ---- statements ---- */

static enum err statement_get(struct sqlite_store *q, enum statement id, sqlite3_stmt **out)
{
    if (!q->statements[id] && sqlite3_prepare_v3(q->db, texts[id], -1, SQLITE_PREPARE_PERSISTENT,
                                                 &q->statements[id], NULL) != SQLITE_OK)
        return failed(q, statement_name(id));
    *out = q->statements[id];
    return OK;
}

static int bind_one(sqlite3_stmt *statement, int at, const struct value *v)
{
    switch (v->kind) {
    case VALUE_INT: return sqlite3_bind_int64(statement, at, v->number);
    case VALUE_TEXT:
        return sqlite3_bind_text64(statement, at, v->text.len ? v->text.at : "", v->text.len,
                                   SQLITE_STATIC, SQLITE_UTF8);
    case VALUE_BLOB:
        return sqlite3_bind_blob64(statement, at, v->text.len ? v->text.at : "", v->text.len,
                                   SQLITE_STATIC);
    case VALUE_NULL: return sqlite3_bind_null(statement, at);
    }
    return SQLITE_MISUSE;
}

static int bind_all(sqlite3_stmt *statement, const struct value *params, size_t count)
{
    int rc = SQLITE_OK;
    for (size_t i = 0; i < count && rc == SQLITE_OK; i++)
        rc = bind_one(statement, (int)i + 1, &params[i]);
    return rc;
}

static struct value column_of(sqlite3_stmt *statement, int at)
{
    struct str bytes;
    switch (sqlite3_column_type(statement, at)) {
    case SQLITE_INTEGER: return VAL_INT(sqlite3_column_int64(statement, at));
    case SQLITE_TEXT:
        bytes.at = (const char *)sqlite3_column_text(statement, at);
        bytes.len = (size_t)sqlite3_column_bytes(statement, at);
        return VAL_TEXT(bytes);
    case SQLITE_BLOB:
        bytes.at = sqlite3_column_blob(statement, at);
        bytes.len = (size_t)sqlite3_column_bytes(statement, at);
        return VAL_BLOB(bytes);
    default: return VAL_NULL;
    }
}

static enum err give_row(struct sqlite_store *q, sqlite3_stmt *statement, store_row_fn *row,
                         void *arg)
{
    int count = sqlite3_column_count(statement);
    HZ_ASSERT(count <= STORE_COLUMNS_MAX);
    for (int i = 0; i < count; i++)
        q->columns[i] = column_of(statement, i);
    return row ? row(arg, q->columns, (size_t)count) : OK;
}

static enum err sqlite_run(struct store *s, enum statement id, const struct value *params,
                           size_t count, store_row_fn *row, void *arg)
{
    struct sqlite_store *q = sqlite_of(s);
    sqlite3_stmt *statement;
    enum err err = statement_get(q, id, &statement);
    if (err)
        return err;
    int rc = bind_all(statement, params, count);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    while (rc == SQLITE_ROW && !err) {
        err = give_row(q, statement, row, arg);
        if (!err)
            rc = sqlite3_step(statement);
    }
    if (!err && rc != SQLITE_DONE)
        err = failed(q, statement_name(id));
    sqlite3_reset(statement);
    return err;
}

static enum err sqlite_run_many(struct store *s, enum statement id, const struct value *params,
                                size_t count, size_t rows)
{
    struct sqlite_store *q = sqlite_of(s);
    sqlite3_stmt *statement;
    enum err err = statement_get(q, id, &statement);
    for (size_t i = 0; i < rows && !err; i++) {
        int rc = bind_all(statement, params + i * count, count);
        if (rc == SQLITE_OK)
            rc = sqlite3_step(statement);
        if (rc != SQLITE_DONE)
            err = failed(q, statement_name(id));
        sqlite3_reset(statement);
    }
    return err;
}

/* ---- transactions ---- */

static enum err sqlite_begin(struct store *s)
{
    if (HZ_PLANTED(ANSWER_BEFORE_COMMIT) && !sqlite3_get_autocommit(sqlite_of(s)->db))
        sqlite3_exec(sqlite_of(s)->db, "COMMIT", NULL, NULL, NULL);
    /* IMMEDIATE: a lock taken at the first write could not wait for another writer. */
    return sqlite_script(s, s->is_read_only ? "BEGIN" : "BEGIN IMMEDIATE");
}

static void sqlite_rollback(struct store *s)
{
    struct sqlite_store *q = sqlite_of(s);
    if (!sqlite3_get_autocommit(q->db))
        sqlite3_exec(q->db, "ROLLBACK", NULL, NULL, NULL);
}

static enum err sqlite_commit(struct store *s)
{
    enum err err = sqlite_script(s, "COMMIT");
    if (err)
        sqlite_rollback(s);
    return err;
}

static enum err sqlite_ping(struct store *s)
{
    return sqlite_run(s, SQL_PING, NULL, 0, NULL, NULL);
}

static const struct store_driver driver = {
    .name = "sqlite",
    .migrations = sqlite_migrations,
    .bootstrap = "PRAGMA application_id = " SQLITE_APPLICATION_ID_TEXT ";"
                 "CREATE TABLE IF NOT EXISTS migration (number INTEGER PRIMARY KEY, "
                 "name TEXT NOT NULL, applied_ms INTEGER NOT NULL) STRICT",
    .open = sqlite_open,
    .close = sqlite_close,
    .ping = sqlite_ping,
    .run = sqlite_run,
    .run_many = sqlite_run_many,
    .script = sqlite_script,
    .begin = sqlite_begin,
    .commit = sqlite_commit,
    .rollback = sqlite_rollback,
};

struct store *sqlite_store_create(void)
{
    struct sqlite_store *q = MEM_NEW(struct sqlite_store);
    q->base.driver = &driver;
    return &q->base;
}
