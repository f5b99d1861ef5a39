#include "store/postgres_link.h"

#include <endian.h>
#include <stdio.h>

#include "base/mem.h"

/* Types as PostgreSQL numbers them (pg_type.dat). */
enum {
    TYPE_BOOL = 16,
    TYPE_BYTES = 17,
    TYPE_INT8 = 20,
    TYPE_INT2 = 21,
    TYPE_INT4 = 23,
    TYPE_TEXT = 25,
    TYPE_VARCHAR = 1043
};

static const char *const texts[STATEMENTS] = {
#define X(id, sqlite, postgres) [id] = postgres,
#include "store/statements.def"
#undef X
};

/* Of a session: our tables only, and no wait without an end. A server that is set to answer
 * commits before they are on disk is overruled. */
static const char session[] =
    "SET search_path TO huntaze; SET client_min_messages TO warning; SET lock_timeout TO '5s'; "
    "SET idle_in_transaction_session_timeout TO '60s';"
    "SELECT set_config('synchronous_commit', 'on', false) "
    "WHERE current_setting('synchronous_commit') IN ('off', 'local')";
static const char write_session[] = "SET statement_timeout TO '10s'";
static const char read_session[] = "SET default_transaction_read_only TO on";

static void note_result(struct pg_link *l, const PGresult *r)
{
    const char *primary = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
    const char *detail = PQresultErrorField(r, PG_DIAG_MESSAGE_DETAIL);
    if (primary)
        store_note(l->owner, "%s%s%s", primary, detail ? ": " : "", detail ? detail : "");
    else
        store_note(l->owner, "%s", PQerrorMessage(l->conn));
}

static enum err err_of(const PGresult *r)
{
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    return state && strcmp(state, "23505") == 0 ? ERR_EXISTS : ERR_STORE;
}

void link_close(struct pg_link *l)
{
    PQfinish(l->conn);
    l->conn = NULL;
    l->has_send_failed = false;
    memset(l->is_prepared, 0, sizeof(l->is_prepared));
}

bool link_is_up(const struct pg_link *l)
{
    return l->conn && PQstatus(l->conn) == CONNECTION_OK;
}

static enum err exec_plain(struct pg_link *l, const char *sql)
{
    PGresult *r = PQexec(l->conn, sql);
    ExecStatusType status = PQresultStatus(r);
    enum err err = OK;
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        note_result(l, r);
        err = err_of(r);
    }
    PQclear(r);
    return err;
}

static enum err session_set_up(struct pg_link *l)
{
    enum err err = exec_plain(l, session);
    if (!err)
        err = exec_plain(l, l->owner->is_read_only ? read_session : write_session);
    if (!err && !PQenterPipelineMode(l->conn))
        err = ERR_STORE;
    return err;
}

enum err link_connect(struct pg_link *l)
{
    /* What the URL says about these wins, since it comes last. */
    const char *const keywords[] = { "connect_timeout",     "tcp_user_timeout", "keepalives_idle",
                                     "keepalives_interval", "keepalives_count", "application_name",
                                     "client_encoding",     "dbname",           NULL };
    const char *const values[] = { "2", "5000", "10", "5", "3", "huntaze", "UTF8", l->url, NULL };
    link_close(l);
    l->conn = PQconnectdbParams(keywords, values, 1);
    if (PQstatus(l->conn) != CONNECTION_OK) {
        store_note(l->owner, "%s", PQerrorMessage(l->conn));
        link_close(l);
        return ERR_STORE;
    }
    enum err err = session_set_up(l);
    if (err)
        link_close(l);
    return err;
}

enum err link_prepare(struct pg_link *l, enum statement id)
{
    HZ_ASSERT(*texts[id]);
    if (l->is_prepared[id])
        return OK;
    if (!PQsendPrepare(l->conn, statement_name(id), texts[id], 0, NULL))
        l->has_send_failed = true;
    enum err err = link_flush(l, NULL, NULL);
    l->is_prepared[id] = err == OK;
    return err;
}

void link_send(struct pg_link *l, enum statement id, size_t count, const char *const *values,
               const int *lengths, const int *formats)
{
    HZ_ASSERT(l->is_prepared[id]);
    if (!PQsendQueryPrepared(l->conn, statement_name(id), (int)count, values, lengths, formats, 1))
        l->has_send_failed = true;
}

