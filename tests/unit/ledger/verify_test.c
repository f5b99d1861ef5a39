#include "rows.h"

/* Each change that nobody but the ledger may make is found, and nothing else is wrong before and
 * after it is taken back. */
static const struct {
    const char *change, *undo, *says;
} changes[] = {
    { "UPDATE transfer SET amount_nusd = amount_nusd - 1 WHERE operation_id = 1004",
      "UPDATE transfer SET amount_nusd = amount_nusd + 1 WHERE operation_id = 1004",
      "was changed" },
    { "UPDATE transfer SET correlation_id = 'x' WHERE operation_id = 1004",
      "UPDATE transfer SET correlation_id = NULL WHERE operation_id = 1004", "was changed" },
    { "UPDATE transfer SET correlation_id = '' WHERE operation_id = 1004",
      "UPDATE transfer SET correlation_id = NULL WHERE operation_id = 1004", "was changed" },
    { "UPDATE name SET text = 'other' WHERE text = 'account'",
      "UPDATE name SET text = 'account' WHERE text = 'other'", "was changed" },
    { "UPDATE transfer SET model = 999 WHERE operation_id = 1004",
      "UPDATE transfer SET model = (SELECT id FROM name WHERE text = 'model') WHERE operation_id = "
      "1004",
      "name 999 does not exist" },
    { "CREATE TABLE kept AS SELECT * FROM transfer WHERE operation_id = 1004; "
      "DELETE FROM transfer WHERE operation_id = 1004",
      "INSERT INTO transfer SELECT * FROM kept; DROP TABLE kept",
      "has 0 rows, was written with 1" },
    { "CREATE TABLE kept AS SELECT * FROM transfer WHERE operation_id = 1004; "
      "UPDATE kept SET id = (SELECT max(id) + 1 FROM transfer), operation_id = 2000; "
      "INSERT INTO transfer SELECT * FROM kept; DROP TABLE kept",
      "DELETE FROM transfer WHERE operation_id = 2000", "belongs to no batch" },
    { "CREATE TABLE kept AS SELECT * FROM transfer WHERE operation_id = 1004; "
      "UPDATE kept SET id = id + 16384, operation_id = 2000; "
      "INSERT INTO transfer SELECT * FROM kept; DROP TABLE kept",
      "DELETE FROM transfer WHERE operation_id = 2000", "1 rows belong to no writer" },
    { "CREATE TABLE kept AS SELECT * FROM batch WHERE seq = 3; DELETE FROM batch WHERE seq = 3",
      "INSERT INTO batch SELECT * FROM kept; DROP TABLE kept", "batches are missing" },
    { "CREATE TABLE kept AS SELECT * FROM batch WHERE seq = (SELECT max(seq) FROM batch); "
      "CREATE TABLE kept_row AS SELECT * FROM transfer WHERE id >= (SELECT max(first_id) FROM "
      "kept); "
      "DELETE FROM batch WHERE seq IN (SELECT seq FROM kept); "
      "DELETE FROM transfer WHERE id IN (SELECT id FROM kept_row)",
      "INSERT INTO batch SELECT * FROM kept; INSERT INTO transfer SELECT * FROM kept_row; "
      "DROP TABLE kept; DROP TABLE kept_row",
      "but had written" },
    { "UPDATE batch SET prev_hash = (SELECT hash FROM batch WHERE seq = 1) WHERE seq = 3",
      "UPDATE batch SET prev_hash = (SELECT hash FROM batch WHERE seq = 2) WHERE seq = 3",
      "does not continue the chain" },
    { "UPDATE batch SET hash = prev_hash WHERE seq = 8", NULL, "was changed" },
    { "UPDATE rollup SET cost_nusd = cost_nusd + 1", "UPDATE rollup SET cost_nusd = cost_nusd - 1",
      "differs from its rows" },
    { "CREATE TABLE kept AS SELECT * FROM rollup; DELETE FROM rollup",
      "INSERT INTO rollup SELECT * FROM kept; DROP TABLE kept", "rollups of node 7 are missing" },
    { "CREATE TABLE kept AS SELECT * FROM rollup; UPDATE kept SET hour = 1; "
      "INSERT INTO rollup SELECT * FROM kept; DROP TABLE kept",
      "DELETE FROM rollup WHERE hour = 1", "stands for no row" },
    { "DROP INDEX transfer_once; UPDATE transfer SET operation_id = 1005 WHERE operation_id = 1004",
      NULL, "stands in 2 rows" },
};

static void check_found(size_t i)
{
    struct buf out = { 0 };
    bool is_sound = true;
    CHECK_ERR(ledger_verify(str_of(db.url), &out, &is_sound), ERR_STORE);
    CHECK(!is_sound);
    buf_add_char(&out, '\0');
    if (!strstr(out.at, changes[i].says))
        check_failed(changes[i].change, out.at, changes[i].says, __FILE__, __LINE__);
    CHECK(strstr(out.at, "NOT SOUND"));
    buf_fini(&out);
}

