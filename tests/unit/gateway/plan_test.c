#include "test.h"

#include <unistd.h>

#include "base/clock.h"
#include "gateway/internal.h"

/* Plans need no ledger and no network: a setup with nothing but its configuration. */
static struct setup setup;
static struct deployment_state states[8];
static struct deployment_state *deployments[HZ_LEN(states)];
static struct gateway_loop gateway_loop;
static struct http_request http;

static void open_with(const char *yaml)
{
    char path[] = "/tmp/huntaze-plan-XXXXXX";
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    CHECK_EQ(write(fd, yaml, strlen(yaml)), (ssize_t)strlen(yaml));
    close(fd);
    static const char *const no_env[] = { NULL };
    struct config_sources sources = { .file = path, .directory = "/nonexistent", .env = no_env };
    struct buf errors = { 0 };
    setup.config = config_load(&sources, &errors);
    unlink(path);
    if (!setup.config)
        check_failed("configuration", buf_take(&errors), "", __FILE__, __LINE__);
    buf_fini(&errors);
    CHECK(setup.config->deployments_len <= HZ_LEN(states));
    memset(states, 0, sizeof(states));
    for (size_t i = 0; i < HZ_LEN(states); i++)
        deployments[i] = &states[i];
    setup.deployments = deployments;
    struct loop_options options = { .is_clock_virtual = true };
    CHECK_OK(loop_create(&options, &gateway_loop.loop));
}

static void close_all(void)
{
    loop_destroy(gateway_loop.loop);
    config_unref(setup.config);
}

/* Its text lives in the request's arena. */
static enum err make_plan(struct call *c)
{
    c->gateway = &gateway_loop;
    c->setup = &setup;
    c->http = &http;
    c->request.n = 1;
    fail_clear(&c->fail);
    return plan_make(c, &c->plan);
}

static enum err plan_for(struct call *c, struct plan *plan)
{
    enum err err = make_plan(c);
    *plan = c->plan;
    arena_fini(&http.arena);
    return err;
}

static void check_order(const struct plan *plan, const char *expected)
{
    struct buf names = { 0 };
    for (size_t i = 0; i < plan->len; i++) {
        if (i)
            buf_add_char(&names, ' ');
        buf_add(&names, plan->list[i]->name);
    }
    CHECK_STR(buf_str(&names), expected);
    buf_fini(&names);
}

#define PRICE(in) "price_usd_per_mtok: { input: " #in ", output: " #in " }"
static const char yaml[] =
    "providers:\n"
    "  - { name: a, kind: openai-compatible, base_url: \"http://127.0.0.1:1/v1\" }\n"
    "  - { name: b, kind: openai-compatible, base_url: \"http://127.0.0.1:2/v1\" }\n"
    "models:\n"
    "  - { name: r1, " PRICE(3) ", deployments: [ { provider: a, deployment: r1 } ] }\n"
    "  - { name: mistral, " PRICE(2) ", deployments: [ { provider: a, deployment: mistral } ] }\n"
    "  - { name: llama, " PRICE(1) ", deployments: [ { provider: a, deployment: llama } ] }\n"
    "  - { name: phi, " PRICE(5) ", deployments: [ { provider: a, deployment: phi } ] }\n"
    "  - { name: gpt, " PRICE(4) ", deployments: [ { provider: b, deployment: gpt } ] }\n"
    "  - { name: twins, " PRICE(1) ", deployments: [ { provider: a, deployment: left, weight: 90 },\n"
    "                                               { provider: b, deployment: right, weight: 10 } ] }\n"
    "  - { name: embed, " PRICE(1) ", deployments: [ { provider: a, deployment: embed } ] }\n"
    "routes:\n"
    "  - { feature: insights, models: [mistral] }\n"
    "  - { type: [math, coding], models: [r1] }\n"
    "  - { language: fr, models: [mistral] }\n"
    "  - { tier: vip, models: [llama] }\n"
    "  - { models: [phi, mistral, llama], choose: cheapest }\n"
    "fallbacks:\n"
    "  - { from: \"*\", to: [gpt] }\n"
    "  - { from: r1, to: [mistral, phi] }\n";

TEST(the_first_route_that_matches_decides)
{
    open_with(yaml);
    static const struct {
        struct call call;
        const char *order;
    } cases[] = {
        { { .feature = { "insights", 8 }, .type = CALL_MATH }, "mistral gpt" },
        { { .type = CALL_MATH }, "r1 gpt mistral phi" },
        { { .type = CALL_CODING, .language = { "fr", 2 } }, "r1 gpt mistral phi" },
        { { .type = CALL_CHAT, .language = { "fr", 2 } }, "mistral gpt" },
        { { .type = CALL_CHAT, .language = { "FR", 2 }, .tier = TIER_VIP }, "mistral gpt" },
        { { .type = CALL_CHAT, .tier = TIER_VIP }, "llama gpt" },
        { { .type = CALL_CHAT }, "llama mistral phi gpt" },
    };
    for (size_t i = 0; i < HZ_LEN(cases); i++) {
        struct call *c = mem_alloc(sizeof(*c));
        *c = cases[i].call;
        struct plan plan;
        CHECK_OK(plan_for(c, &plan));
        check_order(&plan, cases[i].order);
        mem_free(c);
    }
    close_all();
}

