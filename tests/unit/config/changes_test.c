#include "config/files.h"
#include "config/options.h"

static const char providers[] =
    "providers:\n"
    "  - { name: own, kind: openai-compatible, base_url: \"http://127.0.0.1:9/v1\", region: here, key: \"env:K\" }\n"
    "models:\n"
    "  - { name: m, unpriced: allow, deployments: [{ provider: own }] }\n";

/* The configuration of text and variables that a reload would find, compared with the first. */
struct comparison {
    struct files files;
    struct config *running;
    struct buf changed, kept;
};

static void comparison_init(struct comparison *c)
{
    *c = (struct comparison) { 0 };
    files_init(&c->files);
    c->files.env[0] = "K=one";
    files_load(&c->files, files_add(&c->files, "huntaze.yaml", providers));
    c->running = config_ref(c->files.config);
}

static void compare(struct comparison *c, const char *options, const char *lists)
{
    buf_clear(&c->changed);
    buf_clear(&c->kept);
    FILE *file = fopen(c->files.paths[0], "w");
    CHECK(file);
    fprintf(file, "%s%s", options, lists);
    fclose(file);
    files_load(&c->files, c->files.paths[0]);
    CHECK_STR(buf_str(&c->files.errors), "");
    config_compare(c->files.config, c->running, &c->changed, &c->kept);
}

static void comparison_fini(struct comparison *c)
{
    config_unref(c->running);
    files_fini(&c->files);
    buf_fini(&c->changed);
    buf_fini(&c->kept);
}

TEST(the_same_configuration_changes_nothing)
{
    struct comparison c;
    comparison_init(&c);
    compare(&c, "server: { listen: \"127.0.0.1:8080\" }\n", providers);
    CHECK_STR(buf_str(&c.changed), "");
    CHECK_STR(buf_str(&c.kept), "");
    comparison_fini(&c);
}

TEST(options_of_each_type_and_lists_are_noticed)
{
    struct comparison c;
    comparison_init(&c);
    compare(&c,
            "auth: { required: false, router_key: \"0123456789abcdef\" }\n"
            "server: { region: elsewhere, keep_alive_ms: 1 }\n"
            "fallback: { lead: legacy }\n"
            "routes: [{ language: fr, models: [m] }]\n",
            providers);
    CHECK_STR(buf_str(&c.changed), "server.region, server.keep_alive_ms, auth.required, auth.router_key, "
                                   "fallback.lead, routes");
    CHECK_STR(buf_str(&c.kept), "");
    CHECK_EQ(c.files.config->server.keep_alive_ms, 1);
    comparison_fini(&c);
}

TEST(a_list_of_names_is_compared_by_its_names)
{
    static const struct {
        const char *ids, *changed;
    } cases[] = {
        { "spiffe://a/b,spiffe://a/c", "" },
        { "spiffe://a/b, spiffe://a/d", "server.tls_client_ids" },
        { "spiffe://a/b", "server.tls_client_ids" },
        { "", "server.tls_client_ids" },
    };
    static const struct str running[] = { { "spiffe://a/b", 12 }, { "spiffe://a/c", 12 } };
    for (size_t i = 0; i < HZ_LEN(cases); i++) {
        struct comparison c;
        comparison_init(&c);
        c.running->server.tls_client_ca = STR("/dev/null");
        c.running->server.tls_client_ids = running;
        c.running->server.tls_client_ids_len = HZ_LEN(running);
        c.files.env[1] = arena_printf(&c.files.arena, "HUNTAZE_SERVER_TLS_CLIENT_IDS=%s", cases[i].ids).at;
        compare(&c,
                "server: { tls_certificate: /dev/null, tls_key: /dev/null, tls_client_ca: /dev/null }\n",
                providers);
        struct str rest = buf_str(&c.changed);
        CHECK(str_starts(rest, STR("server.tls_certificate, server.tls_key")));
        CHECK_STR(str_skip(rest, rest.len == 38 ? 38 : 40), cases[i].changed);
        comparison_fini(&c);
    }
}

TEST(what_needs_a_restart_stays_as_it_is)
{
    struct comparison c;
    comparison_init(&c);
    compare(&c,
            "server: { listen: \"[::1]:81\", loops: 3 }\n"
            "store: { url: \"postgresql://u@h/d\" }\n"
            "ledger: { on_store_down: refuse, wait: false }\n",
            providers);
    const struct config *fresh = c.files.config;
    CHECK_STR(buf_str(&c.kept), "server.listen, server.loops, store.url, ledger.on_store_down");
    CHECK_STR(buf_str(&c.changed), "ledger.wait");
    CHECK_STR(fresh->server.listen_host, "127.0.0.1");
    CHECK_EQ(fresh->server.listen_port, 8080);
    CHECK_EQ(fresh->server.loops, 0);
    CHECK(fresh->ledger.spools_when_down && !fresh->ledger.wait);
    CHECK(!fresh->store.is_postgres);
    CHECK_STR(fresh->store.sqlite_path, "./data/huntaze.db");
    /* Its text is its own. */
    config_unref(c.running);
    c.running = config_ref(c.files.config);
    CHECK_STR(fresh->store.url, "sqlite:./data/huntaze.db");
    comparison_fini(&c);
}

TEST(no_option_needs_a_restart_that_could_not_be_kept)
{
    for (size_t i = 0; i < option_table.len; i++) {
        const struct field *f = &option_table.fields[i];
        if (!(f->marks & FIELD_RELOADABLE))
            CHECK(f->type != FIELD_NAMES && f->type != FIELD_NODE);
    }
}

TEST(a_key_that_changes_where_it_lies_is_a_change)
{
    struct comparison c;
    comparison_init(&c);
    c.files.env[0] = "K=two";
    compare(&c, "", providers);
    CHECK_STR(buf_str(&c.changed), "providers");
    comparison_fini(&c);
}

RUN_TESTS(T(the_same_configuration_changes_nothing), T(options_of_each_type_and_lists_are_noticed),
          T(a_list_of_names_is_compared_by_its_names), T(what_needs_a_restart_stays_as_it_is),
          T(no_option_needs_a_restart_that_could_not_be_kept),
          T(a_key_that_changes_where_it_lies_is_a_change))
