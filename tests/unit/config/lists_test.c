#include "config/files.h"

/* One provider and one model that are right, and whatever the test adds. */
#define PROVIDERS  \
    "providers:\n" \
    "  - { name: own, kind: openai-compatible, base_url: \"http://127.0.0.1:9/v1\" }\n"
#define MODELS                                                                                   \
    "models:\n"                                                                                  \
    "  - { name: m, price_usd_per_mtok: { input: 1, output: 2 }, deployments: [{ provider: own " \
    "}] }\n"

static void load(struct files *f, const char *text)
{
    f->len = 0;
    files_load(f, files_add(f, "huntaze.yaml", text));
}

static bool refuses(struct files *f, const char *text, const char *error)
{
    load(f, text);
    return !f->config && files_has_error(f, error);
}

TEST(providers_need_what_their_kind_needs)
{
    struct files f;
    files_init(&f);
    CHECK(refuses(&f, "providers:\n  - { name: a, kind: azure-foundry }\n" MODELS,
                  "huntaze.yaml:2: providers.base_url: missing for kind azure-foundry"));
    CHECK(files_has_error(&f, "huntaze.yaml:2: providers.key: missing for kind azure-foundry; "
                              "allowed: env:NAME, file:PATH"));
    CHECK(refuses(&f, "providers:\n  - { kind: azur }\n  - x\n" MODELS,
                  "huntaze.yaml:2: providers.kind: 'azur' is not an allowed word; allowed: "
                  "azure-foundry, azure-openai"));
    CHECK(files_has_error(&f, "huntaze.yaml:2: providers.name: missing"));
    CHECK(files_has_error(&f, "huntaze.yaml:3: providers: each must be a map"));
    CHECK(refuses(&f, PROVIDERS "  - { name: own, kind: sim }\n" MODELS,
                  "huntaze.yaml:3: providers.name: 'own' stands twice"));
    CHECK(refuses(
        &f, "providers:\n  - { name: a, kind: openai, api: classic, key: \"env:HOME\" }\n" MODELS,
        "providers.api: not for kind openai; allowed: openai"));
    CHECK(refuses(
        &f, "providers:\n  - { name: a, kind: sim, base_url: \"http://u:geheim@h\" }\n" MODELS,
        "providers.base_url: not the address of a server: user and password"));
    CHECK(str_find(buf_str(&f.errors), STR("geheim")) == SIZE_MAX);
    CHECK(refuses(&f,
                  "providers:\n  - { name: a, kind: azure-foundry, base_url: "
                  "\"https://x/openai/v1\" }\n" MODELS,
                  "give the resource's address alone"));
    CHECK(refuses(
        &f,
        "providers:\n  - { name: a, kind: sim, timeouts_ms: { connect: 9, attempt: 5 } }\n" MODELS,
        "providers.timeouts_ms: an attempt is over before its parts"));
    CHECK(refuses(&f, "providers:\n  - { name: a, kind: sim, timeouts_ms: { conect: 9 } }\n" MODELS,
                  "providers.timeouts_ms: unknown key 'conect'; did you mean 'connect'?"));
    files_fini(&f);
}

TEST(names_are_not_empty)
{
    struct files f;
    files_init(&f);
    CHECK(refuses(&f, "providers:\n  - { name: \"\", kind: sim }\n" MODELS,
                  "huntaze.yaml:2: providers.name: must not be empty: "));
    CHECK(refuses(&f, PROVIDERS "models:\n  - { name: \" \", deployments: [{ provider: own }] }\n",
                  "huntaze.yaml:4: models.name: must not be empty: "));
    CHECK(refuses(&f, PROVIDERS "models:\n  - { name: m, deployments: [{ provider: \"\" }] }\n",
                  "huntaze.yaml:4: models.deployments.provider: must not be empty: "));
    CHECK(refuses(&f, PROVIDERS "models:\n  - { name: m, deployments: [{ provider: own, deployment: \"\" }] }\n",
                  "huntaze.yaml:4: models.deployments.deployment: must not be empty: "));
    files_fini(&f);
}

