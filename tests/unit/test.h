#ifndef HZ_TESTS_UNIT_TEST_H
#define HZ_TESTS_UNIT_TEST_H
/* test - cmocka with its includes in the right order, and checks for our types. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

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

/* A failed check ends the program: cmocka's longjmp must not leave a task's stack. */
#define CHECK(cond) ((cond) ? (void)0 : check_failed(#cond, "", "", __FILE__, __LINE__))
#define CHECK_EQ(a, b) check_eq((intmax_t)(a), (intmax_t)(b), #a " == " #b, __FILE__, __LINE__)
#define CHECK_OK(call) check_err((call), OK, #call, __FILE__, __LINE__)
#define CHECK_ERR(call, expected) check_err((call), (expected), #call, __FILE__, __LINE__)
#define CHECK_STR(s, expected) check_str((s), (expected), #s, __FILE__, __LINE__)

static inline HZ_NORETURN void check_failed(const char *what, const char *got, const char *expected,
                                            const char *file, int line)
{
    fprintf(stderr, "%s:%d: check failed: %s\n", file, line, what);
    if (*got || *expected)
        fprintf(stderr, "  got:      %s\n  expected: %s\n", got, expected);
    abort();
}

static inline void check_eq(intmax_t a, intmax_t b, const char *what, const char *file, int line)
{
    char got[32], expected[32];
    snprintf(got, sizeof(got), "%jd", a);
    snprintf(expected, sizeof(expected), "%jd", b);
    if (a != b)
        check_failed(what, got, expected, file, line);
}

static inline void check_err(enum err got, enum err expected, const char *what, const char *file,
                             int line)
{
    if (got != expected)
        check_failed(what, err_name(got), err_name(expected), file, line);
}

static inline void check_str(struct str s, const char *expected, const char *what, const char *file,
                             int line)
{
    char *copy = str_dup(s);
    if (!str_is(s, expected))
        check_failed(what, copy, expected, file, line);
    mem_free(copy);
}

#endif
