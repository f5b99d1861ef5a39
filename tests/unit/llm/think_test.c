#include "test.h"

#include "llm/think.h"

static void feed_all(enum reasoning_format format, const char *text, size_t split, struct buf *reasoning,
                     struct buf *answer)
{
    struct think t;
    think_init(&t, format);
    think_feed(&t, str_first(str_of(text), split), reasoning, answer);
    think_feed(&t, str_skip(str_of(text), split), reasoning, answer);
    think_flush(&t, reasoning, answer);
}

/* The same result wherever the text is cut in two, and when it comes byte by byte. */
static void check_split(enum reasoning_format format, const char *text, const char *reasoning,
                        const char *answer)
{
    for (size_t split = 0; split <= strlen(text); split++) {
        struct buf r = { 0 }, a = { 0 };
        feed_all(format, text, split, &r, &a);
        CHECK_STR(buf_str(&r), reasoning);
        CHECK_STR(buf_str(&a), answer);
        buf_fini(&r);
        buf_fini(&a);
    }
    struct buf r = { 0 }, a = { 0 };
    struct think t;
    think_init(&t, format);
    for (size_t i = 0; text[i]; i++)
        think_feed(&t, str_make(text + i, 1), &r, &a);
    think_flush(&t, &r, &a);
    CHECK_STR(buf_str(&r), reasoning);
    CHECK_STR(buf_str(&a), answer);
    buf_fini(&r);
    buf_fini(&a);
}

TEST(reasoning_and_answer_come_apart_at_any_split)
{
    check_split(REASONING_THINK_TAG, "<think>\nwhy < not </thin k>?\n</think>\n\n2 < 3 </think>",
                "why < not </thin k>?\n", "2 < 3 </think>");
    check_split(REASONING_THINK_TAG, " \n<think></think>yes", "", "yes");
    check_split(REASONING_THINK_TAG, "<think>a<</think>b", "a<", "b");
}

TEST(a_tag_counts_only_at_the_very_beginning)
{
    check_split(REASONING_THINK_TAG, "Hello <think>x</think>", "", "Hello <think>x</think>");
    check_split(REASONING_THINK_TAG, "  <thing>", "", "  <thing>");
    check_split(REASONING_THINK_TAG, "</think>x", "", "</think>x");
    check_split(REASONING_THINK_TAG, "                              <think>x", "",
                "                              <think>x");
}

TEST(a_template_that_opened_the_tag_starts_inside)
{
    check_split(REASONING_THINK_TAG_OPEN, "\nso\n</think>\nyes", "so\n", "yes");
    check_split(REASONING_THINK_TAG_OPEN, "<think>so</think>yes", "so", "yes");
    check_split(REASONING_THINK_TAG_OPEN, "</think>yes", "", "yes");
    check_split(REASONING_THINK_TAG_OPEN, "<thi</think>yes", "<thi", "yes");
}

TEST(text_that_ends_inside_a_tag_is_not_lost)
{
    check_split(REASONING_THINK_TAG, "<think>cut </thi", "cut </thi", "");
    check_split(REASONING_THINK_TAG, " <thi", "", " <thi");
    check_split(REASONING_THINK_TAG_OPEN, "<thi", "<thi", "");
    check_split(REASONING_THINK_TAG, "", "", "");
}

TEST(without_a_format_all_is_answer)
{
    check_split(REASONING_NONE, "<think>x</think>y", "", "<think>x</think>y");
}

RUN_TESTS(T(reasoning_and_answer_come_apart_at_any_split), T(a_tag_counts_only_at_the_very_beginning),
          T(a_template_that_opened_the_tag_starts_inside),
          T(text_that_ends_inside_a_tag_is_not_lost), T(without_a_format_all_is_answer))
