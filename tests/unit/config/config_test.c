#include "config/files.h"

static const char providers[] =
    "providers:\n"
    "  - { name: own, kind: openai-compatible, base_url: \"http://127.0.0.1:9/v1\" }\n";

/* The sample of the design, word for word. */
static const char sample[] =
    "server:   { listen: \"127.0.0.1:8080\", loops: 0, region: eastus2, max_body_bytes: 8388608, "
    "keep_alive_ms: 75000 }  # loops 0 = one per core\n"
    "store:    { url: \"sqlite:./data/huntaze.db\" }\n"
    "redis:    { url: \"redis://127.0.0.1:6379/0\" }\n"
    "auth:     { required: true }\n"
    "fallback: { enabled: true }\n"
    "providers:\n"
    "  - name: foundry\n"
    "    kind: azure-foundry        # azure-openai | openai | openai-compatible | sim\n"
    "    base_url: \"https://example.services.ai.azure.com\"\n"
    "    region: eastus2\n"
    "    key: \"env:AZURE_AI_KEY\"\n"
    "    timeouts_ms: { connect: 2000, first_content: 8000, idle: 20000, attempt: 60000, total: "
    "120000 }\n"
    "models:\n"
    "  - name: mistral-large\n"
    "    price_usd_per_mtok: { input: 0.5, output: 1.5 }\n"
    "    context_tokens: 128000\n"
    "    deployments:\n"
    "      - { provider: foundry, deployment: Mistral-Large-3, weight: 100, prefill: true }\n"
    "routes:\n"
    "  - { feature: insights, models: [mistral-large] }\n"
    "  - { type: [math, coding], models: [deepseek-r1] }\n"
    "  - { language: fr, models: [mistral-large] }\n"
    "  - { type: creative, models: [mistral-large] }\n"
    "  - { tier: vip, models: [llama-3.3-70b] }\n"
    "  - { models: [phi-4, llama-3.3-70b], choose: cheapest }\n"
    "fallbacks:\n"
    "  - { from: \"*\", to: [gpt-4o, gpt-4o-mini] }\n";

TEST(without_a_file_the_simulator_serves_the_product_s_models)
{
    struct files f;
    files_init(&f);
    files_load(&f, NULL);
    struct config *c = f.config;
    CHECK(c && c->is_simulated && c->needs_simulator);
    CHECK_STR(c->source, "embedded defaults");
    CHECK_STR(c->server.listen_host, "127.0.0.1");
    CHECK_EQ(c->server.listen_port, 8080);
    CHECK_STR(c->store.sqlite_path, "./data/huntaze.db");
    CHECK(c->auth.required && c->ledger.wait && c->ledger.spools_when_down && c->fallback.enabled);
    CHECK_EQ(c->models_len, 7);
    CHECK_EQ(c->routes_len, 6);
    CHECK_EQ(c->warnings_len, 0);
    const struct model *r1 = config_find_model(c, STR("deepseek-r1"));
    CHECK_EQ(r1->deployments[0]->price.output_nusd_per_mtok, 5400000000);
    CHECK(config_find_model(c, STR("text-embedding-3-small"))->is_embedding);
    CHECK_EQ(c->routes[1].types, 1u << CALL_MATH | 1u << CALL_CODING);
    CHECK(c->routes[4].has_tier && c->routes[4].tier == TIER_VIP);
    CHECK_EQ(c->routes[5].choose, CHOOSE_CHEAPEST);
    CHECK_STR(c->routes[5].models[1]->name, "llama-3.3-70b");
    CHECK_STR(c->fallbacks[0].from, "*");
    CHECK_EQ(c->fallbacks[0].models_len, 2);
    config_set_simulator(c, STR("127.0.0.1"), 4321);
    CHECK_EQ(c->providers[0].port, 4321);
    CHECK_STR(c->providers[0].base_path, "/v1");
    files_fini(&f);
}

TEST(the_sample_of_the_design_loads)
{
    struct files f;
    files_init(&f);
    f.env[0] = "AZURE_AI_KEY=k-1";
    files_load(&f, files_add(&f, "huntaze.yaml", sample));
    struct config *c = f.config;
    CHECK_STR(buf_str(&f.errors), "");
    CHECK(c && !c->is_simulated && !c->needs_simulator);
    CHECK_EQ(c->providers[0].dialect, DIALECT_FOUNDRY_V1);
    CHECK_STR(c->providers[0].key, "k-1");
    CHECK(!c->providers[0].is_key_bearer && c->providers[0].is_tls);
    CHECK_STR(c->providers[0].host, "example.services.ai.azure.com");
    CHECK_EQ(c->deployments[0].price.input_nusd_per_mtok, 500000000);
    CHECK(c->deployments[0].caps.accepts_prefill);
    CHECK(c->deployments[0].model == &c->models[0]);
    /* Models of the product that are not declared are left out, and plain calls still find one. */
    CHECK_EQ(c->routes_len, 4);
    CHECK_STR(c->routes[3].models[0]->name, "mistral-large");
    CHECK_EQ(c->fallbacks_len, 0);
    CHECK(files_warn(&f, "model deepseek-r1 is not declared"));
    files_fini(&f);
}

