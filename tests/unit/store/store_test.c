#include "database.h"

#include <sys/stat.h>
#include <sys/syscall.h>

#include "store/store.h"

static struct store *open_store(bool is_read_only)
{
    struct store_options options = { .url = str_of(db.url), .is_read_only = is_read_only };
    struct fail fail = { 0 };
    struct store *s = NULL;
    if (store_open(&options, &s, &fail) != OK)
        check_failed("store_open", fail.text, "", __FILE__, __LINE__);
    return s;
}

static void check_refused(const char *url, bool is_read_only, const char *says)
{
    struct store_options options = { .url = str_of(url), .is_read_only = is_read_only };
    struct fail fail = { 0 };
    struct store *s = NULL;
    CHECK_ERR(store_open(&options, &s, &fail), ERR_STORE);
    CHECK(!s);
    if (!strstr(fail.text, says))
        check_failed("the refusal says why", fail.text, says, __FILE__, __LINE__);
}

static enum err keep_first(void *arg, const struct value *columns, size_t count)
{
    CHECK(count >= 1);
    CHECK_EQ(columns[0].kind, VALUE_INT);
    *(int64_t *)arg = columns[0].number;
    return OK;
}

static enum err add_name(struct store *s, struct str text)
{
    struct value params[] = { VAL_TEXT(text) };
    return store_run(s, SQL_NAME_ADD, params, 1, NULL, NULL);
}

static int64_t find_name(struct store *s, struct str text)
{
    struct value params[] = { VAL_TEXT(text) };
    int64_t id = 0;
    CHECK_OK(store_run(s, SQL_NAME_FIND, params, 1, keep_first, &id));
    return id;
}

static enum err add_batch(struct store *s, int64_t seq, struct str hash)
{
    struct value params[] = { VAL_INT(1),
                              VAL_INT(1),
                              VAL_INT(seq),
                              VAL_INT(10),
                              VAL_INT(INT64_MAX),
                              VAL_INT(3),
                              VAL_BLOB(STR("\0\1\2")),
                              VAL_BLOB(hash) };
    return store_run_many(s, SQL_BATCH_ADD, params, HZ_LEN(params), 1);
}

TEST(a_value_comes_back_as_it_went_in)
{
    struct store *s = open_store(false);
    CHECK_OK(add_name(s, STR("na\xc3\xafve 'quoted' \"text\"")));
    CHECK_OK(add_name(s, STR("")));
    CHECK(find_name(s, STR("na\xc3\xafve 'quoted' \"text\"")) > 0);
    CHECK(find_name(s, STR("")) > 0);
    CHECK_EQ(find_name(s, STR("absent")), 0);
    store_close(s);
}

static enum err check_batch(void *arg, const struct value *columns, size_t count)
{
    CHECK_EQ(count, 7);
    CHECK_EQ(columns[3].number, INT64_MAX);
    CHECK_EQ(columns[5].kind, VALUE_BLOB);
    CHECK(str_eq(columns[5].text, STR("\0\1\2")));
    CHECK(str_eq(columns[6].text, STR("\xff\0\xfe")));
    ++*(int *)arg;
    return OK;
}

TEST(blobs_and_large_numbers_survive)
{
    struct store *s = open_store(false);
    CHECK_OK(store_begin(s));
    CHECK_OK(add_batch(s, 1, STR("\xff\0\xfe")));
    CHECK_OK(store_commit(s));
    struct value page[] = { VAL_INT(1), VAL_INT(0), VAL_INT(0), VAL_INT(10) };
    int rows = 0;
    CHECK_OK(store_run(s, SQL_BATCH_PAGE, page, HZ_LEN(page), check_batch, &rows));
    CHECK_EQ(rows, 1);
    store_close(s);
}

enum { COLUMNS = 31, MANY = 300 };

static struct value *many_rows(int64_t first_operation)
{
    struct value *rows = mem_zalloc(MANY * COLUMNS * sizeof(*rows));
    for (int i = 0; i < MANY; i++) {
        for (int c = 0; c < COLUMNS - 1; c++)
            rows[i * COLUMNS + c] = VAL_INT(c + 1);
        rows[i * COLUMNS] = VAL_INT(first_operation + i);
        rows[i * COLUMNS + 1] = VAL_INT(first_operation + i);
        rows[i * COLUMNS + 6] = VAL_INT(i % 2 ? -7 : INT64_MIN);
        rows[i * COLUMNS + COLUMNS - 1] = i % 3 ? VAL_NULL : VAL_TEXT(STR("abc"));
    }
    return rows;
}

