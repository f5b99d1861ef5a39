#include "support.h"

#include "net/dns.h"

static struct name_server server;
static struct resolver *resolver;

static enum err look_up(struct task *t, const char *name, struct dns_answer *out)
{
    return dns_lookup(t, resolver, str_of(name), 443, out, INT64_MAX);
}

static void resolves(struct task *t, void *arg)
{
    task_fn *check = *(task_fn **)arg;
    name_server_open(&server);
    CHECK_OK(resolver_create(test_loop, &resolver));
    CHECK_OK(resolver_set_servers(resolver, str_of(server.address)));
    check(t, NULL);
    resolver_destroy(resolver);
    name_server_close(&server);
    test_done();
}

static void run_resolver_test(task_fn *fn)
{
    test_run(resolves, &fn);
}

static void checks_literals(struct task *t, void *arg)
{
    (void)arg;
    struct dns_answer answer;
    char text[ADDRESS_TEXT_MAX];
    CHECK_OK(look_up(t, "::1", &answer));
    address_format(&answer.addresses[0], text);
    assert_string_equal(text, "[::1]:443");
    CHECK_OK(look_up(t, "LocalHost", &answer));
    CHECK(answer.len >= 1);
    bool has_v4 = false;
    for (size_t i = 0; i < answer.len; i++) {
        address_format(&answer.addresses[i], text);
        has_v4 |= strcmp(text, "127.0.0.1:443") == 0;
    }
    CHECK(has_v4);
    CHECK_EQ(server.queries, 0);
}

TEST(literals_and_localhost_ask_nobody)
{
    run_resolver_test(checks_literals);
}

static void checks_cache(struct task *t, void *arg)
{
    (void)arg;
    struct dns_answer answer;
    char text[ADDRESS_TEXT_MAX];
    CHECK_OK(look_up(t, "api.test", &answer));
    CHECK_EQ(answer.len, 1);
    address_format(&answer.addresses[0], text);
    assert_string_equal(text, "10.0.0.7:443");
    CHECK_EQ(server.queries, 2); /* A and AAAA */

    CHECK_OK(look_up(t, "API.test", &answer));
    CHECK_EQ(server.queries, 2);
    CHECK_OK(task_sleep(t, 59000));
    CHECK_OK(look_up(t, "api.test", &answer));
    CHECK_EQ(server.queries, 2);
    CHECK_OK(task_sleep(t, 2000));
    CHECK_OK(look_up(t, "api.test", &answer));
    CHECK_EQ(server.queries, 4);
}

TEST(an_answer_is_kept_for_its_time_to_live)
{
    run_resolver_test(checks_cache);
}

static void checks_negative(struct task *t, void *arg)
{
    (void)arg;
    struct dns_answer answer;
    CHECK_ERR(look_up(t, "missing.test.", &answer), ERR_DNS);
    assert_string_equal(answer.why, "Domain name not found");
    int asked = server.queries;
    CHECK_ERR(look_up(t, "missing.test.", &answer), ERR_DNS);
    CHECK_EQ(server.queries, asked);
    CHECK_OK(task_sleep(t, 1001));
    CHECK_ERR(look_up(t, "missing.test.", &answer), ERR_DNS);
    CHECK(server.queries > asked);
}

TEST(a_missing_name_is_remembered_for_a_second)
{
    run_resolver_test(checks_negative);
}

static void checks_names(struct task *t, void *arg)
{
    (void)arg;
    struct dns_answer answer;
    char *longest = mem_zalloc(255);
    memset(longest, 'a', 254);
    CHECK_ERR(look_up(t, "", &answer), ERR_DNS);
    CHECK_ERR(look_up(t, longest, &answer), ERR_DNS);
    CHECK_ERR(look_up(t, "a..b", &answer), ERR_DNS);
    CHECK_ERR(dns_lookup(t, resolver, str_make("a\0b", 3), 1, &answer, INT64_MAX), ERR_DNS);
    CHECK_EQ(server.queries, 0);
    mem_free(longest);
}

TEST(what_is_no_name_is_refused)
{
    run_resolver_test(checks_names);
}

struct seeker {
    const char *name;
    int64_t deadline_ns;
    enum err result;
    struct dns_answer answer;
};

static void seeks(struct task *t, void *arg)
{
    struct seeker *s = arg;
    struct str name = str_of(s->name);
    s->result = dns_lookup(t, resolver, name, 80, &s->answer, s->deadline_ns);
}

static void checks_joined(struct task *t, void *arg)
{
    (void)arg;
    struct seeker seekers[3];
    struct task *tasks[3];
    for (int i = 0; i < 3; i++) {
        seekers[i] = (struct seeker) { .name = "joined.test", .deadline_ns = INT64_MAX };
        tasks[i] = task_spawn_joinable(test_loop, "seeks", seeks, &seekers[i]);
    }
    CHECK_OK(task_yield(t));
    task_stop(tasks[1], ERR_CLIENT_GONE);
    for (int i = 0; i < 3; i++)
        task_join(t, tasks[i]);
    CHECK_OK(seekers[0].result);
    CHECK_ERR(seekers[1].result, ERR_CLIENT_GONE);
    CHECK_OK(seekers[2].result);
    CHECK_EQ(seekers[2].answer.len, 1);
    CHECK_EQ(server.queries, 2);
}

TEST(lookups_of_one_name_are_joined_and_one_may_give_up)
{
    run_resolver_test(checks_joined);
}

static void checks_mute(struct task *t, void *arg)
{
    (void)arg;
    struct seeker s = { .name = "mute.test", .deadline_ns = INT64_MAX };
    struct task *child = task_spawn_joinable(test_loop, "seeks", seeks, &s);
    while (server.queries == 0)
        CHECK_OK(task_yield(t));
    task_stop(child, ERR_DEADLINE);
    task_join(t, child);
    CHECK_ERR(s.result, ERR_DEADLINE);
    /* The lookup is still under way when the resolver is destroyed. */
}

TEST(a_lookup_without_answer_can_be_left_behind)
{
    run_resolver_test(checks_mute);
}

RUN_TESTS(T(literals_and_localhost_ask_nobody), T(an_answer_is_kept_for_its_time_to_live),
          T(a_missing_name_is_remembered_for_a_second), T(what_is_no_name_is_refused),
          T(lookups_of_one_name_are_joined_and_one_may_give_up),
          T(a_lookup_without_answer_can_be_left_behind))
