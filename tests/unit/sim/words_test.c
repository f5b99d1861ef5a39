#include "test.h"

#include "sim/sim.h"
#include "sim/words.h"

TEST(every_word_of_the_table_is_understood)
{
    struct buf list = { 0 };
    sim_write_words(&list);
    struct str rest = buf_str(&list);
    int words = 0;
    while (rest.len) {
        struct str line = str_cut(&rest, '\n');
        str_cut(&line, '`');
        struct str value = str_cut(&line, '`'), none = STR_NONE;
        struct str name = str_cut(&value, '=');
        struct behaviour b;
        struct fail fail = { 0 };
        behaviour_init(&b);
        if (value.at && str_find_char(value, '|') != SIZE_MAX)
            value = str_cut(&value, '|');
        else if (str_is(value, "N"))
            value = str_is(name, "tools") ? STR("2") : STR("500");
        CHECK_OK(behaviour_set(&b, name, value.len ? value : none, &fail));
        words++;
    }
    CHECK(words > 40);
    buf_fini(&list);
}

TEST(the_page_has_the_table)
{
    struct buf list = { 0 }, page = { 0 };
    FILE *file = fopen(SIMULATOR_PAGE, "rb");
    assert_non_null(file);
    page.len = fread(buf_reserve(&page, 1 << 16), 1, 1 << 16, file);
    fclose(file);
    sim_write_words(&list);
    CHECK(str_find(buf_str(&page), buf_str(&list)) != SIZE_MAX);
    buf_fini(&list);
    buf_fini(&page);
}

TEST(words_may_follow_plus_or_comma)
{
    struct behaviour b;
    struct fail fail = { 0 };
    behaviour_init(&b);
    CHECK_OK(
        behaviour_apply(&b, STR("status=429,retry_after=2+no_done+region=Sweden_Central"), &fail));
    CHECK_EQ(b.status, 429);
    CHECK_EQ(b.retry_after_s, 2);
    CHECK(b.no_done);
    CHECK(!b.no_usage);
    CHECK_STR(b.region, "Sweden_Central");
    CHECK_EQ(b.cut, -1);
}

TEST(a_wrong_word_or_value_is_refused_by_name)
{
    static const char *const wrong[] = { "stats=500",  "status",
                                         "status=200", "status=abc",
                                         "cut=-1",     "tokens=999999999",
                                         "no_done=5",  "content_filter=both" };
    for (size_t i = 0; i < HZ_LEN(wrong); i++) {
        struct behaviour b;
        struct fail fail = { 0 };
        behaviour_init(&b);
        CHECK_ERR(behaviour_apply(&b, str_of(wrong[i]), &fail), ERR_BAD_REQUEST);
        struct str text = str_of(wrong[i]);
        struct str name = str_cut(&text, '=');
        CHECK(str_find(str_of(fail.text), name) != SIZE_MAX);
    }
}

TEST(pretty_stands_for_several_words)
{
    struct behaviour b;
    struct fail fail = { 0 };
    behaviour_init(&b);
    CHECK_OK(behaviour_apply(&b, STR("pretty"), &fail));
    CHECK(b.no_id && b.no_object && b.no_role && b.created_float && b.no_space && b.args_object);
    CHECK(b.finish.at && b.finish.len == 0);
}

RUN_TESTS(T(every_word_of_the_table_is_understood), T(the_page_has_the_table),
          T(words_may_follow_plus_or_comma), T(a_wrong_word_or_value_is_refused_by_name),
          T(pretty_stands_for_several_words))