TEST(every_change_behind_the_ledgers_back_is_found)
{
    write_rows(10);
    check_sound();
    /* Left out after a change that cannot be taken back: the ledger is made anew. */
    for (size_t i = 0; i < HZ_LEN(changes); i++) {
        db_exec(changes[i].change);
        check_found(i);
        if (changes[i].undo) {
            db_exec(changes[i].undo);
            check_sound();
        } else {
            db_remove(NULL);
            db_make(NULL);
            write_rows(10);
        }
    }
}

TEST(a_sound_ledger_is_told_with_its_totals)
{
    struct buf out = { 0 };
    bool is_sound = false;
    write_rows(10);
    CHECK_OK(ledger_verify(str_of(db.url), &out, &is_sound));
    CHECK(is_sound);
    buf_add_char(&out, '\0');
    CHECK(strstr(out.at, "rows:     10 in 10 batches of 1 writers\n"));
    CHECK(strstr(out.at, "settled:  10 attempts, $0.00001234\n"));
    CHECK(strstr(out.at, "unknown:  0 of them"));
    CHECK(strstr(out.at, "tokens:   1000 input (100 cached), 500 output (200 reasoning)\n"));
    CHECK(strstr(out.at, "sound:"));
    buf_fini(&out);
}

TEST(an_empty_ledger_is_sound)
{
    open_ledger();
    check_sound(); /* beside a running one */
    close_ledger();
    check_sound();
}

TEST(what_cannot_be_read_is_not_called_sound)
{
    struct buf out = { 0 };
    bool is_sound = true;
    char url[300];
    snprintf(url, sizeof(url), "%s_absent", db.url);
    CHECK_ERR(ledger_verify(str_of(url), &out, &is_sound), ERR_STORE);
    CHECK(!is_sound && out.len);
    buf_fini(&out);
}

/* More batches than fit into a page of the walk, each sealed. */
TEST(a_long_chain_is_walked_to_its_end)
{
    write_rows(600);
    check_sound();
    db_exec("UPDATE transfer SET duration_ms = 0 WHERE operation_id = 1590");
    struct buf out = { 0 };
    bool is_sound;
    CHECK_ERR(ledger_verify(str_of(db.url), &out, &is_sound), ERR_STORE);
    buf_add_char(&out, '\0');
    CHECK(strstr(out.at, "NOT SOUND: 1 problems"));
    buf_fini(&out);
}

static void settle_fortunes(struct task *t, void *arg)
{
    const int64_t *first = arg;
    for (int64_t i = 0; i < 2; i++) {
        struct transfer row = row_of(*first + i);
        row.started_ms = 1;
        row.amount_nusd = INT64_MAX;
        row.usage = (struct usage) { INT64_MAX, 0, 0, INT64_MAX, 0 };
        CHECK_OK(ledger_settle(t, ledger, &row, 1));
    }
    loop_stop(task_loop(t));
}

static void write_fortunes(int64_t first_operation)
{
    open_ledger();
    run_task(settle_fortunes, &first_operation);
    close_ledger();
    drop_loop();
}

static void check_says(const char *const *texts, size_t count)
{
    struct buf out = { 0 };
    bool is_sound = false;
    CHECK_OK(ledger_verify(str_of(db.url), &out, &is_sound));
    CHECK(is_sound);
    for (size_t i = 0; i < count; i++) {
        if (str_find(buf_str(&out), str_of(texts[i])) == SIZE_MAX)
            check_failed("what verify says", buf_take(&out), texts[i], __FILE__, __LINE__);
    }
    buf_fini(&out);
}

/* Within one flush of rollups, onto what the database has, and when they are folded again. */
TEST(sums_that_do_not_fit_are_told_and_stop_nothing)
{
    static const char *const says[] = {
        "settled:  14 attempts, $36893488147.419115568\n",
        "tokens:   36893488147419104228 input (100 cached), 36893488147419103728 output (200 "
        "reasoning)\n",
        "beyond:   the sum of settled amounts does not fit into 64 bits",
        "beyond:   the sum of input tokens does not fit",
        "beyond:   1 rollups hold a sum that does not fit",
        "beyond:   4 rows charge more than 2147483647 tokens of a class",
    };
    write_fortunes(2000);
    write_fortunes(3000);
    write_rows(10);
    CHECK_EQ(db_number("SELECT count(*) FROM rollup WHERE cost_nusd = 9223372036854775807 AND "
                       "input_tokens = 9223372036854775807 AND calls = 4"),
             1);
    check_says(says, HZ_LEN(says));
    /* What versions that let sums wrap have left. */
    db_exec("UPDATE rollup SET cost_nusd = -2 WHERE calls = 4");
    check_says(says, HZ_LEN(says));
    db_exec("UPDATE rollup SET calls = 3 WHERE calls = 4");
    struct buf out = { 0 };
    bool is_sound;
    CHECK_ERR(ledger_verify(str_of(db.url), &out, &is_sound), ERR_STORE);
    buf_fini(&out);
}

RUN_ON_BOTH(D(every_change_behind_the_ledgers_back_is_found),
            D(a_sound_ledger_is_told_with_its_totals), D(an_empty_ledger_is_sound),
            D(what_cannot_be_read_is_not_called_sound), D(a_long_chain_is_walked_to_its_end),
            D(sums_that_do_not_fit_are_told_and_stop_nothing))
