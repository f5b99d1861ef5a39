#include "ledger/rows.h"

#include <openssl/sha.h>

/* Starting on a file that is damaged or not ours: refused with advice, and nothing is overwritten.
 */

enum { ROWS = 400, FLIPS_TRIES = 25 };

static struct buf file_read(const char *path)
{
    struct buf bytes = { 0 };
    FILE *f = fopen(path, "rb");
    size_t n = 1;
    while (f && n) {
        n = fread(buf_reserve(&bytes, 65536), 1, 65536, f);
        bytes.len += n;
    }
    if (f)
        fclose(f);
    return bytes;
}

static void file_write(const char *path, struct str bytes)
{
    FILE *f = fopen(path, "wb");
    CHECK(f);
    CHECK_EQ(fwrite(bytes.at, 1, bytes.len, f), bytes.len);
    CHECK_EQ(fclose(f), 0);
}

/* Of the database and its log: one after the other in `out`. */
static void fingerprint(unsigned char out[2 * SHA256_DIGEST_LENGTH])
{
    static const char *const names[] = { "huntaze.db", "huntaze.db-wal" };
    for (size_t i = 0; i < HZ_LEN(names); i++) {
        struct buf bytes = file_read(db_path(names[i]));
        SHA256((const unsigned char *)(bytes.len ? bytes.at : ""), bytes.len,
               out + i * SHA256_DIGEST_LENGTH);
        buf_fini(&bytes);
    }
}

/* False: it opened, and the ledger was closed again. */
static bool is_refused(const char *advice)
{
    struct ledger_options options = options_of_test();
    struct fail fail = { 0 };
    unsigned char before[2 * SHA256_DIGEST_LENGTH], after[sizeof(before)];
    fingerprint(before);
    log_set_level(LOG_LEVELS);
    if (ledger_open(&options, &ledger, &fail) == OK) {
        close_ledger();
        return false;
    }
    fingerprint(after);
    CHECK_EQ(memcmp(before, after, sizeof(before)), 0);
    if (!strstr(fail.text, advice))
        check_failed("the message says what to do", fail.text, advice, __FILE__, __LINE__);
    return true;
}

/* A ledger as an ordinary stop leaves it, or as a crash does: with its log. */
struct copies {
    struct buf database, log;
};

static struct copies make_ledger(bool is_crashed)
{
    struct copies c = { 0 };
    int64_t count = ROWS;
    open_ledger();
    run_task(settle_some, &count);
    if (is_crashed) {
        c.database = file_read(db_path("huntaze.db"));
        c.log = file_read(db_path("huntaze.db-wal"));
        CHECK(c.log.len > 100000);
    }
    close_ledger();
    drop_loop();
    if (!is_crashed)
        c.database = file_read(db_path("huntaze.db"));
    return c;
}

static void put(const struct copies *c)
{
    unlink(db_path("huntaze.db-shm"));
    unlink(db_path("huntaze.db-wal"));
    file_write(db_path("huntaze.db"), buf_str(&c->database));
    if (c->log.len)
        file_write(db_path("huntaze.db-wal"), buf_str(&c->log));
}

static void free_copies(struct copies *c)
{
    buf_fini(&c->database);
    buf_fini(&c->log);
}

TEST(another_programs_database_is_refused_and_left_alone)
{
    sqlite_do(db.url + strlen("sqlite:"), "PRAGMA journal_mode = WAL; CREATE TABLE theirs (x)",
              NULL);
    CHECK(is_refused("choose another file"));
    CHECK_EQ(db_number("SELECT count(*) FROM sqlite_schema"), 1);
}

TEST(a_text_file_is_refused_and_left_alone)
{
    struct buf text = { 0 };
    for (int i = 0; i < 500; i++)
        buf_addf(&text, "line %d of something dear to somebody\n", i);
    file_write(db_path("huntaze.db"), buf_str(&text));
    buf_fini(&text);
    CHECK(is_refused("choose another file"));
}

static void check_truncated(bool is_crashed)
{
    struct copies c = make_ledger(is_crashed);
    size_t whole = c.database.len;
    /* After a crash the log may hold all pages that a short file lacks; then it may open. */
    for (size_t kept = whole; (kept /= 2) > 50;) {
        c.database.len = kept;
        put(&c);
        bool was_refused = is_refused(" away");
        CHECK(was_refused || is_crashed);
        if (!was_refused)
            check_sound();
    }
    free_copies(&c);
}

TEST(a_truncated_file_is_refused_and_left_alone)
{
    check_truncated(false);
}

TEST(a_truncated_file_with_the_log_of_a_crash_is_refused_or_whole)
{
    check_truncated(true);
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005ull + 1442695040888963407ull;
    return *state >> 33;
}

/* Never a crash, never an overwriting refusal. Flips that SQLite's structure does not show (within
 * a value) open: `huntaze verify ledger` tells them by its chain, unless they hit free bytes. */
static void check_flipped(bool is_crashed, bool is_in_header)
{
    struct copies c = make_ledger(is_crashed);
    uint64_t state = 7;
    int refused = 0;
    for (int i = 0; i < FLIPS_TRIES; i++) {
        struct copies damaged = { 0 };
        buf_add(&damaged.database, buf_str(&c.database));
        buf_add(&damaged.log, buf_str(&c.log));
        for (int k = 0; k < 64 && damaged.database.len; k++) {
            size_t page = next_random(&state) % (damaged.database.len / 4096) * 4096;
            size_t at = is_in_header ? page + next_random(&state) % 12
                                     : next_random(&state) % damaged.database.len;
            damaged.database.at[at] ^= (char)(1 + next_random(&state) % 255);
        }
        put(&damaged);
        refused += is_refused(" ");
        free_copies(&damaged);
    }
    CHECK(refused > (is_in_header && !is_crashed ? FLIPS_TRIES * 9 / 10 : 0));
    free_copies(&c);
}

TEST(flipped_bytes_in_the_heads_of_pages_are_refused)
{
    check_flipped(false, true);
}

TEST(flipped_bytes_anywhere_never_crash_a_start)
{
    check_flipped(false, false);
}

TEST(flipped_bytes_under_the_log_of_a_crash_are_not_written_over)
{
    check_flipped(true, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        D(another_programs_database_is_refused_and_left_alone),
        D(a_text_file_is_refused_and_left_alone),
        D(a_truncated_file_is_refused_and_left_alone),
        D(a_truncated_file_with_the_log_of_a_crash_is_refused_or_whole),
        D(flipped_bytes_in_the_heads_of_pages_are_refused),
        D(flipped_bytes_anywhere_never_crash_a_start),
        D(flipped_bytes_under_the_log_of_a_crash_are_not_written_over),
    };
    return cmocka_run_group_tests_name("SQLite", tests, NULL, NULL);
}
