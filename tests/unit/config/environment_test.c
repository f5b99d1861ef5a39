#include "config/files.h"

#include "config/environment.h"

static struct environment read_text(struct arena *a, const char *text, struct buf *errors)
{
    struct environment env = { 0 };
    struct problems problems = { .errors = errors, .arena = a };
    environment_read_file(a, str_of(text), ".env", &problems, &env);
    return env;
}

static const char *value(struct arena *a, const struct environment *env, const char *name)
{
    const struct variable *var = environment_get(env, str_of(name));
    return var ? arena_cstr(a, var->value) : "(none)";
}

TEST(env_files_know_comments_quotes_and_export)
{
    struct arena a = { 0 };
    struct buf errors = { 0 };
    struct environment env =
        read_text(&a,
                  "# c\n\nA=1\nexport B = two words # note\nC=\"x # y\\n\\\"z\\\"\" # c\n"
                  "D='a\\n'\nE=\nF=a#b\r\nA=later\nG=#c\n",
                  &errors);
    CHECK_STR(buf_str(&errors), "");
    assert_string_equal(value(&a, &env, "A"), "1");
    assert_string_equal(value(&a, &env, "B"), "two words");
    assert_string_equal(value(&a, &env, "C"), "x # y\n\"z\"");
    assert_string_equal(value(&a, &env, "D"), "a\\n");
    assert_string_equal(value(&a, &env, "E"), "(none)");
    assert_string_equal(value(&a, &env, "F"), "a#b");
    assert_string_equal(value(&a, &env, "G"), "(none)");
    arena_fini(&a);
    buf_fini(&errors);
}

TEST(malformed_env_lines_are_named_but_not_shown)
{
    struct arena a = { 0 };
    struct buf errors = { 0 };
    read_text(&a, "A=1\nsecret\n1A=x\nB=\"secret\nC='secret\nD=\"secret\" x\n", &errors);
    for (int line = 2; line <= 6; line++) {
        char start[32];
        snprintf(start, sizeof(start), ".env:%d: malformed line", line);
        CHECK(str_find(buf_str(&errors), str_of(start)) != SIZE_MAX);
    }
    CHECK(str_find(buf_str(&errors), STR("secret")) == SIZE_MAX);
    arena_fini(&a);
    buf_fini(&errors);
}

TEST(later_sources_win)
{
    struct files f;
    files_init(&f);
    const char *path =
        files_add(&f, "huntaze.yaml", "server: { region: file, loops: 1, shutdown_ms: 1 }\n");
    files_load(&f, path);
    CHECK_STR(f.config->server.region, "file");
    files_add(&f, ".env", "HUNTAZE_SERVER_REGION=env\nHUNTAZE_SERVER_LOOPS=2\n");
    files_load(&f, path);
    CHECK_STR(f.config->server.region, "env");
    files_add(&f, ".env.local", "HUNTAZE_SERVER_REGION=local\n");
    files_load(&f, path);
    CHECK_STR(f.config->server.region, "local");
    CHECK_EQ(f.config->server.loops, 2);
    f.env[0] = "HUNTAZE_SERVER_REGION=real";
    files_load(&f, path);
    CHECK_STR(f.config->server.region, "real");
    f.overrides[0] = "server.region=set";
    files_load(&f, path);
    CHECK_STR(f.config->server.region, "set");
    CHECK_EQ(f.config->server.shutdown_ms, 1);
    files_fini(&f);
}

TEST(env_files_are_for_development_only)
{
    struct files f;
    files_init(&f);
    files_add(&f, ".env", "HUNTAZE_SERVER_REGION=env\n");
    f.env[0] = "HUNTAZE_ENV=staging";
    files_load(&f, NULL);
    CHECK_EQ(f.config->env, ENV_STAGING);
    CHECK_STR(f.config->server.region, "local");
    f.env[0] = "HUNTAZE_ENV=prod";
    files_load(&f, NULL);
    CHECK(!f.config);
    CHECK(files_has_error(
        &f, "HUNTAZE_ENV: 'prod' is no environment; allowed: development, staging, production"));
    files_fini(&f);
}

