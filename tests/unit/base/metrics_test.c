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
    CHECK(str_find(text, STR("huntaze_ledger_commit_seconds_bucket{le=\"0.00025\"} 1\n")) != SIZE_MAX);
    CHECK(str_find(text, STR("huntaze_ledger_commit_seconds_bucket{le=\"+Inf\"} 3\n")) != SIZE_MAX);
    CHECK(str_find(text, STR("huntaze_ledger_commit_seconds_count 3\n")) != SIZE_MAX);
    CHECK_EQ(series_value(h), 3);
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

RUN_TESTS(T(same_labels_give_the_same_series), T(text_format_escapes_and_accumulates_buckets),
          T(too_many_series_share_one))