TEST(key_references_are_read_or_refused_without_showing_them)
{
    struct files f;
    char text[512];
    files_init(&f);
    const char *key = files_add(&f, "key", " file-key\n");
    f.env[0] = "K=env-key";
    f.env[1] = "BAD=two words";
    snprintf(text, sizeof(text),
             "providers:\n  - { name: own, kind: openai, key: \"file:%s\" }\n"
             "  - { name: b, kind: openai, key: \"env:K\" }\n%s",
             key, MODELS);
    files_load(&f, files_add(&f, "ok.yaml", text));
    CHECK_STR(f.config->providers[0].key, "file-key");
    CHECK_STR(f.config->providers[1].key, "env-key");
    CHECK(f.config->providers[0].is_key_bearer);
    CHECK_STR(f.config->providers[0].host, "api.openai.com");
    CHECK_STR(f.config->providers[0].base_path, "/v1");
    files_load(&f, files_add(&f, "huntaze.yaml",
                             "providers:\n"
                             "  - { name: a, kind: openai, key: \"env:NONE\" }\n"
                             "  - { name: b, kind: openai, key: \"file:/nonexistent\" }\n"
                             "  - { name: c, kind: openai, key: identity }\n"
                             "  - { name: d, kind: openai, key: \"aws-secret:id#field\" }\n"
                             "  - { name: e, kind: openai, key: sk-geheim }\n"
                             "  - { name: f, kind: openai, key: \"env:BAD\" }\n" MODELS));
    CHECK(!f.config);
    CHECK(files_has_error(
        &f, "huntaze.yaml:2: providers.key: the environment variable NONE is not set"));
    CHECK(files_has_error(
        &f, "huntaze.yaml:3: providers.key: file:/nonexistent: there is no such file"));
    CHECK(files_has_error(
        &f, "huntaze.yaml:4: providers.key: identity and aws-secret: come with cloud secrets"));
    CHECK(files_has_error(&f, "huntaze.yaml:5: providers.key: identity and aws-secret: come"));
    CHECK(files_has_error(&f, "huntaze.yaml:6: providers.key: not a reference to a key"));
    CHECK(files_has_error(
        &f, "huntaze.yaml:7: providers.key: what the reference names cannot be a key"));
    CHECK(str_find(buf_str(&f.errors), STR("geheim")) == SIZE_MAX);
    CHECK(str_find(buf_str(&f.errors), STR("two words")) == SIZE_MAX);
    files_fini(&f);
}

TEST(secrets_are_left_alone_where_no_provider_is_called)
{
    struct files f;
    struct buf errors = { 0 };
    files_init(&f);
    const char *path =
        files_add(&f, "huntaze.yaml",
                  "auth: { router_key: \"env:NONE\" }\n"
                  "providers:\n  - { name: own, kind: openai, key: \"env:NONE\" }\n" MODELS);
    struct config_sources sources = {
        .file = path, .directory = f.directory, .env = f.env, .skips_secrets = true
    };
    f.config = config_load(&sources, &errors);
    CHECK(f.config);
    CHECK_EQ(f.config->providers[0].key.len, 0);
    CHECK_EQ(f.config->auth.router_key.len, 0);
    buf_fini(&errors);
    files_fini(&f);
}

TEST(dialect_and_header_of_the_key_follow_from_kind_and_host)
{
    struct files f;
    files_init(&f);
    f.env[0] = "K=k";
    load(&f, "providers:\n"
             "  - { name: own, kind: azure-openai, base_url: \"https://x.openai.azure.com\", key: "
             "\"env:K\" }\n"
             "  - { name: b, kind: azure-openai, api: v1, base_url: "
             "\"https://x.openai.azure.com/\", key: \"env:K\" }\n"
             "  - { name: c, kind: azure-foundry, api: models, base_url: "
             "\"https://y.eastus2.models.ai.azure.com\", key: \"env:K\" }\n"
             "  - { name: d, kind: azure-foundry, base_url: \"https://z\", key: \"env:K\", auth: "
             "bearer }\n"
             "  - { name: e, kind: sim, api: classic }\n" MODELS);
    CHECK_STR(buf_str(&f.errors), "");
    const struct provider *p = f.config->providers;
    CHECK(p[0].dialect == DIALECT_AZURE_OPENAI && !p[0].is_key_bearer);
    CHECK(p[1].dialect == DIALECT_FOUNDRY_V1 && p[1].base_path.len == 0);
    CHECK(p[2].dialect == DIALECT_FOUNDRY_MODELS && p[2].is_key_bearer);
    CHECK(p[3].dialect == DIALECT_FOUNDRY_V1 && p[3].is_key_bearer);
    CHECK(p[4].dialect == DIALECT_AZURE_OPENAI);
    CHECK(f.config->needs_simulator && !f.config->is_simulated);
    CHECK_STR(p[0].region, "local");
    CHECK_EQ(p[0].timeouts.total_ms, 120000);
    CHECK(files_warn(&f, "provider b has no deployment"));
    files_fini(&f);
}

