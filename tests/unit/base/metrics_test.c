#include "test.h"

#include "base/metrics.h"

TEST(same_labels_give_the_same_series)
{
    struct series *a = metrics_series(METRIC_ATTEMPTS, "provider", "p", "outcome", "ok", NULL);
    struct series *b = metrics_series(METRIC_ATTEMPTS, "provider", "p", "outcome", "ok", NULL);
    struct series *c = metrics_series(METRIC_ATTEMPTS, "provider", "p", "outcome", "bad", NULL);
    CHECK(a == b && a != c);
    series_add(a, 2);
    series_add(a, 3);
    CHECK_EQ(series_value(a), 5);
    CHECK_EQ(series_value(c), 0);
}

TEST(sums_that_do_not_fit_stay_at_the_end)
{
    struct series *s = metrics_series(METRIC_COST, "provider", "fortune", NULL);
    series_add(s, INT64_MAX);
    series_add(s, INT64_MAX);
    series_add(s, 1);
    CHECK_EQ(series_value(s), INT64_MAX);
}

TEST(text_format_escapes_and_accumulates_buckets)
{
    series_add(metrics_series(METRIC_CALLS, "model", "a\"b\\c\nd", NULL), 1);
    struct series *h = metrics_series(METRIC_LEDGER_COMMIT, NULL);
    series_observe(h, 0.0002);
    series_observe(h, 0.002);
    series_observe(h, 1000);
    struct buf out = { 0 };
    metrics_render(&out);
    struct str text = buf_str(&out);
    CHECK(str_find(text, STR("huntaze_calls_total{model=\"a\\\"b\\\\c\\nd\"} 1\n")) != SIZE_MAX);
    CHECK(str_find(text, STR("huntaze_ledger_commit_seconds_bucket{le=\"0.00025\"} 1\n")) !=
          SIZE_MAX);
    CHECK(str_find(text, STR("huntaze_ledger_commit_seconds_bucket{le=\"+Inf\"} 3\n")) != SIZE_MAX);
    CHECK(str_find(text, STR("huntaze_ledger_commit_seconds_sum 1000.002200\n")) != SIZE_MAX);
    CHECK(str_find(text, STR("huntaze_ledger_commit_seconds_count 3\n")) != SIZE_MAX);
    CHECK_EQ(series_value(h), 3);
    buf_fini(&out);
}

/* The text behind the nth `before`; NULL when there are fewer. */
static const char *behind(const char *text, const char *before, int nth)
{
    for (int i = 0; text && i <= nth; i++) {
        text = strstr(text, before);
        text = text ? text + strlen(before) : NULL;
    }
    return text;
}

TEST(a_bucket_holds_what_its_label_says)
{
    static const char before[] = "huntaze_attempt_seconds_bucket{provider=\"p\",le=\"";
    struct series *h = metrics_series(METRIC_ATTEMPT_SECONDS, "provider", "p", NULL);
    struct buf out = { 0 };
    metrics_render(&out);
    buf_add_char(&out, '\0');
    int count = 0;
    for (const char *at; (at = behind(out.at, before, count)) && *at != '+'; count++) {
        double bound = strtod(at, NULL);
        series_observe(h, bound);
        series_observe(h, bound * 1.01);
    }
    CHECK_EQ(count, 18);
    buf_clear(&out);
    metrics_render(&out);
    buf_add_char(&out, '\0');
    for (int i = 0; i < count; i++)
        CHECK_EQ(atoll(behind(behind(out.at, before, i), "\"} ", 0)), 1 + 2 * i);
    CHECK_EQ(atoll(behind(out.at, "huntaze_attempt_seconds_count{provider=\"p\"} ", 0)), 2 * count);
    buf_fini(&out);
}

TEST(too_many_series_share_one)
{
    char name[32];
    struct series *last = NULL;
    for (int i = 0; i < METRICS_SERIES_MAX + 5; i++) {
        snprintf(name, sizeof(name), "%d", i);
        last = metrics_series(METRIC_TOKENS, "deployment", name, NULL);
    }
    CHECK(last == metrics_series(METRIC_TOKENS, "deployment", "another", NULL));
}

RUN_TESTS(T(same_labels_give_the_same_series), T(sums_that_do_not_fit_stay_at_the_end),
          T(text_format_escapes_and_accumulates_buckets), T(a_bucket_holds_what_its_label_says),
          T(too_many_series_share_one))