TEST(many_rows_go_in_as_one_by_one)
{
    struct store *s = open_store(false);
    struct value *rows = many_rows(1000);
    CHECK_OK(store_begin(s));
    CHECK_OK(store_run_many(s, SQL_TRANSFER_ADD, rows, COLUMNS, MANY));
    CHECK_OK(store_commit(s));
    CHECK_EQ(db_number("SELECT count(*) FROM transfer"), MANY);
    CHECK_EQ(db_number("SELECT count(*) FROM transfer WHERE correlation_id = 'abc'"), MANY / 3);
    CHECK_EQ(db_number("SELECT count(*) FROM transfer WHERE correlation_id IS NULL"),
             MANY - MANY / 3);
    CHECK_EQ(db_number("SELECT count(*) FROM transfer WHERE amount_nusd = -7 AND is_fallback = 30"),
             MANY / 2);
    CHECK_EQ(db_number("SELECT min(amount_nusd) FROM transfer"), INT64_MIN);
    mem_free(rows);
    store_close(s);
}

TEST(a_taken_key_is_told_apart_and_the_transaction_leaves_nothing)
{
    struct store *s = open_store(false);
    struct value *rows = many_rows(1000);
    CHECK_OK(store_begin(s));
    CHECK_OK(store_run_many(s, SQL_TRANSFER_ADD, rows, COLUMNS, 1));
    CHECK_OK(store_commit(s));

    CHECK_OK(store_begin(s));
    enum err err = store_run_many(s, SQL_TRANSFER_ADD, rows, COLUMNS, MANY);
    if (!err) /* PostgreSQL may tell at the end */
        err = store_commit(s);
    CHECK_ERR(err, ERR_EXISTS);
    CHECK(*store_error(s));
    store_rollback(s);
    CHECK_EQ(db_number("SELECT count(*) FROM transfer"), 1);

    CHECK_OK(store_begin(s));
    CHECK_OK(store_run_many(s, SQL_TRANSFER_ADD, rows + COLUMNS, COLUMNS, MANY - 1));
    CHECK_OK(store_commit(s));
    CHECK_EQ(db_number("SELECT count(*) FROM transfer"), MANY);
    mem_free(rows);
    store_close(s);
}

TEST(a_transaction_that_failed_cannot_be_committed)
{
    struct store *s = open_store(false);
    CHECK_OK(store_begin(s));
    CHECK_OK(add_name(s, STR("before")));
    CHECK_OK(add_batch(s, 1, STR("x")));
    enum err err = add_batch(s, 1, STR("y"));
    if (!err)
        err = store_commit(s);
    CHECK_ERR(err, ERR_EXISTS);
    store_rollback(s);
    CHECK_EQ(find_name(s, STR("before")), 0);
    store_close(s);
}

TEST(a_rollback_takes_everything_back)
{
    struct store *s = open_store(false);
    store_rollback(s); /* harmless */
    CHECK_OK(store_begin(s));
    CHECK_OK(add_name(s, STR("never")));
    store_rollback(s);
    CHECK_EQ(find_name(s, STR("never")), 0);
    CHECK_OK(store_begin(s));
    store_rollback(s);
    CHECK_OK(add_name(s, STR("later")));
    CHECK(find_name(s, STR("later")) > 0);
    store_close(s);
}

static enum err stop_at_second(void *arg, const struct value *columns, size_t count)
{
    (void)columns, (void)count;
    return ++*(int *)arg == 2 ? ERR_AGAIN : OK;
}

TEST(a_callback_can_end_a_statement)
{
    struct store *s = open_store(false);
    for (int i = 0; i < 5; i++) {
        char text[8] = { (char)('a' + i) };
        CHECK_OK(add_name(s, str_of(text)));
    }
    int rows = 0;
    CHECK_OK(store_begin(s));
    CHECK_ERR(store_run(s, SQL_NAME_LIST, NULL, 0, stop_at_second, &rows), ERR_AGAIN);
    CHECK_EQ(rows, 2);
    CHECK_OK(add_name(s, STR("after")));
    CHECK_OK(store_commit(s));
    CHECK(find_name(s, STR("after")) > 0);
    store_close(s);
}

