#include "test.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "gateway/internal.h"

/* ---- a ledger, for its names, and configurations ---- */

static char folder[] = "/tmp/huntaze-setup-XXXXXX";
static struct ledger *ledger;

static int open_ledger(void **state)
{
    (void)state;
    static char url[80], spool[80];
    CHECK(mkdtemp(folder));
    snprintf(url, sizeof(url), "sqlite:%s/huntaze.db", folder);
    snprintf(spool, sizeof(spool), "%s/spool.db", folder);
    struct ledger_options options = { .store_url = str_of(url), .spool_path = str_of(spool) };
    struct fail fail = { 0 };
    CHECK_OK(ledger_open(&options, &ledger, &fail));
    return 0;
}

static int close_ledger(void **state)
{
    (void)state;
    ledger_close(ledger);
    char command[64];
    snprintf(command, sizeof(command), "rm -r %s", folder);
    return system(command);
}

/* The caller's only reference. */
static struct config *config_of(const char *yaml)
{
    char path[] = "/tmp/huntaze-setup-yaml-XXXXXX";
    int fd = mkstemp(path);
    CHECK_EQ(write(fd, yaml, strlen(yaml)), (ssize_t)strlen(yaml));
    close(fd);
    static const char *const no_env[] = { NULL };
    struct config_sources sources = { .file = path, .directory = "/nonexistent", .env = no_env };
    struct buf errors = { 0 };
    struct config *config = config_load(&sources, &errors);
    unlink(path);
    if (!config)
        check_failed("configuration", buf_take(&errors), "", __FILE__, __LINE__);
    buf_fini(&errors);
    return config;
}

static struct setup *setup_of(const char *yaml, const struct setup *before)
{
    struct config *config = config_of(yaml);
    struct setup *setup = setup_create(ledger, config, before);
    config_unref(config);
    return setup;
}

static struct deployment_state *state_named(const struct setup *s, const char *model)
{
    const struct model *m = config_find_model(s->config, str_of(model));
    CHECK(m);
    return state_of(s, m->deployments[0]);
}

static void open_breaker(const struct setup *s, struct deployment_state *state)
{
    enum breaker_state before;
    breaker_note(&state->breaker, &s->breaker_options,
                 &(struct breaker_result) { HEALTH_TRIP, .since_ns = clock_mono_ns() }, &before);
    series_add(state->breaker_gauge, 1);
    CHECK_EQ(breaker_state(&state->breaker), BREAKER_OPEN);
}

#define PROVIDER(name, region)                                                                     \
    "  - { name: " name ", kind: openai-compatible, base_url: \"http://127.0.0.1:1/v1\", region: " region " }\n"
#define MODEL(name, provider, deployment)                                                          \
    "  - { name: " name ", unpriced: allow, deployments: [{ provider: " provider ", deployment: " deployment " }] }\n"

static const char first[] = "providers:\n" PROVIDER("a", "here") PROVIDER("b", "here")
    "models:\n" MODEL("one", "a", "one") MODEL("two", "b", "two");

/* ---- tests ---- */

TEST(a_deployment_that_stays_keeps_what_is_known_of_it)
{
    struct setup *before = setup_of(first, NULL);
    struct deployment_state *one = state_named(before, "one");
    one->latency_us = 77;
    open_breaker(before, one);
    /* Other places in the lists, and neighbours of the same provider or name. */
    struct setup *after = setup_of("providers:\n" PROVIDER("b", "here") PROVIDER("a", "here")
                                       "models:\n" MODEL("new", "a", "new") MODEL("two", "b", "one")
                                           MODEL("one", "a", "one"),
                                   before);
    setup_unref(before);
    CHECK(state_named(after, "one") == one);
    CHECK_EQ(breaker_state(&one->breaker), BREAKER_OPEN);
    CHECK_EQ(one->latency_us, 77);
    CHECK(state_named(after, "two") != one && state_named(after, "new") != one);
    CHECK_EQ(breaker_state(&state_named(after, "new")->breaker), BREAKER_CLOSED);
    CHECK_EQ(state_named(after, "new")->latency_us, 0);
    setup_unref(after);
}

