#include "test.h"

#include "config/problems.h"

TEST(lines_name_their_place_and_stand_once)
{
    struct buf errors = { 0 };
    struct problems p = { .errors = &errors };
    problem(&p, (struct origin) { "f.yaml", 3 }, "no %s", "x");
    problem(&p, (struct origin) { "f.yaml", 3 }, "no %s", "x");
    problem(&p, (struct origin) { "HUNTAZE_X", 0 }, "bad");
    CHECK_STR(buf_str(&errors), "f.yaml:3: no x\nHUNTAZE_X: bad\n");
    CHECK(p.count == 3);
    buf_fini(&errors);
}

TEST(suggestions_are_near_or_none)
{
    const struct str words[] = { STR("listen"), STR("loops"), STR("region") };
    CHECK_STR(problem_suggest(STR("lisen"), words, 3), "listen");
    CHECK_STR(problem_suggest(STR("regoin"), words, 3), "region");
    CHECK(problem_suggest(STR("colour"), words, 3).at == NULL);
    CHECK(problem_suggest(STR(""), words, 3).at == NULL);
}

TEST(quotes_are_short_and_on_one_line)
{
    struct arena a = { 0 };
    CHECK_STR(problem_quote(&a, STR("a\nb")), "a?b");
    char text[200];
    memset(text, 'x', sizeof(text));
    CHECK_EQ(problem_quote(&a, str_make(text, sizeof(text))).len, 63);
    arena_fini(&a);
}

RUN_TESTS(T(lines_name_their_place_and_stand_once), T(suggestions_are_near_or_none),
          T(quotes_are_short_and_on_one_line))