TEST(a_second_open_finds_the_tables_and_the_rows)
{
    struct store *s = open_store(false);
    CHECK_OK(add_name(s, STR("kept")));
    store_close(s);
    int64_t migrations = db_number("SELECT count(*) FROM migration");
    CHECK(migrations >= 1);
    s = open_store(false);
    CHECK(find_name(s, STR("kept")) > 0);
    CHECK_EQ(db_number("SELECT count(*) FROM migration"), migrations);
    store_close(s);
}

TEST(a_read_only_store_reads_one_moment_and_writes_nothing)
{
    struct store *writer = open_store(false);
    CHECK_OK(add_name(writer, STR("one")));
    struct store *reader = open_store(true);
    CHECK_OK(store_begin(reader));
    CHECK(find_name(reader, STR("one")) > 0);
    CHECK_OK(add_name(writer, STR("two")));
    CHECK_EQ(find_name(reader, STR("two")), 0);
    CHECK_OK(store_commit(reader));
    CHECK(find_name(reader, STR("two")) > 0);
    CHECK_ERR(add_name(reader, STR("three")), ERR_STORE);
    store_close(reader);
    store_close(writer);
}

TEST(a_read_only_open_does_not_make_tables)
{
    if (!db.is_postgres)
        CHECK_EQ(fclose(fopen(db.url + strlen("sqlite:"), "w")), 0);
    check_refused(db.url, true, "huntaze serve");
}

TEST(tables_of_a_newer_program_are_refused)
{
    store_close(open_store(false));
    db_exec("INSERT INTO migration (number, name, applied_ms) VALUES (9999, 'future', 0)");
    check_refused(db.url, false, "newer");
}

TEST(a_ping_answers)
{
    struct store *s = open_store(false);
    CHECK_OK(store_ping(s));
    CHECK_EQ(store_is_postgres(s), db.is_postgres);
    store_close(s);
}

/* ---- only PostgreSQL ---- */

static void cut_connections(void)
{
    pg_do(db.url,
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
          "WHERE application_name = 'huntaze' AND datname = current_database()",
          NULL);
}

TEST(a_lost_connection_is_made_anew_but_never_within_a_transaction)
{
    if (!db.is_postgres)
        return;
    struct store *s = open_store(false);
    CHECK_OK(store_begin(s));
    CHECK_OK(add_name(s, STR("lost")));
    cut_connections();
    CHECK_ERR(add_name(s, STR("lost too")), ERR_STORE);
    CHECK_ERR(add_name(s, STR("lost as well")), ERR_STORE);
    store_rollback(s);
    CHECK_OK(store_ping(s));
    CHECK_EQ(find_name(s, STR("lost")), 0);
    CHECK_EQ(find_name(s, STR("lost as well")), 0);

    cut_connections();
    CHECK_OK(store_ping(s)); /* the first use notices, the second try connects */
    CHECK_OK(add_name(s, STR("back")));
    CHECK(find_name(s, STR("back")) > 0);
    store_close(s);
}

TEST(a_server_that_is_not_there_is_named)
{
    if (db.is_postgres)
        check_refused("postgresql://huntaze@127.0.0.1:1/x", false, "PostgreSQL cannot be reached");
}

/* ---- only SQLite ---- */

static int syncs;

/* Stands before the C library's, so that what SQLite syncs can be counted. */
int fdatasync(int fd)
{
    syncs++;
    return (int)syscall(SYS_fdatasync, fd);
}

int fsync(int fd)
{
    syncs++;
    return (int)syscall(SYS_fsync, fd);
}

TEST(each_commit_is_on_disk_before_it_returns)
{
    if (db.is_postgres)
        return;
    struct store *s = open_store(false);
    for (int i = 0; i < 3; i++) {
        int before = syncs;
        CHECK_OK(store_begin(s));
        CHECK_OK(add_batch(s, i, STR("x")));
        CHECK_OK(store_commit(s));
        CHECK(syncs > before);
    }
    store_close(s);
}

TEST(files_are_private_and_directories_are_made)
{
    if (db.is_postgres)
        return;
    char url[160];
    struct stat st;
    snprintf(url, sizeof(url), "sqlite:%s", db_path("a/b/ledger.db"));
    struct store_options options = { .url = str_of(url) };
    struct store *s;
    struct fail fail = { 0 };
    CHECK_OK(store_open(&options, &s, &fail));
    CHECK_OK(add_name(s, STR("x")));
    CHECK_EQ(stat(db_path("a"), &st), 0);
    CHECK_EQ(st.st_mode & 0777, 0700);
    CHECK_EQ(stat(db_path("a/b/ledger.db"), &st), 0);
    CHECK_EQ(st.st_mode & 0777, 0600);
    CHECK_EQ(stat(db_path("a/b/ledger.db-wal"), &st), 0);
    CHECK_EQ(st.st_mode & 0777, 0600);
    store_close(s);
}