TEST(a_deployment_of_another_model_or_region_begins_anew)
{
    struct setup *before = setup_of(first, NULL);
    open_breaker(before, state_named(before, "one"));
    open_breaker(before, state_named(before, "two"));
    struct setup *after = setup_of("providers:\n" PROVIDER("a", "elsewhere") PROVIDER("b", "here")
                                       "models:\n" MODEL("one", "a", "one") MODEL("three", "b", "two"),
                                   before);
    CHECK_EQ(breaker_state(&state_named(after, "one")->breaker), BREAKER_CLOSED);
    CHECK_EQ(breaker_state(&state_named(after, "three")->breaker), BREAKER_CLOSED);
    setup_unref(before);
    setup_unref(after);
}

TEST(an_open_breaker_leaves_the_gauge_with_its_deployment)
{
    struct setup *before = setup_of(first, NULL);
    struct series *gauge = state_named(before, "one")->breaker_gauge;
    open_breaker(before, state_named(before, "one"));
    CHECK_EQ(series_value(gauge), 1);
    struct setup *after = setup_of("providers:\n" PROVIDER("b", "here") "models:\n" MODEL("two", "b", "two"), before);
    CHECK_EQ(series_value(gauge), 1); /* a call may still hold the first */
    setup_unref(before);
    CHECK_EQ(series_value(gauge), 0);
    setup_unref(after);
}

TEST(a_reload_neither_fills_a_retry_budget_nor_leaves_more_than_it_allows)
{
    struct setup *before = setup_of(first, NULL);
    for (int i = 0; i < 8; i++)
        CHECK(retry_budget_take(&before->retries[0]));
    struct setup *after = setup_of("retry: { budget: 5 }\n"
                                   "providers:\n" PROVIDER("b", "here") PROVIDER("a", "here") PROVIDER("c", "here")
                                       "models:\n" MODEL("one", "a", "one"),
                                   before);
    static const int left[] = { 5, 2, 5 }; /* of 10 and of 2, and fresh */
    for (int i = 0; i < 3; i++) {
        for (int n = 0; n < left[i]; n++)
            CHECK(retry_budget_take(&after->retries[i]));
        CHECK(!retry_budget_take(&after->retries[i]));
    }
    setup_unref(before);
    setup_unref(after);
}

TEST(a_configuration_lives_as_long_as_the_last_call_that_began_with_it)
{
    struct setup *setup = setup_of(first, NULL);
    struct gateway_loop gl = { .setup = setup };
    struct call call;
    call_init(&call, &gl);
    gl.setup = setup_of(first, setup);
    setup_unref(setup);
    CHECK(call.setup == setup && config_find_model(call.setup->config, STR("one")));
    CHECK_EQ(call.setup->config->refs, 1);
    call_fini(&call);
    setup_unref(gl.setup);
}

TEST(of_the_overrides_of_a_row_the_first_that_matches_alone_counts)
{
    struct setup *setup = setup_of(
        "providers:\n" PROVIDER("a", "here")
            PROVIDER("b", "here") "models:\n" MODEL("one", "a", "one")
                MODEL("two", "b", "two") "failures:\n"
                                         "  - { provider: a, outcome: silent, again: repeat }\n"
                                         "  - { outcome: silent, next: no, breaker: false }\n",
        NULL);
    const struct outcome_rule *a = &setup->rules[0][OUTCOME_SILENT],
                              *b = &setup->rules[1][OUTCOME_SILENT];
    CHECK(a->again == AGAIN_REPEAT && a->next == NEXT_AT_ONCE && a->health == HEALTH_FAILURE);
    CHECK(b->again == AGAIN_NEVER && b->next == NEXT_NO && b->health == HEALTH_ALIVE);
    setup_unref(setup);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_deployment_that_stays_keeps_what_is_known_of_it),
        T(a_deployment_of_another_model_or_region_begins_anew),
        T(an_open_breaker_leaves_the_gauge_with_its_deployment),
        T(a_reload_neither_fills_a_retry_budget_nor_leaves_more_than_it_allows),
        T(of_the_overrides_of_a_row_the_first_that_matches_alone_counts),
        T(a_configuration_lives_as_long_as_the_last_call_that_began_with_it),
    };
    return cmocka_run_group_tests(tests, open_ledger, close_ledger);
}