TEST(models_name_their_deployments)
{
    struct files f;
    files_init(&f);
    CHECK(refuses(&f,
                  PROVIDERS
                  "models:\n  - { name: m }\n  - { name: m, deployments: [] }\n"
                  "  - { name: auto, deployments: [{ provider: owm }, { weight: -1 }] }\n",
                  "huntaze.yaml:4: models.deployments: missing"));
    CHECK(files_has_error(&f, "huntaze.yaml:5: models.name: 'm' stands twice"));
    CHECK(files_has_error(
        &f, "huntaze.yaml:5: models.deployments: must be a list with at least one entry"));
    CHECK(files_has_error(&f, "huntaze.yaml:6: models.name: 'auto' has a meaning of its own"));
    CHECK(files_has_error(
        &f, "huntaze.yaml:6: models.deployments.provider: there is no provider 'owm'; did you mean "
            "'own'?; allowed: own"));
    CHECK(files_has_error(
        &f, "huntaze.yaml:6: models.deployments.weight: '-1' is not a whole number in range"));
    CHECK(files_has_error(&f, "huntaze.yaml:6: models.deployments.provider: missing"));
    CHECK(refuses(&f, PROVIDERS, "models: missing: providers are configured"));
    CHECK(refuses(&f, PROVIDERS "models: 7\n", "huntaze.yaml:3: models: must be a list"));
    CHECK(refuses(
        &f,
        PROVIDERS
        "models:\n  - { name: m, end_date: 2026-02-30, deployments: [{ provider: own }] }\n",
        "models.end_date: '2026-02-30' is not a date; allowed: YYYY-MM-DD"));
    files_fini(&f);
}

TEST(prices_come_from_the_nearest_statement)
{
    struct files f;
    files_init(&f);
    f.env[0] = "K=k";
    load(&f,
         "providers:\n"
         "  - { name: az, kind: azure-foundry, base_url: \"https://x\", key: \"env:K\" }\n"
         "  - { name: ao, kind: azure-openai, base_url: \"https://x\", key: \"env:K\" }\n"
         "  - { name: mistral, kind: openai-compatible, base_url: \"https://x\" }\n"
         "  - { name: s, kind: sim }\n"
         "models:\n"
         "  - name: phi-4\n"
         "    deployments:\n"
         "      - { provider: az, deployment: chat }\n"
         "      - { provider: az, price_usd_per_mtok: { input: 9, output: 9, cached: 0 } }\n"
         "      - { provider: s }\n"
         "  - { name: l, deployments: [{ provider: az, deployment: Llama-3.3-70B-Instruct }] }\n"
         "  - { name: g, deployments: [{ provider: az, deployment: gpt-4o }] }\n"
         "  - { name: gpt-4o-mini, deployments: [{ provider: ao, price_as: "
         "\"gpt-4o-mini@regional\" }, { provider: ao }] }\n"
         "  - { name: mistral-large-2411, deployments: [{ provider: mistral }] }\n"
         "  - { name: x, unpriced: allow, deployments: [{ provider: mistral }] }\n"
         "  - { name: y, price_usd_per_mtok: { input: 0, output: 0 }, deployments: [{ provider: "
         "mistral }] }\n");
    CHECK_STR(buf_str(&f.errors), "");
    const struct deployment *d = f.config->deployments;
    CHECK_EQ(d[0].price.input_nusd_per_mtok, 125000000);
    CHECK_EQ(d[1].price.input_nusd_per_mtok, 9000000000);
    CHECK_EQ(d[1].price.cached_nusd_per_mtok, 0);
    CHECK_EQ(d[2].price.input_nusd_per_mtok, 125000000);
    CHECK_EQ(d[3].price.input_nusd_per_mtok, 710000000);
    CHECK_EQ(d[4].price.cached_nusd_per_mtok, 1250000000);
    CHECK_EQ(d[5].price.input_nusd_per_mtok, 165000000);
    CHECK(!price_is_known(&d[6].price));
    CHECK(files_warn(
        &f, "model gpt-4o-mini has no price at provider ao: its calls there are refused; set "
            "price_usd_per_mtok, or price_as (gpt-4o-mini@regional, gpt-4o-mini@global)"));
    CHECK_EQ(d[7].price.output_nusd_per_mtok, 6000000000);
    CHECK(!price_is_known(&d[8].price) && d[8].model->allows_unpriced &&
          !files_warn(&f, "model x"));
    CHECK(price_is_known(&d[9].price));
    CHECK(refuses(&f,
                  PROVIDERS "models:\n  - { name: m, price_usd_per_mtok: { input: 1 }, "
                            "deployments: [{ provider: own }] }\n",
                  "price_usd_per_mtok: give both input and output"));
    CHECK(refuses(&f,
                  PROVIDERS
                  "models:\n  - { name: m, price_as: none, deployments: [{ provider: own }] }\n",
                  "price_as: the price list has no row 'none' of provider own"));
    files_fini(&f);
}

