#include <endian.h>

#include "base/mem.h"
#include "store/postgres_link.h"

/* What is queued unanswered at most, so that the server's buffers never fill. */
enum { DEFERRED_MAX = 64 };
enum { ARRAY_TEXT = 25, ARRAY_INT8 = 20, ARRAY_BYTES = 17 };

struct postgres_store {
    struct store base;
    struct pg_link link;
    bool is_in_transaction;
    enum err transaction_err; /* its first failure: it cannot be committed any more */
    size_t deferred;          /* commands queued but not flushed */
    struct buf scratch;       /* encoded parameters, until they are sent */
};

static struct postgres_store *postgres_of(struct store *s)
{
    return HZ_CONTAINER_OF(s, struct postgres_store, base);
}

/* Other errors are a row callback's own: they do not harm the transaction. */
static enum err remember(struct postgres_store *p, enum err err)
{
    if ((err == ERR_STORE || err == ERR_EXISTS) && !p->transaction_err)
        p->transaction_err = err;
    return err;
}

static enum err flush(struct postgres_store *p, store_row_fn *row, void *arg)
{
    p->deferred = 0;
    return remember(p, link_flush(&p->link, row, arg));
}

/* A lost connection loses its transaction, too: the caller has to learn of that first. */
static enum err need_link(struct postgres_store *p)
{
    if (link_is_up(&p->link))
        return OK;
    if (p->is_in_transaction)
        return ERR_STORE;
    return link_connect(&p->link);
}

/* ---- parameters ---- */

struct params {
    const char *values[STORE_COLUMNS_MAX];
    int lengths[STORE_COLUMNS_MAX];
    int formats[STORE_COLUMNS_MAX]; /* 0 text, 1 binary */
};

/* Numbers go as text: the server then reads them as whatever type the statement has there. */
static void encode_one(struct postgres_store *p, const struct value *v, struct params *out,
                       size_t at)
{
    size_t start = p->scratch.len;
    if (v->kind == VALUE_INT)
        buf_add_i64(&p->scratch, v->number);
    else
        buf_add(&p->scratch, v->text);
    out->lengths[at] = (int)(p->scratch.len - start);
    out->formats[at] = v->kind == VALUE_BLOB;
    buf_add_char(&p->scratch, '\0');
}

static void put_u32(struct buf *out, uint32_t n)
{
    n = htobe32(n);
    buf_add(out, str_make((const char *)&n, sizeof(n)));
}

static uint32_t type_of_column(const struct value *params, size_t count, size_t rows)
{
    for (size_t i = 0; i < rows; i++) {
        switch (params[i * count].kind) {
        case VALUE_INT: return ARRAY_INT8;
        case VALUE_TEXT: return ARRAY_TEXT;
        case VALUE_BLOB: return ARRAY_BYTES;
        case VALUE_NULL: break;
        }
    }
    return ARRAY_TEXT;
}

static void put_element(struct buf *out, const struct value *v)
{
    if (v->kind == VALUE_NULL) {
        put_u32(out, UINT32_MAX);
    } else if (v->kind == VALUE_INT) {
        uint64_t n = htobe64((uint64_t)v->number);
        put_u32(out, sizeof(n));
        buf_add(out, str_make((const char *)&n, sizeof(n)));
    } else {
        put_u32(out, (uint32_t)v->text.len);
        buf_add(out, v->text);
    }
}

/* One column of all rows as a binary array of one dimension. */
static void encode_array(struct postgres_store *p, const struct value *column, size_t count,
                         size_t rows)
{
    struct buf *out = &p->scratch;
    put_u32(out, 1);
    put_u32(out, 1); /* may hold NULLs */
    put_u32(out, type_of_column(column, count, rows));
    put_u32(out, (uint32_t)rows);
    put_u32(out, 1);
    for (size_t i = 0; i < rows; i++)
        put_element(out, &column[i * count]);
}

/* ---- the driver ---- */

static enum err postgres_run(struct store *s, enum statement id, const struct value *params,
                             size_t count, store_row_fn *row, void *arg)
{
    struct postgres_store *p = postgres_of(s);
    struct params *encoded = mem_zalloc(sizeof(*encoded));
    HZ_ASSERT(count <= STORE_COLUMNS_MAX);
    enum err err = need_link(p);
    if (err)
        goto out;
    err = remember(p, link_prepare(&p->link, id));
    /* Single-row mode holds for the command at the front only. */
    if (!err && p->deferred && row)
        err = flush(p, NULL, NULL);
    if (err)
        goto out;
    buf_clear(&p->scratch);
    for (size_t i = 0; i < count; i++)
        encode_one(p, &params[i], encoded, i);
    const char *at = p->scratch.at;
    for (size_t i = 0; i < count; at += encoded->lengths[i++] + 1)
        encoded->values[i] = params[i].kind == VALUE_NULL ? NULL : at;
    link_send(&p->link, id, count, encoded->values, encoded->lengths, encoded->formats);
    err = flush(p, row, arg);
out:
    mem_free(encoded);
    return err;
}

