#ifndef HZ_TESTS_UNIT_TEST_H
#define HZ_TESTS_UNIT_TEST_H
/* test - cmocka with its includes in the right order, and checks for our types. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"

/* TEST(name_says_the_promise) { ... } and then RUN_TESTS(T(a), T(b)) in main. */
#define TEST(name) static void name(void **state __attribute__((unused)))
#define T(name) cmocka_unit_test(name)
#define RUN_TESTS(...)                                                                             \
    int main(void)                                                                                 \
    {                                                                                              \
        const struct CMUnitTest tests[] = { __VA_ARGS__ };                                         \
        return cmocka_run_group_tests(tests, NULL, NULL);                                          \
    }

#define CHECK(cond) assert_true(cond)
#define CHECK_EQ(a, b) assert_int_equal((intmax_t)(a), (intmax_t)(b))
#define CHECK_OK(call) assert_string_equal(err_name(call), "OK")
#define CHECK_ERR(call, expected) assert_string_equal(err_name(call), err_name(expected))
#define CHECK_STR(s, expected) check_str((s), (expected), __FILE__, __LINE__)

static inline void check_str(struct str s, const char *expected, const char *file, int line)
{
    char *copy = str_dup(s);
    _assert_string_equal(copy, expected, file, line);
    mem_free(copy);
}

#endif