TEST(capabilities_are_guessed_then_overridden_twice)
{
    struct files f;
    files_init(&f);
    load(&f, PROVIDERS
         "models:\n"
         "  - name: deepseek-r1\n"
         "    unpriced: allow\n"
         "    end_date: 2020-01-01\n"
         "    capabilities: { tools: true, drop_params: [], default_max_tokens: 100 }\n"
         "    deployments:\n"
         "      - { provider: own }\n"
         "      - { provider: own, capabilities: { tools: false, reasoning_format: none } }\n");
    CHECK_STR(buf_str(&f.errors), "");
    const struct deployment *d = f.config->deployments;
    CHECK(d[0].caps.has_tools && d[0].caps.drop_params_len == 0 &&
          d[0].caps.default_max_tokens == 100);
    CHECK_EQ(d[0].caps.reasoning, REASONING_THINK_TAG);
    CHECK(!d[1].caps.has_tools && d[1].caps.drop_params_len == 0);
    CHECK_EQ(d[1].caps.reasoning, REASONING_NONE);
    CHECK(files_warn(&f, "model deepseek-r1 is past its end date 2020-01-01"));
    CHECK(refuses(&f,
                  PROVIDERS "models:\n  - { name: m, capabilities: { tool: true }, deployments: [{ "
                            "provider: own }] }\n",
                  "capabilities: unknown key 'tool'; did you mean 'tools'?"));
    CHECK(refuses(&f,
                  PROVIDERS
                  "models:\n  - { name: m, deployments: [{ provider: own, capabilities: 1 }] }\n",
                  "capabilities: must be a map"));
    CHECK(refuses(&f,
                  PROVIDERS "models:\n  - name: m\n    deployments:\n      - { provider: own }\n"
                            "      - { provider: own, capabilities: { embedding: true } }\n",
                  "model 'm' serves embeddings at one deployment and chat at another"));
    files_fini(&f);
}

TEST(routes_and_fallbacks_name_models_that_exist)
{
    struct files f;
    files_init(&f);
    CHECK(refuses(
        &f,
        PROVIDERS MODELS
        "  - { name: e, deployments: [{ provider: own, deployment: text-embedding-x }] }\n"
        "routes:\n"
        "  - { models: [n, m, m, e] }\n"
        "  - { type: poetry, tier: gold, language: French, models: [m] }\n"
        "  - { choose: best }\n"
        "fallbacks:\n"
        "  - { from: z, to: [mm] }\n"
        "  - x\n",
        "huntaze.yaml:7: routes.models: there is no model 'n'; did you mean 'm'?; allowed: m, e"));
    CHECK(files_has_error(&f, "huntaze.yaml:7: routes.models: model 'm' stands twice"));
    CHECK(files_has_error(&f, "huntaze.yaml:7: routes.models: 'e' serves embeddings"));
    CHECK(files_has_error(&f, "huntaze.yaml:8: routes.type: 'poetry' is not a list of allowed "
                              "words; allowed: chat, math, coding, creative"));
    CHECK(files_has_error(
        &f, "huntaze.yaml:8: routes.tier: 'gold' is not an allowed word; allowed: standard, vip"));
    CHECK(files_has_error(&f, "huntaze.yaml:8: routes.language: 'French' is no language code"));
    CHECK(files_has_error(&f, "huntaze.yaml:9: routes.choose: 'best' is not an allowed word; "
                              "allowed: first, cheapest, fastest"));
    CHECK(files_has_error(&f, "huntaze.yaml:9: routes.models: missing"));
    CHECK(files_has_error(&f, "huntaze.yaml:11: fallbacks.from: there is no model 'z'"));
    CHECK(files_has_error(&f, "huntaze.yaml:11: fallbacks.to: there is no model 'mm'"));
    CHECK(files_has_error(&f, "huntaze.yaml:12: fallbacks: each must be a map"));
    files_fini(&f);
}