TEST(an_explicit_model_pins_and_keeps_its_fallbacks)
{
    open_with(yaml);
    struct call *c = MEM_NEW(struct call);
    struct plan plan;
    c->request.model = STR("r1");
    CHECK_OK(plan_for(c, &plan));
    check_order(&plan, "r1 gpt mistral phi");
    c->request.model = STR("nothing");
    CHECK_ERR(plan_for(c, &plan), ERR_NO_MODEL);
    assert_string_equal(c->fail.param, "model");
    mem_free(c);
    close_all();
}

TEST(embeddings_never_change_their_model)
{
    open_with(yaml);
    struct call *c = MEM_NEW(struct call);
    struct plan plan;
    c->request.operation = LLM_EMBEDDINGS;
    c->request.model = STR("embed");
    CHECK_OK(plan_for(c, &plan));
    check_order(&plan, "embed");
    c->request.model = STR("gpt");
    CHECK_ERR(plan_for(c, &plan), ERR_BAD_REQUEST);
    mem_free(c);
    close_all();
}

TEST(a_cooling_deployment_is_left_out_until_its_time_has_come)
{
    open_with(yaml);
    struct call *c = MEM_NEW(struct call);
    struct plan plan;
    c->request.model = STR("r1");
    int64_t now_ns = loop_now_ns(gateway_loop.loop);
    size_t r1 = config_find_model(setup.config, STR("r1"))->deployments[0]->index;
    states[r1].rest.until_ns = now_ns + 2000 * NS_PER_MS;
    CHECK_OK(plan_for(c, &plan));
    check_order(&plan, "gpt mistral phi");
    CHECK_STR(plan.first->name, "r1"); /* what answers now counts as a fallback */
    for (size_t i = 0; i < setup.config->deployments_len; i++)
        states[i].rest.until_ns = now_ns + (int64_t)(i + 1) * 1000 * NS_PER_MS;
    CHECK_ERR(plan_for(c, &plan), ERR_RATE_LIMIT);
    CHECK(plan.retry_after_ms >= 1000 && plan.retry_after_ms <= 7000);
    loop_skip(gateway_loop.loop, 10 * NS_PER_S);
    fail_clear(&c->fail);
    CHECK_OK(plan_for(c, &plan));
    check_order(&plan, "r1 gpt mistral phi");
    mem_free(c);
    close_all();
}

static void fail_often(const char *model)
{
    const struct deployment *d = config_find_model(setup.config, str_of(model))->deployments[0];
    enum breaker_state before;
    for (int i = 0; i < 5; i++)
        breaker_note(&states[d->index].breaker, &setup.breaker_options,
                     &(struct breaker_result) { HEALTH_FAILURE, .since_ns = loop_now_ns(gateway_loop.loop) },
                     &before);
}

TEST(an_open_breaker_is_planned_around_until_its_probe)
{
    open_with(yaml);
    setup.breaker_options = (struct breaker_options) { 5, 50, 10, 30000 };
    struct call *c = MEM_NEW(struct call);
    struct plan plan;
    c->request.model = STR("r1");
    fail_often("r1");
    CHECK_OK(plan_for(c, &plan));
    check_order(&plan, "gpt mistral phi");
    fail_often("gpt");
    fail_often("mistral");
    fail_often("phi");
    CHECK_ERR(plan_for(c, &plan), ERR_UPSTREAM);
    CHECK_EQ(plan.open_ms, 30000);
    loop_skip(gateway_loop.loop, 30 * NS_PER_S);
    fail_clear(&c->fail);
    CHECK_OK(plan_for(c, &plan));
    check_order(&plan, "r1 gpt mistral phi");
    mem_free(c);
    close_all();
}

static void check_nobody(const struct plan *plan, const char *expected)
{
    if (str_find(plan->nobody, str_of(expected)) == SIZE_MAX)
        check_failed("who is left out", plan->nobody.at, expected, __FILE__, __LINE__);
}

TEST(who_is_left_out_is_named_with_the_reason)
{
    open_with(yaml);
    setup.breaker_options = (struct breaker_options) { 5, 50, 10, 30000 };
    struct call *c = MEM_NEW(struct call);
    c->request.model = STR("gpt");
    fail_often("gpt");
    CHECK_ERR(make_plan(c), ERR_UPSTREAM);
    check_nobody(&c->plan, "every deployment that could serve this has failed lately");
    check_nobody(&c->plan, ": b/gpt: its circuit breaker is open");
    size_t gpt = config_find_model(setup.config, STR("gpt"))->deployments[0]->index;
    states[gpt].last_failure = OUTCOME_SILENT;
    CHECK_ERR(make_plan(c), ERR_UPSTREAM);
    check_nobody(&c->plan, "b/gpt: its circuit breaker is open (last failure: silent)");
    c->request.model = STR("r1");
    for (size_t i = 0; i < setup.config->deployments_len; i++)
        states[i].rest.until_ns = loop_now_ns(gateway_loop.loop) + 7000 * NS_PER_MS;
    CHECK_ERR(make_plan(c), ERR_RATE_LIMIT);
    check_nobody(&c->plan, "is rate limited or has failed lately");
    check_nobody(&c->plan, "a/r1: rate limited; b/gpt: its circuit breaker is open (last failure: silent)");
    arena_fini(&http.arena);
    mem_free(c);
    close_all();
}

