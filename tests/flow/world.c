#include "world.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/api.h"
#include "base/clock.h"
#include "books.h"
#include "http/acceptor.h"
#include "http/client.h"
#include "ledger/keys.h"
#include "net/dns.h"
#include "net/tls.h"
#include "sim/state.h"
#include "sim/sim.h"
#include "support.h"

enum { MEMORY_AMPLE = 1 << 20, MEMORY_STEP = 16 };
enum { PAST_EVERY_DEADLINE_MS = 600000, SETTLES_WITHIN_MS = 1000000, DOWN_WAIT_MS = 50 };

/* What outlives a run: the directory with its database, and one key. */
static char directory[64];
static char key_text[KEY_TEXT_LEN + 1];
static unsigned runs;

struct world {
    struct loop *loop;
    struct workers *workers;
    struct config *config;
    struct ledger *ledger;
    struct gateway *gateway;
    struct api api;
    SSL_CTX *tls;
    struct sim *sim;
    struct http_server *provider;
    struct acceptor *provider_acceptor;
    struct books books;
    struct http_server *server;
    struct acceptor *acceptor;
    struct resolver *resolver;
    struct http_client *client;

    const struct scenario *scenario;
    enum disturbance disturbance;
    size_t nth, waits;
    bool was_disturbed, was_sent;
    char correlation[32];
    struct task *client_task;
    const struct task *router_task; /* NULL: not seen yet */
    sqlite3 *hanging;               /* holds a lock that commits wait for; NULL: nobody does */
    bool is_client_done;
    int status; /* 0: no answer came */
    struct buf answer;
};

/* ---- the database, seen from outside ---- */

static void path_of(char out[128], const char *name)
{
    snprintf(out, 128, "%s/%s", directory, name);
}

static sqlite3 *open_database(void)
{
    char path[128];
    path_of(path, "flow.db");
    return books_open(path);
}

/* ---- disturbing ---- */

/* Router and provider are served by the same code, in tasks of the same name. The client connects first,
 * and once: the first such task is the router's. */
static bool is_router_request(struct world *w, const struct task *t)
{
    if (strcmp(task_name(t), "http request") != 0)
        return false;
    if (!w->router_task)
        w->router_task = t;
    return t == w->router_task;
}

static void stop_if_provider(void *arg, struct task *t)
{
    if (strcmp(task_name(t), "http request") == 0 && !is_router_request(arg, t))
        task_stop(t, ERR_STOPPED);
}