void link_send_text(struct pg_link *l, const char *sql)
{
    if (!PQsendQueryParams(l->conn, sql, 0, NULL, NULL, NULL, NULL, 1))
        l->has_send_failed = true;
}

static bool column_of(const PGresult *r, int row, int at, struct value *out)
{
    const char *bytes = PQgetvalue(r, row, at);
    size_t len = (size_t)PQgetlength(r, row, at);
    uint16_t two;
    uint32_t four;
    uint64_t eight;
    if (PQgetisnull(r, row, at)) {
        *out = VAL_NULL;
        return true;
    }
    switch (PQftype(r, at)) {
    case TYPE_BOOL: *out = VAL_INT(*bytes != 0); return true;
    case TYPE_INT2:
        memcpy(&two, bytes, sizeof(two));
        *out = VAL_INT((int16_t)be16toh(two));
        return true;
    case TYPE_INT4:
        memcpy(&four, bytes, sizeof(four));
        *out = VAL_INT((int32_t)be32toh(four));
        return true;
    case TYPE_INT8:
        memcpy(&eight, bytes, sizeof(eight));
        *out = VAL_INT((int64_t)be64toh(eight));
        return true;
    case TYPE_TEXT:
    case TYPE_VARCHAR: *out = VAL_TEXT(str_make(bytes, len)); return true;
    case TYPE_BYTES: *out = VAL_BLOB(str_make(bytes, len)); return true;
    default: return false;
    }
}

static enum err give_rows(struct pg_link *l, const PGresult *r, store_row_fn *row, void *arg)
{
    int columns = PQnfields(r);
    enum err err = OK;
    HZ_ASSERT(columns <= STORE_COLUMNS_MAX);
    for (int i = 0; row && i < PQntuples(r) && !err; i++) {
        for (int c = 0; c < columns; c++) {
            if (!column_of(r, i, c, &l->columns[c])) {
                store_note(l->owner, "column %s has a type that is not read here", PQfname(r, c));
                return ERR_STORE;
            }
        }
        err = row(arg, l->columns, (size_t)columns);
    }
    return err;
}

static enum err take_result(struct pg_link *l, const PGresult *r, store_row_fn *row, void *arg)
{
    switch (PQresultStatus(r)) {
    case PGRES_SINGLE_TUPLE:
    case PGRES_TUPLES_OK: return give_rows(l, r, row, arg);
    case PGRES_COMMAND_OK:
    case PGRES_EMPTY_QUERY: return OK;
    default: note_result(l, r); return err_of(r);
    }
}

/* The first failure stands for all: what follows it in a pipeline is only skipped. */
enum err link_flush(struct pg_link *l, store_row_fn *row, void *arg)
{
    enum err err = OK;
    bool is_over = false;
    if (!link_is_up(l))
        return ERR_STORE;
    /* What could not be queued was not done: an open transaction must not go on without it. */
    if (l->has_send_failed || PQpipelineSync(l->conn) != 1) {
        store_note(l->owner, "%s", PQerrorMessage(l->conn));
        link_close(l);
        return ERR_STORE;
    }
    while (!is_over) {
        if (row)
            PQsetSingleRowMode(l->conn);
        PGresult *r = PQgetResult(l->conn);
        if (!r && !link_is_up(l)) {
            if (!err)
                store_note(l->owner, "%s", PQerrorMessage(l->conn));
            return err ? err : ERR_STORE;
        }
        is_over = r && PQresultStatus(r) == PGRES_PIPELINE_SYNC;
        if (r && !is_over && !err)
            err = take_result(l, r, row, arg);
        PQclear(r);
    }
    return err;
}

enum err link_script(struct pg_link *l, const char *sql)
{
    if (!link_is_up(l) || !PQexitPipelineMode(l->conn)) {
        store_note(l->owner, "%s", PQerrorMessage(l->conn));
        return ERR_STORE;
    }
    enum err err = exec_plain(l, sql);
    if (link_is_up(l) && !PQenterPipelineMode(l->conn))
        err = err ? err : ERR_STORE;
    return err;
}
