#include "files.h"

#define PROVIDERS                                                                                  \
    "providers:\n"                                                                                 \
    "  - { name: a, kind: openai-compatible, base_url: \"http://127.0.0.1:1/v1\" }\n"              \
    "models:\n"                                                                                    \
    "  - { name: m, price_usd_per_mtok: { input: 1, output: 1 }, deployments: [ { provider: a } ] }\n" \
    "routes: [ { models: [m] } ]\nfallbacks: []\n"

TEST(rows_of_the_failure_table_can_be_changed)
{
    struct files f;
    files_init(&f);
    files_load(&f, files_add(&f, "huntaze.yaml",
                             PROVIDERS "failures:\n"
                                       "  - { provider: a, outcome: silent, next: no, breaker: false }\n"
                                       "  - { outcome: server_error, again: never }\n"));
    CHECK(f.config);
    CHECK_EQ(f.config->failures_len, 2);
    const struct failure_override *first = &f.config->failures[0], *second = &f.config->failures[1];
    CHECK_STR(first->provider, "a");
    CHECK_EQ(first->outcome, OUTCOME_SILENT);
    CHECK_EQ(first->next, NEXT_NO);
    CHECK_EQ(first->again, -1);
    CHECK_EQ(first->breaker, 0);
    CHECK_STR(second->provider, "*");
    CHECK_EQ(second->outcome, OUTCOME_SERVER_ERROR);
    CHECK_EQ(second->again, AGAIN_NEVER);
    CHECK_EQ(second->breaker, -1);
    files_fini(&f);
}

TEST(what_no_row_is_called_is_refused_with_what_is_allowed)
{
    struct files f;
    files_init(&f);
    files_load(&f, files_add(&f, "huntaze.yaml",
                             PROVIDERS "failures:\n"
                                       "  - { provider: b, outcome: silent, next: no }\n"
                                       "  - { outcome: content_filter, next: at_once }\n"
                                       "  - { outcome: silent, next: maybe }\n"));
    CHECK(!f.config);
    struct str errors = buf_str(&f.errors);
    CHECK(str_find(errors, STR("huntaze.yaml:8: failures.provider: there is no provider 'b'")) != SIZE_MAX);
    CHECK(str_find(errors, STR("huntaze.yaml:9: failures.outcome")) != SIZE_MAX);
    CHECK(str_find(errors, STR("huntaze.yaml:10: failures.next")) != SIZE_MAX);
    CHECK(str_find(errors, STR("no, at_once, larger")) != SIZE_MAX);
    files_fini(&f);
}

TEST(rows_that_change_nothing_or_are_never_used_are_refused)
{
    struct files f;
    files_init(&f);
    files_load(&f, files_add(&f, "huntaze.yaml",
                             PROVIDERS "failures:\n"
                                       "  - { provider: a, outcome: silent, next: no }\n"
                                       "  - { outcome: silent, again: repeat }\n"
                                       "  - { outcome: reset }\n"
                                       "  - { provider: a, outcome: silent, next: at_once }\n"
                                       "  - { outcome: silent, next: no }\n"));
    CHECK(!f.config);
    struct str errors = buf_str(&f.errors);
    CHECK(
        str_find(errors,
                 STR("huntaze.yaml:10: failures: the row changes nothing; allowed: again, next")) !=
        SIZE_MAX);
    CHECK(
        str_find(errors,
                 STR("huntaze.yaml:11: failures: never used: for outcome silent of provider a")) !=
        SIZE_MAX);
    CHECK(
        str_find(errors,
                 STR("huntaze.yaml:12: failures: never used: for outcome silent of provider *")) !=
        SIZE_MAX);
    CHECK(str_find(errors, STR("huntaze.yaml:9:")) ==
          SIZE_MAX); /* of a provider first, then of all */
    files_fini(&f);
}

TEST(a_breaker_cannot_ask_for_more_results_than_it_looks_at)
{
    struct files f;
    files_init(&f);
    files_load(
        &f, files_add(&f, "huntaze.yaml", PROVIDERS "breaker: { window: 10, min_samples: 11 }\n"));
    CHECK(!f.config);
    CHECK(str_find(buf_str(&f.errors), STR("huntaze.yaml:7: breaker.min_samples: must not pass "
                                           "breaker.window, which is 10")) != SIZE_MAX);
    files_load(
        &f, files_add(&f, "huntaze.yaml", PROVIDERS "breaker: { window: 10, min_samples: 10 }\n"));
    CHECK(f.config);
    files_fini(&f);
}

RUN_TESTS(T(rows_of_the_failure_table_can_be_changed),
          T(what_no_row_is_called_is_refused_with_what_is_allowed),
          T(rows_that_change_nothing_or_are_never_used_are_refused),
          T(a_breaker_cannot_ask_for_more_results_than_it_looks_at))