static enum err postgres_run_many(struct store *s, enum statement id, const struct value *params,
                                  size_t count, size_t rows)
{
    struct postgres_store *p = postgres_of(s);
    HZ_ASSERT(p->is_in_transaction && count <= STORE_COLUMNS_MAX);
    if (!link_is_up(&p->link))
        return ERR_STORE;
    enum err err = remember(p, link_prepare(&p->link, id));
    if (err)
        return err;
    struct params *encoded = mem_zalloc(sizeof(*encoded));
    buf_clear(&p->scratch);
    for (size_t i = 0; i < count; i++) {
        size_t start = p->scratch.len;
        encode_array(p, params + i, count, rows);
        encoded->lengths[i] = (int)(p->scratch.len - start);
        encoded->formats[i] = 1;
    }
    const char *at = p->scratch.at;
    for (size_t i = 0; i < count; at += encoded->lengths[i++])
        encoded->values[i] = at;
    link_send(&p->link, id, count, encoded->values, encoded->lengths, encoded->formats);
    mem_free(encoded);
    return ++p->deferred < DEFERRED_MAX ? OK : flush(p, NULL, NULL);
}

static enum err postgres_script(struct store *s, const char *sql)
{
    struct postgres_store *p = postgres_of(s);
    enum err err = p->deferred ? flush(p, NULL, NULL) : OK;
    return err ? err : link_script(&p->link, sql);
}

static enum err postgres_begin(struct store *s)
{
    struct postgres_store *p = postgres_of(s);
    HZ_ASSERT(!p->is_in_transaction);
    enum err err = need_link(p);
    if (err)
        return err;
    p->is_in_transaction = true;
    p->transaction_err = OK;
    link_send_text(&p->link,
                   s->is_read_only ? "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY" : "BEGIN");
    p->deferred++;
    return OK;
}

static void postgres_rollback(struct store *s)
{
    struct postgres_store *p = postgres_of(s);
    if (!p->is_in_transaction)
        return;
    p->is_in_transaction = false;
    if (!link_is_up(&p->link))
        return;
    /* What is queued may fail; the rollback must run nonetheless, so it gets a trip of its own. */
    enum err err = p->deferred ? flush(p, NULL, NULL) : OK;
    link_send_text(&p->link, "ROLLBACK");
    err = flush(p, NULL, NULL);
    if (err)
        link_close(&p->link);
}

static enum err postgres_commit(struct store *s)
{
    struct postgres_store *p = postgres_of(s);
    if (!p->is_in_transaction || !link_is_up(&p->link)) {
        p->is_in_transaction = false;
        return ERR_STORE;
    }
    enum err err = p->transaction_err;
    if (!err) {
        link_send_text(&p->link, "COMMIT");
        err = flush(p, NULL, NULL);
    }
    if (err)
        postgres_rollback(s);
    p->is_in_transaction = false;
    return err;
}

static enum err postgres_ping(struct store *s)
{
    struct postgres_store *p = postgres_of(s);
    if (p->is_in_transaction || !link_is_up(&p->link))
        return postgres_run(s, SQL_PING, NULL, 0, NULL, NULL);
    /* A connection that died unnoticed shows at the first use: then a new one decides. */
    enum err err = postgres_run(s, SQL_PING, NULL, 0, NULL, NULL);
    return err && !link_is_up(&p->link) ? postgres_run(s, SQL_PING, NULL, 0, NULL, NULL) : err;
}

static enum err postgres_open(struct store *s, const struct store_options *options,
                              struct fail *fail)
{
    struct postgres_store *p = postgres_of(s);
    p->link.owner = s;
    p->link.url = str_dup(options->url);
    if (link_connect(&p->link) == OK)
        return OK;
    return fail_set(fail, ERR_STORE, "PostgreSQL cannot be reached: %s", s->error);
}

static void postgres_close(struct store *s)
{
    struct postgres_store *p = postgres_of(s);
    link_close(&p->link);
    if (p->link.url)
        mem_wipe(p->link.url, strlen(p->link.url)); /* may hold a password */
    mem_free(p->link.url);
    buf_fini(&p->scratch);
    mem_free(p);
}

static const struct store_driver driver = {
    .name = "postgres",
    .migrations = postgres_migrations,
    /* A migration may take long. The schema may have been made by an operator whose user is not
     * ours: do not ask for more rights than needed. */
    .bootstrap = "SET LOCAL statement_timeout TO 0; "
                 "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'huntaze') "
                 "THEN CREATE SCHEMA huntaze; END IF; END $$;"
                 "CREATE TABLE IF NOT EXISTS huntaze.migration (number integer PRIMARY KEY, "
                 "name text NOT NULL, applied_ms bigint NOT NULL)",
    .open = postgres_open,
    .close = postgres_close,
    .ping = postgres_ping,
    .run = postgres_run,
    .run_many = postgres_run_many,
    .script = postgres_script,
    .begin = postgres_begin,
    .commit = postgres_commit,
    .rollback = postgres_rollback,
};

struct store *postgres_store_create(void)
{
    struct postgres_store *p = MEM_NEW(struct postgres_store);
    p->base.driver = &driver;
    return &p->base;
}