/* From here on the database refuses every row; a mere lock would only be waited for. */
static void refuse_rows(bool is_refusing)
{
    sqlite3 *db = open_database();
    const char *sql = is_refusing ? "CREATE TRIGGER refuse BEFORE INSERT ON transfer BEGIN "
                                    "SELECT RAISE(ABORT, 'disturbed'); END"
                                  : "DROP TRIGGER IF EXISTS refuse";
    CHECK_EQ(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* Whoever commits waits for this lock. The clock stands still as long as the loop waits for a commit. */
static void hang_store(struct world *w)
{
    w->hanging = open_database();
    CHECK_EQ(sqlite3_exec(w->hanging, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
}

static void release_store(struct world *w)
{
    if (w->hanging)
        CHECK_EQ(sqlite3_exec(w->hanging, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(w->hanging);
    w->hanging = NULL;
}

static void disturb(struct world *w, struct task *request)
{
    w->was_disturbed = true;
    switch (w->disturbance) {
    case DISTURB_CLIENT: task_stop(w->client_task, ERR_STOPPED); break;
    case DISTURB_REQUEST: task_stop(request, ERR_CLIENT_GONE); break;
    case DISTURB_PROVIDER: task_each(w->loop, stop_if_provider, w); break;
    case DISTURB_STORE: refuse_rows(true); break;
    case DISTURB_COMMIT: hang_store(w); break;
    case DISTURB_CLOCK: loop_skip(w->loop, PAST_EVERY_DEADLINE_MS * NS_PER_MS); break;
    case DISTURB_SHUTDOWN: loop_stop(w->loop); break;
    default: break;
    }
}

static void on_wait(void *arg, struct task *t, size_t nth)
{
    (void)nth;
    struct world *w = arg;
    if (!is_router_request(w, t))
        return;
    w->was_sent |= strcmp(task_stage(t), "send to provider") == 0 ||
                   strcmp(task_stage(t), "wait for provider") == 0;
    bool is_at_a_wait = w->disturbance != DISTURB_NOTHING && w->disturbance != DISTURB_MEMORY;
    if (is_at_a_wait && w->waits == w->nth)
        disturb(w, t);
    if (w->hanging && strcmp(task_stage(t), "settle") == 0)
        loop_skip(w->loop, PAST_EVERY_DEADLINE_MS * NS_PER_MS);
    w->waits++;
}

/* ---- the client ---- */

static void run_client(struct task *t, void *arg)
{
    struct world *w = arg;
    struct http_exchange x = { 0 };
    struct buf headers = { 0 };
    buf_addf(&headers, "Authorization: Bearer %s\r\nX-Correlation-ID: %s\r\n", key_text, w->correlation);
    int64_t deadline_ns = loop_now_ns(w->loop) + SETTLES_WITHIN_MS * NS_PER_MS;
    struct http_send send = {
        .origin = { true, STR("127.0.0.1"), acceptor_port(w->acceptor),
                    str_of(test_certificates()->ca) },
        .method = STR("POST"),
        .target = str_of(w->scenario->path ? w->scenario->path : "/v1/chat/completions"),
        .headers = buf_str(&headers),
        .body = str_of(w->scenario->body),
        .connect_deadline_ns = deadline_ns,
        .send_deadline_ns = deadline_ns,
    };
    enum err err = http_exchange_start(t, w->client, &x, &send);
    if (!err)
        err = http_exchange_head(t, &x, deadline_ns);
    if (!err) {
        w->status = x.head.status;
        err = http_exchange_read_all(t, &x, &w->answer, deadline_ns);
    }
    if (err && w->disturbance == DISTURB_NOTHING)
        check_failed(w->scenario->name, x.detail, "an answer", __FILE__, __LINE__);
    http_exchange_end(&x);
    buf_fini(&headers);
    release_store(w);
    w->is_client_done = true;
}

/* Ends the run when nobody but the watcher of keys and this task is left. */
static void run_closer(struct task *t, void *arg)
{
    struct world *w = arg;
    int64_t began_ns = loop_now_ns(w->loop);
    while (!w->is_client_done || task_count(w->loop) > 2) {
        if (task_sleep(t, 20) != OK)
            break;
        CHECK(loop_now_ns(w->loop) - began_ns <
              (SETTLES_WITHIN_MS + PAST_EVERY_DEADLINE_MS) * NS_PER_MS);
    }
    http_client_drop_idle(w->client);
    loop_stop(w->loop);
}

/* ---- building and taking down ---- */

static void write_config(struct world *w, const char *path)
{
    FILE *file = fopen(path, "w");
    CHECK(file);
    fprintf(file,
            "server: { region: test }\n"
            "store: { url: \"sqlite:%s/flow.db\" }\n"
            "ledger: { wait: %s }\n"
            "log: { access: false, level: error }\n"
            "providers:\n"
            "  - { name: sim, kind: openai-compatible, base_url: \"https://127.0.0.1:%d/v1\", ca_file: \"%s\" }\n"
            "models:\n"
            "  - { name: good, price_usd_per_mtok: { input: 1, output: 2 },\n"
            "      deployments: [ { provider: sim, deployment: gpt-4o } ] }\n"
            "  - { name: slow, price_usd_per_mtok: { input: 1, output: 2 },\n"
            "      deployments: [ { provider: sim, deployment: \"gpt-4o+tps=20+tokens=6\" } ] }\n"
            "  - { name: bad, price_usd_per_mtok: { input: 1, output: 2 },\n"
            "      deployments: [ { provider: sim, deployment: \"gpt-4o+status=503\" } ] }\n"
            "  - { name: alone, price_usd_per_mtok: { input: 1, output: 2 },\n"
            "      deployments: [ { provider: sim, deployment: \"gpt-4o-mini+status=500\" } ] }\n"
            "  - { name: breaks, price_usd_per_mtok: { input: 1, output: 2 },\n"
            "      deployments: [ { provider: sim, deployment: \"gpt-4o+cut=3+tokens=6\" } ] }\n"
            "  - { name: continues, price_usd_per_mtok: { input: 1, output: 2 },\n"
            "      deployments: [ { provider: sim, deployment: \"gpt-4o+prefill=continue+tokens=6\", prefill: true } ] }\n"
            "  - { name: embeds, price_usd_per_mtok: { input: 1, output: 2 },\n"
            "      deployments: [ { provider: sim, deployment: text-embedding-3-small } ] }\n"
            "routes:\n  - { models: [good] }\n"
            "fallbacks:\n  - { from: bad, to: [good] }\n  - { from: breaks, to: [continues] }\n",
            directory, w->scenario->is_not_awaited ? "false" : "true", acceptor_port(w->provider_acceptor),
            test_certificates()->ca);
    fclose(file);
}

static void load_config(struct world *w)
{
    static const char *const no_env[] = { NULL };
    char path[128];
    path_of(path, "flow.yaml");
    write_config(w, path);
    struct config_sources sources = { .file = path, .directory = directory, .env = no_env };
    struct buf errors = { 0 };
    w->config = config_load(&sources, &errors);
    if (!w->config)
        check_failed("configuration", buf_take(&errors), "", __FILE__, __LINE__);
    buf_fini(&errors);
}

static void open_ledger(struct world *w)
{
    char slots[128], spool[128], url[160];
    path_of(slots, "slots");
    path_of(spool, "spool.db");
    snprintf(url, sizeof(url), "sqlite:%s/flow.db", directory);
    struct ledger_options options = {
        .store_url = str_of(url),
        .slots_path = str_of(slots),
        .spool_path = str_of(spool),
        .slots_count = 64,
        .spools_when_down = true,
        .down_wait_ms = DOWN_WAIT_MS,
    };
    struct fail fail = { 0 };
    if (ledger_open(&options, &w->ledger, &fail) != OK)
        check_failed("ledger_open", fail.text, "OK", __FILE__, __LINE__);
}

static void make_key(const struct world *w)
{
    struct store_options options = { .url = w->config->store.url };
    struct store *store;
    struct fail fail = { 0 };
    CHECK_OK(store_open(&options, &store, &fail));
    struct key_request request = { .account = STR("flow"), .scopes = SCOPE_CHAT };
    CHECK_OK(key_create(store, &request, key_text));
    store_close(store);
}

static void open_gateway(struct world *w)
{
    struct fail fail = { 0 };
    struct gateway_options options = {
        .config = w->config, .ledger = w->ledger, .workers = w->workers, .loops = &w->loop, .loops_len = 1,
    };
    CHECK_OK(gateway_create(&options, &w->gateway, &fail));
    w->api = (struct api) { .gateway = w->gateway,
                            .gateway_loop = gateway_on_loop(w->gateway, 0),
                            .started_ms = clock_wall_ms(),
                            .started_ns = clock_mono_ns() };
    struct http_server_options server = {
        .admit = api_admit,
        .handler = api_handle,
        .refuse = api_refuse,
        .arg = &w->api,
        .tls = w->tls,
        .keep_alive_ms = 75000,
        .head_timeout_ms = 10000,
        .body_timeout_ms = 30000,
        .write_timeout_ms = 30000,
        .max_body_bytes = 1 << 20,
        .request_arena_bytes = w->disturbance == DISTURB_MEMORY ? (w->nth + 1) * MEMORY_STEP : MEMORY_AMPLE,
    };
    w->server = http_server_create(w->loop, &server);
    struct acceptor_target target = { w->loop, w->server };
    CHECK_OK(acceptor_open("127.0.0.1", 0, &target, 1, &w->acceptor, &fail));
}

static void provide(struct task *t, struct http_request *r, void *arg)
{
    struct world *w = arg;
    books_note(&w->books, http_head_get(&r->head, "x-client-request-id"));
    sim_handle(t, r, w->sim);
}

static void open_provider(struct world *w)
{
    struct fail fail = { 0 };
    struct sim_options options = { 0 };
    CHECK_OK(sim_create(&options, &w->sim, &fail));
    struct http_server_options server = {
        .handler = provide,
        .arg = w,
        .tls = w->tls,
        .keep_alive_ms = 120000,
        .head_timeout_ms = 120000,
        .body_timeout_ms = 120000,
        .write_timeout_ms = 120000,
        .max_body_bytes = 1 << 20,
        .request_arena_bytes = 1 << 20,
    };
    w->provider = http_server_create(w->loop, &server);
    struct acceptor_target target = { w->loop, w->provider };
    CHECK_OK(acceptor_open("127.0.0.1", 0, &target, 1, &w->provider_acceptor, &fail));
    acceptor_start(w->provider_acceptor);
}

static void world_open(struct world *w)
{
    struct fail fail = { 0 };
    const struct test_files *files = test_certificates();
    struct loop_options options = { .is_clock_virtual = true };
    CHECK_OK(loop_create(&options, &w->loop));
    task_set_stack_painting(w->loop, true);
    CHECK_OK(tls_server_context(files->certificate[CERT_GOOD], files->key, &w->tls, &fail));
    open_provider(w);
    load_config(w);
    w->workers = workers_create(1);
    open_ledger(w);
    if (!key_text[0])
        make_key(w);
    open_gateway(w);
    CHECK_OK(resolver_create(w->loop, &w->resolver));
    struct http_client_options client = { .resolver = w->resolver };
    w->client = http_client_create(w->loop, &client);
    snprintf(w->correlation, sizeof(w->correlation), "run-%u", runs++);
}

static void world_close(struct world *w)
{
    http_client_destroy(w->client);
    resolver_destroy(w->resolver);
    acceptor_destroy(w->acceptor);
    http_server_destroy(w->server);
    books_take_invoice(&w->books, &w->sim->invoice);
    acceptor_destroy(w->provider_acceptor);
    http_server_destroy(w->provider);
    sim_destroy(w->sim);
    workers_destroy(w->workers);
    if (w->disturbance == DISTURB_STORE)
        refuse_rows(false);
    ledger_close(w->ledger);
    books_check_once(&w->books);
    gateway_destroy(w->gateway);
    config_unref(w->config);
#ifndef HZ_ASAN
    CHECK(task_stack_peak(w->loop) < TASK_STACK_BYTES / 2);
#endif
    loop_destroy(w->loop); /* asserts that no task is live */
    SSL_CTX_free(w->tls);
    buf_fini(&w->answer);
}

/* ---- what must hold ---- */

/* Opening the ledger once more drains the spool and turns forgotten slots into unknown rows. */
static void check_ledger(struct world *w)
{
    open_ledger(w);
    ledger_close(w->ledger);
    sqlite3 *db = open_database();
    int64_t rows = books_number(db, "SELECT count(*) FROM transfer WHERE correlation_id = ?", w->correlation);
    books_check(&w->books, db, w->correlation, w->disturbance == DISTURB_PROVIDER);
    CHECK_EQ(books_number(db, "SELECT count(DISTINCT operation_id) FROM transfer WHERE correlation_id = ?",
                          w->correlation), rows > 0);
    CHECK_EQ(rows > 0, w->was_sent);
    CHECK_EQ(books_number(db, "SELECT count(*) FROM transfer WHERE status = 6", NULL), 0);
    if (w->disturbance == DISTURB_NOTHING)
        CHECK_EQ(rows, w->scenario->rows);
    sqlite3_close(db);
}

/* A 200 that looks whole is whole; anything else says that it failed. */
static void check_answer(const struct world *w)
{
    struct str answer = buf_str(&w->answer);
    if (w->disturbance == DISTURB_NOTHING) {
        CHECK_EQ(w->status, w->scenario->status);
        if (str_find(answer, str_of(w->scenario->text)) == SIZE_MAX)
            check_failed(w->scenario->name, buf_take((struct buf *)&w->answer), w->scenario->text,
                         __FILE__, __LINE__);
    }
    bool is_error = str_find(answer, STR("\"error\"")) != SIZE_MAX;
    if (w->disturbance == DISTURB_MEMORY)
        CHECK_EQ(w->status, w->was_disturbed ? 413 : w->scenario->status);
    if (str_find(answer, STR("data: [DONE]")) != SIZE_MAX)
        CHECK(!is_error && w->status == 200);
    if (w->status >= 400)
        CHECK(is_error);
}

static void remove_directory(void)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", directory);
    if (system(command) != 0)
        fprintf(stderr, "%s stays\n", directory);
}

/* In memory where there is such a place: no flow looks at what a power cut leaves. */
static void make_directory(void)
{
    if (directory[0])
        return;
    snprintf(directory, sizeof(directory), "/dev/shm/huntaze-flow-XXXXXX");
    if (!mkdtemp(directory)) {
        snprintf(directory, sizeof(directory), "/tmp/huntaze-flow-XXXXXX");
        CHECK(mkdtemp(directory));
    }
    CHECK_EQ(atexit(remove_directory), 0);
}

bool world_run(const struct scenario *scenario, enum disturbance disturbance, size_t nth)
{
    make_directory();
    (void)test_certificates();
    size_t descriptors = open_descriptors();
    struct world *w = MEM_NEW(struct world);
    w->scenario = scenario;
    w->disturbance = disturbance;
    w->nth = nth;
    world_open(w);
    books_begin(&w->books);
    task_set_wait_hook(w->loop, on_wait, w);
    gateway_start(w->gateway);
    acceptor_start(w->acceptor);
    w->client_task = task_spawn(w->loop, "client", run_client, w);
    task_spawn(w->loop, "closer", run_closer, w);
    loop_run(w->loop);
    release_store(w);
    w->was_disturbed |= str_find(buf_str(&w->answer), STR("\"request_too_large\"")) != SIZE_MAX;
    check_answer(w);
    world_close(w);
    check_ledger(w);
    CHECK_EQ(open_descriptors(), descriptors);
    bool was_disturbed = w->was_disturbed;
    mem_free(w);
    return was_disturbed;
}