TEST(routes_that_leave_calls_out_or_are_never_reached_are_told)
{
    struct files f;
    files_init(&f);
    load(&f,
         PROVIDERS MODELS "routes:\n  - { tier: vip, models: m, timeouts_ms: { total: 500 } }\n");
    CHECK(files_warn(&f, "routes: none takes every call"));
    CHECK_EQ(f.config->routes_len, 1);
    CHECK_EQ(f.config->routes[0].timeouts.total_ms, 500);
    CHECK_EQ(f.config->routes[0].timeouts.idle_ms, 0);
    CHECK_EQ(f.config->routes[0].line, 6);
    load(&f, PROVIDERS MODELS "routes:\n  - { models: [m] }\n  - { tier: vip, models: [m] }\n");
    CHECK(files_warn(&f, "huntaze.yaml:7: routes: never reached"));
    load(&f, PROVIDERS MODELS);
    CHECK_EQ(f.config->routes_len, 1);
    CHECK_STR(f.config->routes[0].models[0]->name, "m");
    CHECK_EQ(f.config->warnings_len, 0);
    files_fini(&f);
}

TEST(limits_of_a_route_that_contradict_each_other_are_told)
{
    struct files f;
    files_init(&f);
    load(&f,
         PROVIDERS MODELS "routes:\n"
                          "  - { models: [m], timeouts_ms: { attempt: 100, connect: 200 } }\n"
                          "  - { models: [m], timeouts_ms: { attempt: 100, first_content: 200 } }\n"
                          "  - { models: [m], timeouts_ms: { attempt: 100, total: 99 } }\n");
    CHECK(files_has_error(
        &f,
        "huntaze.yaml:6: routes.timeouts_ms.connect: must not pass attempt, which is 100 here"));
    CHECK(files_has_error(
        &f, "huntaze.yaml:7: routes.timeouts_ms.first_content: must not pass attempt"));
    CHECK(files_has_error(
        &f, "huntaze.yaml:8: routes.timeouts_ms.attempt: must not pass total, which is 99 here"));
    load(&f, PROVIDERS MODELS
         "routes: [ { models: [m], timeouts_ms: { first_content: 60001, attempt: 120001 } } ]\n");
    CHECK(files_warn(&f, "routes.timeouts_ms.attempt (120001) is never reached at provider own: "
                         "its total is 120000"));
    CHECK_EQ(f.config->warnings_len, 1);
    load(&f,
         PROVIDERS MODELS "routes: [ { models: [m], timeouts_ms: { first_content: 60001 } } ]\n");
    CHECK(files_warn(&f, "routes.timeouts_ms.first_content (60001) is never reached at provider "
                         "own: its attempt is 60000"));
    /* A total is shared, and a short attempt bounds its parts. */
    load(&f, PROVIDERS MODELS
         "routes: [ { models: [m], timeouts_ms: { attempt: 100, total: 150 } } ]\n");
    CHECK_EQ(f.config->warnings_len, 0);
    files_fini(&f);
}

RUN_TESTS(T(names_are_not_empty), T(providers_need_what_their_kind_needs),
          T(key_references_are_read_or_refused_without_showing_them),
          T(secrets_are_left_alone_where_no_provider_is_called),
          T(dialect_and_header_of_the_key_follow_from_kind_and_host),
          T(models_name_their_deployments), T(prices_come_from_the_nearest_statement),
          T(capabilities_are_guessed_then_overridden_twice),
          T(routes_and_fallbacks_name_models_that_exist),
          T(routes_that_leave_calls_out_or_are_never_reached_are_told),
          T(limits_of_a_route_that_contradict_each_other_are_told))
