#ifndef HZ_TESTS_UNIT_DATABASE_H
#define HZ_TESTS_UNIT_DATABASE_H
/*
 * database - a fresh database for each test, SQLite or PostgreSQL, and a way into it beside ours.
 *
 * RUN_ON_BOTH runs one suite twice. PostgreSQL is the server of HZ_TEST_POSTGRES_URL, which
 * `tests/postgres COMMAND` provides; without it that half is skipped, and says so.
 */

#include "test.h"

#include <libpq-fe.h>
#include <sqlite3.h>
#include <string.h>
#include <unistd.h>

static struct database {
    bool is_postgres;
    char directory[64]; /* for files of the test; removed at its end */
    char url[256];
    char server[200]; /* PostgreSQL: the URL without the database's name */
} db;

static inline void pg_do(const char *url, const char *sql, int64_t *number)
{
    PGconn *conn = PQconnectdb(url);
    PGresult *r = PQexec(conn, sql);
    ExecStatusType status = PQresultStatus(r);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        check_failed(sql, PQerrorMessage(conn), "", __FILE__, __LINE__);
    if (number && PQntuples(r) == 1)
        CHECK_OK(str_to_i64(str_of(PQgetvalue(r, 0, 0)), number));
    PQclear(r);
    PQfinish(conn);
}

static inline void sqlite_do(const char *path, const char *sql, int64_t *number)
{
    sqlite3 *handle;
    sqlite3_stmt *statement;
    CHECK_EQ(sqlite3_open(path, &handle), SQLITE_OK);
    sqlite3_busy_timeout(handle, 5000);
    for (const char *rest = sql; *rest;) {
        if (sqlite3_prepare_v2(handle, rest, -1, &statement, &rest) != SQLITE_OK)
            check_failed(sql, sqlite3_errmsg(handle), "", __FILE__, __LINE__);
        int rc;
        while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
            if (number)
                *number = sqlite3_column_int64(statement, 0);
        }
        if (rc != SQLITE_DONE)
            check_failed(sql, sqlite3_errmsg(handle), "", __FILE__, __LINE__);
        sqlite3_finalize(statement);
    }
    sqlite3_close(handle);
}

/* Runs SQL on a connection of its own. */
static inline void db_exec(const char *sql)
{
    if (db.is_postgres) {
        char *with_path = mem_alloc(strlen(sql) + 64);
        sprintf(with_path, "SET search_path TO huntaze; %s", sql);
        pg_do(db.url, with_path, NULL);
        mem_free(with_path);
    } else {
        sqlite_do(db.url + strlen("sqlite:"), sql, NULL);
    }
}

/* The first column of the one row that a query gives. */
static inline int64_t db_number(const char *sql)
{
    int64_t number = -1;
    if (db.is_postgres) {
        char *with_path = mem_alloc(strlen(sql) + 64);
        sprintf(with_path, "SET search_path TO huntaze; %s", sql);
        pg_do(db.url, with_path, &number);
        mem_free(with_path);
    } else {
        sqlite_do(db.url + strlen("sqlite:"), sql, &number);
    }
    return number;
}

static inline const char *db_path(const char *name)
{
    static char path[128];
    snprintf(path, sizeof(path), "%s/%s", db.directory, name);
    return path;
}

static inline int db_make(void **state)
{
    (void)state;
    snprintf(db.directory, sizeof(db.directory), "/tmp/huntaze-test-XXXXXX");
    CHECK(mkdtemp(db.directory));
    if (db.is_postgres)
        pg_do(db.url, "SET client_min_messages TO error; DROP SCHEMA IF EXISTS huntaze CASCADE",
              NULL);
    else
        snprintf(db.url, sizeof(db.url), "sqlite:%s/huntaze.db", db.directory);
    return 0;
}

static inline int db_remove(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", db.directory);
    return system(command);
}

/* A database of this process on the server, since tests run side by side. */
static inline bool db_use_postgres(void)
{
    const char *url = getenv("HZ_TEST_POSTGRES_URL");
    if (!url || !*url)
        return false;
    char sql[64];
    const char *name = strrchr(url, '/');
    snprintf(sql, sizeof(sql), "CREATE DATABASE test_%d", (int)getpid());
    pg_do(url, sql, NULL);
    db.is_postgres = true;
    snprintf(db.server, sizeof(db.server), "%s", url);
    snprintf(db.url, sizeof(db.url), "%.*s/test_%d", (int)(name - url), url, (int)getpid());
    return true;
}

static inline void db_leave_postgres(void)
{
    char sql[64];
    snprintf(sql, sizeof(sql), "DROP DATABASE test_%d WITH (FORCE)", (int)getpid());
    pg_do(db.server, sql, NULL);
    db.is_postgres = false;
}

#define D(name) cmocka_unit_test_setup_teardown(name, db_make, db_remove)
#define RUN_ON_BOTH(...)                                                                   \
    int main(void)                                                                         \
    {                                                                                      \
        const struct CMUnitTest tests[] = { __VA_ARGS__ };                                 \
        int failed = cmocka_run_group_tests_name("SQLite", tests, NULL, NULL);             \
        if (!db_use_postgres()) {                                                          \
            fprintf(stderr,                                                                \
                    "SKIP: %zu tests on PostgreSQL: HZ_TEST_POSTGRES_URL is not set; run " \
                    "them with 'tests/postgres meson test ...'\n",                         \
                    HZ_LEN(tests));                                                        \
            printf("[  SKIPPED ] %zu test(s)\n", HZ_LEN(tests));                           \
            return failed;                                                                 \
        }                                                                                  \
        failed += cmocka_run_group_tests_name("PostgreSQL", tests, NULL, NULL);            \
        db_leave_postgres();                                                               \
        return failed;                                                                     \
    }

#endif