TEST(everything_wrong_is_told_at_once)
{
    struct files f;
    files_init(&f);
    files_load(&f, files_add(&f, "huntaze.yaml",
                             "server: { lisen: x, loops: 999, listen: nowhere }\n"
                             "stroe: { url: x }\n"
                             "store: { url: mysql://u:secret@h }\n"
                             "auth: maybe\n"
                             "log:\n"
                             "  level: loud\n"
                             "  access: perhaps\n"
                             "provider: []\n"));
    CHECK(!f.config);
    CHECK(files_has_error(
        &f,
        "huntaze.yaml:1: server: unknown key 'lisen'; did you mean 'listen'?; allowed: listen"));
    CHECK(files_has_error(
        &f,
        "huntaze.yaml:1: server.loops: '999' is not a whole number in range; allowed: 0 to 64"));
    CHECK(files_has_error(&f, "huntaze.yaml:1: server.listen: 'nowhere' is not an address"));
    CHECK(files_has_error(&f, "huntaze.yaml:2: unknown key 'stroe'; did you mean 'store'?"));
    CHECK(files_has_error(
        &f, "huntaze.yaml:3: store.url: not the address of a database; allowed: sqlite:PATH"));
    CHECK(files_has_error(&f, "huntaze.yaml:4: auth: must be a map of options"));
    CHECK(files_has_error(&f, "huntaze.yaml:6: log.level: 'loud' is not an allowed word"));
    CHECK(files_has_error(
        &f, "huntaze.yaml:7: log.access: 'perhaps' is not a truth value; allowed: true, false"));
    CHECK(files_has_error(&f, "huntaze.yaml:8: unknown key 'provider'; did you mean 'providers'?"));
    CHECK(str_find(buf_str(&f.errors), STR("secret")) == SIZE_MAX);
    files_fini(&f);
}

TEST(a_missing_or_broken_file_is_an_error)
{
    struct files f;
    char path[128];
    files_init(&f);
    snprintf(path, sizeof(path), "%s/none.yaml", f.directory);
    files_load(&f, path);
    CHECK(!f.config);
    CHECK(files_has_error(&f, "none.yaml: there is no such file"));
    files_load(&f, f.directory);
    CHECK(!f.config && files_has_error(&f, "it is not a regular file"));
    files_load(&f, files_add(&f, "huntaze.yaml", "server: [\n"));
    CHECK(!f.config && files_has_error(&f, "huntaze.yaml:2: not valid YAML"));
    files_fini(&f);
}

TEST(the_overlay_of_the_environment_merges)
{
    struct files f;
    files_init(&f);
    const char *path = files_add(&f, "huntaze.yaml", "server: { region: a, loops: 2 }\n");
    files_add(&f, "huntaze.production.yaml", "server: { region: b }\nlog: { level: warn }\n");
    files_load(&f, path);
    CHECK_STR(f.config->server.region, "a");
    f.env[0] = "HUNTAZE_ENV=production";
    files_load(&f, path);
    CHECK_STR(f.config->server.region, "b");
    CHECK_EQ(f.config->server.loops, 2);
    CHECK_STR(f.config->log.level, "warn");
    CHECK(files_warn(&f, "in production too, every answer is simulated"));
    files_add(&f, "huntaze.staging.yaml", "server: { regoin: b }\n");
    f.env[0] = "HUNTAZE_ENV=staging";
    files_load(&f, path);
    CHECK(files_has_error(
        &f, "huntaze.staging.yaml:1: server: unknown key 'regoin'; did you mean 'region'?"));
    files_fini(&f);
}

TEST(values_are_checked_against_each_other)
{
    struct files f;
    files_init(&f);
    files_load(&f, files_add(&f, "huntaze.yaml",
                             "server: { tls_key: /nonexistent/key.pem, region: \"\" }\n"
                             "store: { url: \"sqlite:a.db\" }\n"
                             "ledger: { spool: a.db }\n"
                             "auth: { router_key: short }\n"
                             "prices: { file: /nonexistent.csv }\n"));
    CHECK(!f.config);
    CHECK(files_has_error(
        &f, "huntaze.yaml:1: TLS needs both server.tls_certificate and server.tls_key"));
    CHECK(files_has_error(
        &f, "huntaze.yaml:1: server.tls_key: the file '/nonexistent/key.pem' is missing"));
    CHECK(files_has_error(&f, "huntaze.yaml:1: server.region: must not be empty"));
    CHECK(files_has_error(&f, "huntaze.yaml:3: ledger.spool: must be another file"));
    CHECK(files_has_error(&f, "huntaze.yaml:4: auth.router_key: too short"));
    CHECK(files_has_error(&f, "/nonexistent.csv: prices.file: there is no such file"));
    files_fini(&f);
}