TEST(the_product_s_names_keep_working_and_ours_win)
{
    struct files f;
    files_init(&f);
    const char *const env[] = { "AI_PROVIDER=legacy",
                                "AI_FALLBACK_ENABLED=False",
                                "ROUTER_WORKERS=3",
                                "DATABASE_URL=postgresql://u:p@h/db",
                                "AWS_REGION=eu-west-3",
                                "HUNTAZE_SERVER_REGION=ours",
                                "AI_ROUTER_API_KEY=0123456789abcdef" };
    memcpy(f.env, env, sizeof(env));
    files_load(&f, NULL);
    CHECK(f.config);
    CHECK_EQ(f.config->fallback.lead, LEAD_LEGACY);
    CHECK(!f.config->fallback.enabled);
    CHECK_EQ(f.config->server.loops, 3);
    CHECK(f.config->store.is_postgres);
    CHECK_STR(f.config->server.region, "ours");
    CHECK_STR(f.config->auth.router_key, "0123456789abcdef");
    const char *const more[] = { "AI_CANARY_PERCENTAGE=101",
                                 "REDIS_URL=http://x",
                                 "AI_ROUTER_URL=http://y",
                                 "AI_PROVIDER=",
                                 "AWS_REGION=",
                                 "HUNTAZE_SERVER_LISEN=x",
                                 NULL };
    memcpy(f.env, more, sizeof(more));
    files_load(&f, NULL);
    CHECK(!f.config);
    CHECK(files_has_error(
        &f, "AI_CANARY_PERCENTAGE: fallback.canary_percent: '101' is not a whole number in "
            "range; allowed: 0 to 100 (percent)"));
    CHECK(files_has_error(&f, "REDIS_URL: redis.url: not the address of a Redis"));
    f.env[0] = "AI_CANARY_PERCENTAGE=5";
    f.env[1] = "REDIS_URL=redis://x";
    files_load(&f, NULL);
    CHECK(files_warn(&f, "AI_ROUTER_URL") && files_warn(&f, "canary") &&
          files_warn(&f, "redis.url is set"));
    CHECK(files_warn(
        &f, "HUNTAZE_SERVER_LISEN: no option has this name; did you mean HUNTAZE_SERVER_LISTEN?"));
    CHECK_EQ(f.config->fallback.lead, LEAD_FOUNDRY);
    files_fini(&f);
}

TEST(variables_are_named_in_errors)
{
    struct files f;
    files_init(&f);
    files_add(&f, ".env", "\nHUNTAZE_LOG_LEVEL=loud\n");
    f.env[0] = "HUNTAZE_SERVER_LOOPS=many";
    f.overrides[0] = "server.lisen=x";
    f.overrides[1] = "server.keep_alive_ms=-1";
    f.overrides[2] = "log.access";
    f.overrides[3] = "providers=x";
    files_load(&f, NULL);
    CHECK(!f.config);
    CHECK(files_has_error(
        &f, ".env:2: HUNTAZE_LOG_LEVEL: log.level: 'loud' is not an allowed word; allowed: "
            "debug, info, warn, error"));
    CHECK(files_has_error(
        &f, "HUNTAZE_SERVER_LOOPS: server.loops: 'many' is not a whole number in range; "
            "allowed: 0 to 64"));
    CHECK(files_has_error(
        &f, "--set server.lisen: no option has this name; did you mean server.listen?"));
    CHECK(files_has_error(&f, "--set server.keep_alive_ms: server.keep_alive_ms: '-1' is not"));
    CHECK(files_has_error(&f, "--set log.access: the value is missing"));
    CHECK(files_has_error(&f, "--set providers: no option has this name"));
    files_fini(&f);
}

RUN_TESTS(T(env_files_know_comments_quotes_and_export),
          T(malformed_env_lines_are_named_but_not_shown), T(later_sources_win),
          T(env_files_are_for_development_only), T(the_product_s_names_keep_working_and_ours_win),
          T(variables_are_named_in_errors))
