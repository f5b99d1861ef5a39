#include "test.h"

#include <fcntl.h>
#include <unistd.h>

#include "ledger/slots.h"
#include "ledger/writer.h"

/* The ledger's parts by themselves, without a database. */

static struct transfer some_row(struct names *names)
{
    return (struct transfer) {
        .operation_id = INT64_MAX,
        .attempt = 3,
        .kind = TRANSFER_SETTLE,
        .debit_account = names_intern(names, STR("debit")),
        .credit_account = names_intern(names, STR("credit")),
        .amount_nusd = -5,
        .is_unpriced = true,
        .key = names_intern(names, STR("key")),
        .provider = names_intern(names, STR("provider")),
        .deployment = names_intern(names, STR("deployment")),
        .model = names_intern(names, STR("model")),
        .region = names_intern(names, STR("region")),
        .tier = 1,
        .operation = 2,
        .usage = { 1, 2, 3, 4, 5 },
        .usage_source = USAGE_COUNTED,
        .status = ATTEMPT_BROKEN,
        .http_status = 599,
        .error = names_intern(names, STR("error")),
        .started_ms = 1750000000000,
        .duration_ms = INT32_MAX,
        .first_content_ms = -1,
        .is_stream = true,
        .correlation_id = STR("correlation"),
    };
}

TEST(a_name_keeps_its_number_and_none_has_zero)
{
    struct names *names = names_create();
    uint32_t first = names_intern(names, STR("first"));
    CHECK(first != 0);
    for (int i = 0; i < 1000; i++) {
        char text[16];
        snprintf(text, sizeof(text), "name %d", i);
        CHECK_EQ(names_intern(names, str_of(text)), first + 1 + (uint32_t)i);
    }
    CHECK_EQ(names_intern(names, STR("first")), first);
    CHECK_EQ(names_intern(names, STR("")), 0);
    CHECK_EQ(names_intern(names, STR_NONE), 0);
    CHECK_EQ(names_count(names), 1002);
    uint32_t ids[] = { first, 0, first + 1000 };
    struct str texts[3];
    names_texts(names, ids, texts, 3);
    CHECK_STR(texts[0], "first");
    CHECK_STR(texts[1], "");
    CHECK_STR(texts[2], "name 999");
    names_destroy(names);
}

TEST(labels_that_callers_make_up_do_not_grow_without_end)
{
    struct names *names = names_create();
    char text[32];
    uint32_t known = names_intern_label(names, STR("known"));
    for (int i = 0; i < LABELS_MOST + 10; i++) {
        snprintf(text, sizeof(text), "label-%d", i);
        CHECK(names_intern_label(names, str_of(text)) != 0);
    }
    CHECK(names_count(names) <= LABELS_MOST + 1);
    CHECK_EQ(names_intern_label(names, STR("known")), known);
    CHECK_EQ(names_intern_label(names, STR("new")), names_intern_label(names, STR("newer")));
    /* Accounts and keys are never mixed up, however many labels there are. */
    CHECK(names_intern(names, STR("account-1")) != names_intern(names, STR("account-2")));
    names_destroy(names);
}

static void check_clean(struct str in, const char *expected)
{
    char out[16];
    CHECK_STR(str_make(out, text_clean(in, out, sizeof(out))), expected);
}