TEST(a_place_that_cannot_be_written_is_refused_with_advice)
{
    if (db.is_postgres)
        return;
    char url[160];
    CHECK_EQ(fclose(fopen(db_path("file"), "w")), 0);
    snprintf(url, sizeof(url), "sqlite:%s", db_path("file/ledger.db"));
    check_refused(url, false, "choose another place");
    snprintf(url, sizeof(url), "sqlite:%s", db.directory);
    check_refused(url, false, "is not a file");
    check_refused("mysql://x", false, "sqlite:PATH or postgresql://");
    check_refused("sqlite:", false, "sqlite:PATH or postgresql://");
}

static void overwrite(const char *path, long at, const void *bytes, size_t len)
{
    FILE *f = fopen(path, "r+");
    CHECK(f && fseek(f, at, SEEK_SET) == 0);
    CHECK_EQ(fwrite(bytes, 1, len, f), len);
    CHECK_EQ(fclose(f), 0);
}

TEST(a_foreign_or_damaged_file_is_refused)
{
    if (db.is_postgres)
        return;
    const char *path = db.url + strlen("sqlite:");
    sqlite_do(path, "CREATE TABLE theirs (x)", NULL);
    check_refused(db.url, false, "another program");
    CHECK_EQ(db_number("SELECT count(*) FROM sqlite_schema"), 1);
    CHECK_EQ(unlink(path), 0);

    FILE *f = fopen(path, "w");
    CHECK(f);
    for (int i = 0; i < 1000; i++)
        fputs("this is some text file ", f);
    CHECK_EQ(fclose(f), 0);
    check_refused(db.url, false, "not a SQLite database");
    CHECK_EQ(unlink(path), 0);

    struct store *s = open_store(false);
    for (int i = 0; i < 2000; i++) {
        char text[32];
        snprintf(text, sizeof(text), "name %d", i);
        CHECK_OK(store_begin(s));
        for (int k = 0; k < 10; k++, i++)
            CHECK_OK(add_name(s, str_of((snprintf(text, sizeof(text), "name %d", i), text))));
        CHECK_OK(store_commit(s));
    }
    store_close(s);
    char junk[64];
    memset(junk, 0x5a, sizeof(junk));
    for (long page = 2; page < 12; page++)
        overwrite(path, page * 4096, junk, sizeof(junk));
    check_refused(db.url, false, "backup");
}

TEST(writers_of_one_file_wait_for_each_other)
{
    if (db.is_postgres)
        return;
    struct store *a = open_store(false), *b = open_store(false);
    for (int i = 0; i < 3; i++) {
        CHECK_OK(store_begin(a));
        CHECK_OK(add_name(a, STR("a")));
        CHECK_OK(store_commit(a));
        CHECK_OK(add_name(b, STR("b")));
    }
    CHECK_EQ(db_number("SELECT count(*) FROM name"), 2);
    store_close(a);
    store_close(b);
}

RUN_ON_BOTH(D(a_value_comes_back_as_it_went_in), D(blobs_and_large_numbers_survive),
            D(many_rows_go_in_as_one_by_one),
            D(a_taken_key_is_told_apart_and_the_transaction_leaves_nothing),
            D(a_transaction_that_failed_cannot_be_committed), D(a_rollback_takes_everything_back),
            D(a_callback_can_end_a_statement), D(a_second_open_finds_the_tables_and_the_rows),
            D(a_read_only_store_reads_one_moment_and_writes_nothing),
            D(a_read_only_open_does_not_make_tables), D(tables_of_a_newer_program_are_refused),
            D(a_ping_answers), D(a_lost_connection_is_made_anew_but_never_within_a_transaction),
            D(a_server_that_is_not_there_is_named), D(each_commit_is_on_disk_before_it_returns),
            D(files_are_private_and_directories_are_made),
            D(a_place_that_cannot_be_written_is_refused_with_advice),
            D(a_foreign_or_damaged_file_is_refused), D(writers_of_one_file_wait_for_each_other))