TEST(without_fallback_only_the_first_counts_and_is_named)
{
    char *text = mem_alloc(sizeof(yaml) + 64);
    snprintf(text, sizeof(yaml) + 64, "fallback: { enabled: false }\n%s", yaml);
    open_with(text);
    mem_free(text);
    setup.breaker_options = (struct breaker_options) { 5, 50, 10, 30000 };
    struct call *c = MEM_NEW(struct call);
    c->type = CALL_CHAT; /* llama, then mistral, then phi */
    size_t mistral = config_find_model(setup.config, STR("mistral"))->deployments[0]->index;
    states[mistral].rest.until_ns = loop_now_ns(gateway_loop.loop) + 7000 * NS_PER_MS;
    CHECK_OK(make_plan(c));
    check_order(&c->plan, "llama");
    CHECK_EQ(c->plan.retry_after_ms, 0); /* what the others do is of no use */
    fail_often("llama");
    CHECK_ERR(make_plan(c), ERR_UPSTREAM);
    CHECK_EQ(c->plan.open_ms, 30000);
    check_nobody(&c->plan, "fallback is disabled");
    check_nobody(&c->plan, ": a/llama: its circuit breaker is open");
    CHECK_EQ(str_find(c->plan.nobody, STR("mistral")), SIZE_MAX);
    arena_fini(&http.arena);
    mem_free(c);
    close_all();
}

static void declare_prefill(const char *model)
{
    const struct deployment *d = config_find_model(setup.config, str_of(model))->deployments[0];
    ((struct deployment *)&setup.config->deployments[d->index])->caps.accepts_prefill = true;
}

TEST(a_prefill_goes_to_those_that_declare_it_or_to_all)
{
    open_with(yaml);
    struct call *c = MEM_NEW(struct call);
    struct plan plan;
    c->request.model = STR("r1");
    c->request.has_prefill = true;
    CHECK_OK(plan_for(c, &plan));
    check_order(&plan, "r1 gpt mistral phi");
    declare_prefill("gpt");
    declare_prefill("phi");
    CHECK_OK(plan_for(c, &plan));
    check_order(&plan, "gpt phi");
    CHECK_STR(plan.first->name, "gpt"); /* nobody was passed over */
    c->request.has_prefill = false;
    CHECK_OK(plan_for(c, &plan));
    check_order(&plan, "r1 gpt mistral phi");
    mem_free(c);
    close_all();
}

TEST(a_place_is_taken_by_an_attempt_and_not_by_those_passed_over)
{
    open_with(yaml);
    struct call *c = MEM_NEW(struct call);
    c->request.model = STR("r1");
    CHECK_OK(make_plan(c));
    arena_fini(&http.arena);
    check_order(&c->plan, "r1 gpt mistral phi"); /* more than the three that may be asked */
    for (c->rows_len = 0; c->rows_len < 3; c->rows_len++)
        CHECK(plan_has_room(c, 0) && plan_has_room(c, 1) == (c->rows_len < 2));
    CHECK(!plan_has_room(c, 0));
    CHECK(!plan_is_alone(c));
    c->said.text = STR("half a stream");
    CHECK(!plan_may_ask(c, c->plan.list[3]));
    declare_prefill("phi");
    CHECK(plan_may_ask(c, c->plan.list[3]));
    mem_free(c);
    close_all();
}

TEST(weights_decide_who_leads_and_the_others_follow)
{
    open_with(yaml);
    struct call *c = MEM_NEW(struct call);
    c->request.model = STR("twins");
    int left_first = 0;
    for (int i = 0; i < 1000; i++) {
        struct plan plan;
        CHECK_OK(plan_for(c, &plan));
        CHECK_EQ(plan.len, 3);
        left_first += str_is(plan.list[0]->name, "left");
    }
    /* 900 expected, standard deviation 9.5: eight of them either way. */
    CHECK(left_first > 820 && left_first < 980);
    mem_free(c);
    close_all();
}

RUN_TESTS(T(the_first_route_that_matches_decides), T(an_explicit_model_pins_and_keeps_its_fallbacks),
          T(embeddings_never_change_their_model),
          T(a_cooling_deployment_is_left_out_until_its_time_has_come),
          T(an_open_breaker_is_planned_around_until_its_probe), T(a_prefill_goes_to_those_that_declare_it_or_to_all),
          T(a_place_is_taken_by_an_attempt_and_not_by_those_passed_over), T(who_is_left_out_is_named_with_the_reason),
          T(without_fallback_only_the_first_counts_and_is_named), T(weights_decide_who_leads_and_the_others_follow))
