#include "test.h"

#include "base/err.h"

TEST(the_first_failure_keeps_its_note)
{
    struct fail fail = { 0 };
    CHECK_ERR(fail_set(&fail, ERR_NO_MODEL, "model %s", "x"), ERR_NO_MODEL);
    CHECK_ERR(fail_set(&fail, ERR_IO, "later"), ERR_IO);
    CHECK_EQ(fail.err, ERR_NO_MODEL);
    assert_string_equal(fail.text, "model x");
    fail_clear(&fail);
    CHECK_EQ(fail.err, OK);
}

TEST(every_error_has_a_status_and_a_text)
{
    for (int i = 1; i < ERRS; i++) {
        const struct err_info *info = err_info((enum err)i);
        CHECK(info->status >= 400 && info->status < 600);
        CHECK(info->text[0] && info->code[0] && info->type[0]);
    }
}

RUN_TESTS(T(the_first_failure_keeps_its_note), T(every_error_has_a_status_and_a_text))