TEST(only_clean_utf8_gets_through)
{
    check_clean(STR("plain"), "plain");
    check_clean(STR("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"),
                "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    check_clean(STR("a\0b\n\x7f"), "a?b?\?");
    check_clean(STR("\xc0\x80"), "?\?");             /* an overlong NUL */
    check_clean(STR("\xed\xa0\x80"), "?\?\?");       /* half a surrogate pair */
    check_clean(STR("\xf5\x80\x80\x80"), "?\?\?\?"); /* beyond Unicode */
    check_clean(STR("\xe2\x82"), "?\?");             /* cut off */
    check_clean(STR("0123456789012345tail"), "0123456789012345");
    check_clean(STR("012345678901234\xc3\xa9"), "012345678901234?"); /* cut by the limit */
    check_clean(STR(""), "");
}

TEST(a_row_survives_its_bytes_in_another_process)
{
    struct names *names = names_create(), *other = names_create();
    struct record *record = MEM_NEW(struct record);
    char *bytes = mem_alloc(ROW_BYTES_MAX), *again = mem_alloc(ROW_BYTES_MAX);
    int64_t before[COL_NUMBERS], after[COL_NUMBERS];
    struct transfer row = some_row(names);
    names_intern(other, STR("so that the numbers differ"));

    size_t len = row_encode(&row, names, bytes);
    CHECK_OK(row_decode(str_make(bytes, len), other, record));
    CHECK(record->row.model != row.model);
    CHECK_STR(record->row.correlation_id, "correlation");
    row_numbers(&row, before);
    row_numbers(&record->row, after);
    for (size_t i = 0; i < ROW_NAMES; i++)
        before[name_columns[i]] = after[name_columns[i]] = 0;
    CHECK(memcmp(before, after, sizeof(before)) == 0);
    /* Names as text again: only their numbers differ. */
    size_t len_again = row_encode(&record->row, other, again);
    CHECK_EQ(len_again, len);
    size_t texts = 1 + COL_NUMBERS * sizeof(int64_t);
    CHECK(memcmp(bytes + texts, again + texts, len - texts) == 0);

    for (size_t cut = 0; cut < len; cut++) {
        char *exact = mem_alloc(cut);
        memcpy(exact, bytes, cut);
        CHECK_ERR(row_decode(str_make(exact, cut), other, record), ERR_IO);
        mem_free(exact);
    }
    bytes[0] = 9; /* another form */
    CHECK_ERR(row_decode(str_make(bytes, len), other, record), ERR_IO);
    mem_free(bytes);
    mem_free(again);
    mem_free(record);
    names_destroy(names);
    names_destroy(other);
}

static void hash_of(struct chain *chain, const struct value *columns, const uint64_t *digests,
                    int before, unsigned char out[HASH_BYTES])
{
    unsigned char earlier[HASH_BYTES] = { (unsigned char)before };
    chain_begin(chain, earlier);
    chain_add(chain, columns, digests);
    chain_end(chain, out);
}

static bool is_name(size_t column)
{
    for (size_t i = 0; i < ROW_NAMES; i++) {
        if (name_columns[i] == (enum column)column)
            return true;
    }
    return false;
}

TEST(a_hash_depends_on_every_column_and_on_what_came_before)
{
    struct chain *chain = chain_create();
    unsigned char plain[HASH_BYTES], other[HASH_BYTES];
    uint64_t digests[ROW_NAMES] = { 0 };
    struct value columns[COLUMNS];
    for (size_t i = 0; i < COL_NUMBERS; i++)
        columns[i] = VAL_INT(i);
    columns[COL_CORRELATION] = VAL_NULL;
    hash_of(chain, columns, digests, 0, plain);
    hash_of(chain, columns, digests, 0, other);
    CHECK(memcmp(plain, other, HASH_BYTES) == 0);
    for (size_t i = 0; i < COL_NUMBERS; i++) {
        columns[i].number++;
        hash_of(chain, columns, digests, 0, other);
        /* A name counts by its text, since its number differs between databases. */
        CHECK_EQ(memcmp(plain, other, HASH_BYTES) == 0, is_name(i));
        columns[i].number--;
    }
    for (size_t i = 0; i < ROW_NAMES; i++) {
        digests[i] = 1;
        hash_of(chain, columns, digests, 0, other);
        CHECK(memcmp(plain, other, HASH_BYTES) != 0);
        digests[i] = 0;
    }
    columns[COL_CORRELATION] = VAL_TEXT(STR(""));
    hash_of(chain, columns, digests, 0, other);
    CHECK(memcmp(plain, other, HASH_BYTES) != 0);
    columns[COL_CORRELATION] = VAL_NULL;
    hash_of(chain, columns, digests, 1, other);
    CHECK(memcmp(plain, other, HASH_BYTES) != 0);
    CHECK(chain_name_digest(STR("a")) != chain_name_digest(STR("b")));
    CHECK_EQ(chain_name_digest(STR("")), 0);
    chain_destroy(chain);
}

/* ---- slots ---- */

static char path[64];

static struct slots *open_slots(struct names *names, size_t count, struct slots_found *found)
{
    struct fail fail = { 0 };
    struct slots *s = NULL;
    if (slots_open(str_of(path), count, names, &s, found, &fail) != OK)
        check_failed("slots_open", fail.text, "", __FILE__, __LINE__);
    return s;
}

static void reset(struct slots *s)
{
    struct fail fail = { 0 };
    CHECK_OK(slots_reset(s, &fail));
}

static size_t count_found(struct slots_found *found)
{
    size_t count = 0;
    for (struct record *r = found->rows, *next; r; r = next, count++) {
        next = r->next;
        mem_free(r);
    }
    found->rows = NULL;
    return count;
}

TEST(slots_are_bounded_and_found_again)
{
    struct names *names = names_create();
    struct slots_found found = { 0 };
    struct ledger_slot *taken[4];
    struct transfer row = some_row(names);
    struct slots *s = open_slots(names, 4, &found);
    CHECK_EQ(count_found(&found), 0);
    reset(s);
    for (int i = 0; i < 4; i++) {
        row.operation_id = 10 + i;
        taken[i] = slots_take(s, &row);
        CHECK(taken[i]);
    }
    CHECK(!slots_take(s, &row));
    slots_release(s, taken[1]);
    slots_release_attempt(s, 12, 2); /* not this attempt */
    slots_release_attempt(s, 12, 3);
    CHECK(slots_take(s, &row));
    slots_close(s);

    /* With another count than before, and after a start that died before it was done. */
    s = open_slots(names, 2, &found);
    slots_close(s);
    CHECK_EQ(count_found(&found), 3);
    s = open_slots(names, 2, &found);
    CHECK_EQ(found.damaged, 0);
    CHECK_EQ(found.rows->row.usage_source, USAGE_UNKNOWN);
    CHECK_EQ(found.rows->row.status, ATTEMPT_CRASHED);
    CHECK_EQ(count_found(&found), 3);
    reset(s);
    slots_close(s);
    s = open_slots(names, 2, &found);
    CHECK_EQ(count_found(&found), 0);
    slots_close(s);
    names_destroy(names);
    CHECK_EQ(unlink(path), 0);
}

static void overwrite(off_t at, char byte)
{
    int fd = open(path, O_RDWR);
    CHECK(fd >= 0 && pwrite(fd, &byte, 1, at) == 1);
    close(fd);
}

TEST(a_torn_slot_is_counted_and_not_believed)
{
    struct names *names = names_create();
    struct slots_found found = { 0 };
    struct transfer row = some_row(names);
    struct slots *s = open_slots(names, 4, &found);
    reset(s);
    CHECK(slots_take(s, &row) && slots_take(s, &row));
    slots_close(s);
    overwrite(4096 + 100, 0x55);
    s = open_slots(names, 4, &found);
    slots_close(s);
    CHECK_EQ(found.damaged, 1);
    CHECK_EQ(count_found(&found), 1);
    names_destroy(names);
    CHECK_EQ(unlink(path), 0);
}

TEST(a_file_that_is_not_ours_is_left_alone)
{
    struct names *names = names_create();
    struct slots_found found = { 0 };
    struct fail fail = { 0 };
    struct slots *s = NULL;
    s = open_slots(names, 2, &found);
    reset(s);
    slots_close(s);
    overwrite(0, 'X');
    CHECK_ERR(slots_open(str_of(path), 2, names, &s, &found, &fail), ERR_STORE);
    CHECK(strstr(fail.text, "move the file away"));
    names_destroy(names);
    CHECK_EQ(unlink(path), 0);
}

static const char *numbered(int number)
{
    static char name[80];
    snprintf(name, sizeof(name), "%s.%d", path, number);
    return name;
}

TEST(each_process_has_a_file_of_slots_and_what_the_gone_have_left_is_found)
{
    struct names *names = names_create();
    struct slots_found found = { 0 };
    struct transfer row = some_row(names);
    struct slots *first = open_slots(names, 2, &found);
    reset(first);
    struct slots *second = open_slots(names, 2, &found);
    reset(second);
    struct slots *third = open_slots(names, 2, &found);
    reset(third);
    CHECK(slots_take(first, &row) && slots_take(second, &row));
    CHECK_EQ(access(numbered(2), F_OK), 0);
    slots_close(third);
    CHECK_EQ(access(numbered(2), F_OK), -1);
    CHECK_EQ(count_found(&found), 0);

    struct fail fail = { 0 };
    slots_close(second);
    CHECK_EQ(access(numbered(1), F_OK), 0); /* a slot is taken */
    CHECK_OK(slots_find_left(first, &found, &fail));
    CHECK_EQ(count_found(&found), 1);
    slots_drop_left(first, false);
    CHECK_OK(slots_find_left(first, &found, &fail));
    CHECK_EQ(count_found(&found), 1);
    slots_drop_left(first, true);
    CHECK_EQ(access(numbered(1), F_OK), -1);
    slots_close(first);
    CHECK_EQ(access(path, F_OK), 0);
    names_destroy(names);
    CHECK_EQ(unlink(path), 0);
}

TEST(a_start_takes_up_all_files_that_nobody_holds)
{
    struct names *names = names_create();
    struct slots_found found = { 0 };
    struct transfer row = some_row(names);
    struct slots *all[3];
    for (int i = 0; i < 3; i++) {
        all[i] = open_slots(names, 2, &found);
        reset(all[i]);
        CHECK(slots_take(all[i], &row));
    }
    slots_close(all[0]);
    slots_close(all[2]);
    all[0] = open_slots(names, 2, &found);
    CHECK_EQ(count_found(&found), 2);
    CHECK_EQ(access(numbered(2), F_OK), 0); /* until its rows are durable */
    reset(all[0]);
    CHECK_EQ(access(numbered(2), F_OK), -1);
    CHECK_EQ(access(numbered(1), F_OK), 0); /* of a living one */
    slots_close(all[1]);
    slots_close(all[0]);
    CHECK_EQ(unlink(numbered(1)), 0);
    names_destroy(names);
    CHECK_EQ(unlink(path), 0);
}

TEST(records_outlive_the_ledger_until_the_last_is_back)
{
    struct records *records = records_create(NULL);
    struct record *first = records_take(records, 100), *second = records_take(records, 1);
    size_t count = 0;
    for (struct record *r = first; r; r = r->more)
        count++;
    CHECK_EQ(count, 100);
    records_give_back(first);
    struct record *third = records_take(records, 1);
    CHECK(third != second);
    records_give_back(third);
    records_close(records);
    second->row.attempt = 1; /* still ours */
    records_settled(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_name_keeps_its_number_and_none_has_zero),
        T(only_clean_utf8_gets_through),
        T(a_row_survives_its_bytes_in_another_process),
        T(a_hash_depends_on_every_column_and_on_what_came_before),
        T(labels_that_callers_make_up_do_not_grow_without_end),
        T(slots_are_bounded_and_found_again),
        T(a_torn_slot_is_counted_and_not_believed),
        T(a_file_that_is_not_ours_is_left_alone),
        T(each_process_has_a_file_of_slots_and_what_the_gone_have_left_is_found),
        T(a_start_takes_up_all_files_that_nobody_holds),
        T(records_outlive_the_ledger_until_the_last_is_back),
    };
    snprintf(path, sizeof(path), "/tmp/huntaze-slots-%d", (int)getpid());
    return cmocka_run_group_tests(tests, NULL, NULL);
}