TEST(what_is_printed_loads_again_and_prints_the_same)
{
    struct files f;
    struct buf first = { 0 }, second = { 0 };
    files_init(&f);
    f.env[0] = "AZURE_AI_KEY=k-secret-1";
    files_load(&f, files_add(&f, "huntaze.yaml", sample));
    config_print(f.config, &first);
    CHECK(str_find(buf_str(&first), STR("k-secret-1")) == SIZE_MAX);
    buf_add_char(&first, '\0');
    files_load(&f, files_add(&f, "again.yaml", first.at));
    CHECK(f.config);
    config_print(f.config, &second);
    struct str a = str_make(first.at, first.len - 1), b = buf_str(&second);
    str_cut(&a, '\n');
    str_cut(&b, '\n');
    CHECK(str_eq(a, b));
    buf_fini(&first);
    buf_fini(&second);
    files_fini(&f);
}

TEST(secrets_are_not_printed)
{
    struct files f;
    struct buf out = { 0 };
    files_init(&f);
    f.env[0] = "AI_ROUTER_API_KEY=router-key-secret";
    f.env[1] = "DATABASE_URL=postgresql://u:dbsecret@h/db";
    files_load(&f, NULL);
    config_print(f.config, &out);
    CHECK(str_find(buf_str(&out), STR("secret")) == SIZE_MAX);
    CHECK(str_find(buf_str(&out), STR("router_key: \"***\"")) != SIZE_MAX);
    CHECK(str_find(buf_str(&out), STR("postgresql://u:***@h/db")) != SIZE_MAX);
    buf_fini(&out);
    files_fini(&f);
}

TEST(a_snapshot_lives_until_its_last_reference)
{
    struct files f;
    files_init(&f);
    files_load(&f, NULL);
    struct config *held = config_ref(f.config);
    config_unref(f.config);
    f.config = NULL;
    CHECK_STR(held->providers[0].name, "sim");
    config_unref(held);
    config_unref(NULL);
    files_fini(&f);
}

TEST(the_router_key_may_be_a_reference)
{
    struct files f;
    files_init(&f);
    f.env[0] = "K=0123456789abcdef";
    files_load(&f, files_add(&f, "huntaze.yaml", "auth: { router_key: \"env:K\" }\n"));
    CHECK_STR(f.config->auth.router_key, "0123456789abcdef");
    CHECK_EQ(f.config->warnings_len, 0);
    files_load(&f, files_add(&f, "b.yaml", "auth: { router_key: \"0123456789abcdef\" }\n"));
    CHECK(files_warn(&f, "auth.router_key stands in"));
    files_fini(&f);
}

TEST(own_prices_replace_the_list)
{
    struct files f;
    struct buf text = { 0 };
    files_init(&f);
    const char *csv =
        files_add(&f, "p.csv",
                  "provider,model,input_usd_per_mtok,output_usd_per_mtok,cached_input_usd_per_mtok,"
                  "context_tokens,max_output_tokens,source\nown,m,1,2,0.5\n");
    buf_addf(
        &text,
        "prices: { file: \"%s\" }\n%smodels:\n  - { name: m, deployments: [{ provider: own }] }\n",
        csv, providers);
    buf_add_char(&text, '\0');
    files_load(&f, files_add(&f, "huntaze.yaml", text.at));
    CHECK_STR(buf_str(&f.errors), "");
    CHECK_EQ(f.config->deployments[0].price.cached_nusd_per_mtok, 500000000);
    files_add(&f, "p.csv", "nonsense\n");
    f.len--;
    files_load(&f, f.paths[1]);
    CHECK(!f.config && files_has_error(&f, "p.csv:1: the first line must be the header"));
    buf_fini(&text);
    files_fini(&f);
}

RUN_TESTS(T(without_a_file_the_simulator_serves_the_product_s_models),
          T(the_sample_of_the_design_loads), T(everything_wrong_is_told_at_once),
          T(a_missing_or_broken_file_is_an_error), T(the_overlay_of_the_environment_merges),
          T(values_are_checked_against_each_other),
          T(what_is_printed_loads_again_and_prints_the_same), T(secrets_are_not_printed),
          T(a_snapshot_lives_until_its_last_reference), T(the_router_key_may_be_a_reference),
          T(own_prices_replace_the_list))
