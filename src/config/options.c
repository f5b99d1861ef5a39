#include "config/options.h"

#include "config/config.h"

#define AT(member) .offset = offsetof(struct config, member)
#define MORE(member) .more = offsetof(struct config, member)
#define RANGE(low, high) .min = (low), .max = (high)

/* Sections stand together: the printer and the reference page open each one once. */
/* clang-format off */
static const struct field options[] = {
    { "server.listen", FIELD_ADDRESS, AT(server.listen_host), MORE(server.listen_port),
      .preset = "127.0.0.1:8080",
      .help = "Address and port on which clients are served; port 0 takes any free one." },
    { "server.loops", FIELD_INT, AT(server.loops), RANGE(0, 64), .preset = "0",
      .alias = "ROUTER_WORKERS", .help = "Event loop threads; 0 means one a processor core." },
    { "server.region", FIELD_TEXT, AT(server.region), .preset = "local", .alias = "AWS_REGION",
      .marks = FIELD_RELOADABLE,
      .help = "Where this process runs: stands in /health, in answers and in the ledger." },
    { "server.max_body_bytes", FIELD_INT, AT(server.max_body_bytes), RANGE(1024, 1LL << 30),
      .unit = "bytes", .preset = "8388608", .marks = FIELD_RELOADABLE,
      .help = "Largest request body; beyond it the answer is 413." },
    { "server.max_bodies_bytes", FIELD_INT, AT(server.max_bodies_bytes), RANGE(1 << 20, 1LL << 40),
      .unit = "bytes", .preset = "1073741824", .marks = FIELD_RELOADABLE,
      .help = "Memory for the bodies of all requests at once, an equal share for each loop; what finds "
              "none is answered 503. One body of the largest size always fits." },
    { "server.max_answer_bytes", FIELD_INT, AT(server.max_answer_bytes), RANGE(1024, 1LL << 30),
      .unit = "bytes", .preset = "33554432", .marks = FIELD_RELOADABLE,
      .help = "Largest answer of a provider that does not stream; beyond it the attempt has failed." },
    { "server.keep_alive_ms", FIELD_INT, AT(server.keep_alive_ms), RANGE(0, 3600000), .unit = "ms",
      .preset = "75000", .marks = FIELD_RELOADABLE,
      .help = "How long an idle connection of a client stays open; 0 closes after each answer." },
    { "server.head_timeout_ms", FIELD_INT, AT(server.head_timeout_ms), RANGE(100, 600000),
      .unit = "ms", .preset = "10000", .marks = FIELD_RELOADABLE,
      .help = "A request's headers must have arrived within this time." },
    { "server.body_timeout_ms", FIELD_INT, AT(server.body_timeout_ms), RANGE(100, 3600000),
      .unit = "ms", .preset = "30000", .marks = FIELD_RELOADABLE,
      .help = "A request's body must have arrived within this time." },
    { "server.write_timeout_ms", FIELD_INT, AT(server.write_timeout_ms), RANGE(100, 3600000),
      .unit = "ms", .preset = "30000", .marks = FIELD_RELOADABLE,
      .help = "A client that has not taken an answer, or the next part of a stream, within this time counts as gone." },
    { "server.max_connections", FIELD_INT, AT(server.max_connections), RANGE(1, 1000000),
      .preset = "20000", .marks = FIELD_RELOADABLE,
      .help = "Client connections open at once; further ones are answered 503 and closed." },
    { "server.max_connections_per_address", FIELD_INT, AT(server.max_connections_per_address),
      RANGE(0, 1000000), .preset = "0", .marks = FIELD_RELOADABLE,
      .help = "The same for one address (IPv6: one /64); 0 means no limit, as behind a load balancer." },
    { "server.shed_delay_ms", FIELD_INT, AT(server.shed_delay_ms), RANGE(0, 60000), .unit = "ms",
      .preset = "25", .marks = FIELD_RELOADABLE,
      .help = "While what is ready waits longer than this for our own processor or ledger, a share of "
              "the requests is answered 503; 0 never does that." },
    { "server.shutdown_ms", FIELD_INT, AT(server.shutdown_ms), RANGE(0, 3600000), .unit = "ms",
      .preset = "25000", .marks = FIELD_RELOADABLE,
      .help = "How long requests in flight may go on after a stop was asked." },
    { "server.restart_ms", FIELD_INT, AT(server.restart_ms), RANGE(100, 3600000), .unit = "ms",
      .preset = "120000", .marks = FIELD_RELOADABLE,
      .help = "A new process (SIGUSR2) that does not serve within this time is killed, and the old one goes on." },
    { "server.tls_certificate", FIELD_TEXT, AT(server.tls_certificate),
      .marks = FIELD_RELOADABLE,
      .help = "PEM file with the certificate chain; with server.tls_key it turns TLS on." },
    { "server.tls_key", FIELD_TEXT, AT(server.tls_key), .marks = FIELD_RELOADABLE,
      .help = "PEM file with the private key of server.tls_certificate." },
    { "server.tls_client_ca", FIELD_TEXT, AT(server.tls_client_ca), .marks = FIELD_RELOADABLE,
      .help = "PEM file with an authority's certificates: clients must show a certificate of it." },
    { "server.tls_client_ids", FIELD_NAMES, AT(server.tls_client_ids), MORE(server.tls_client_ids_len),
      .marks = FIELD_RELOADABLE,
      .help = "SPIFFE ids (spiffe://trust-domain/path) of which the certificate must carry one; none "
              "means that any certificate of server.tls_client_ca will do." },

    { "store.url", FIELD_TEXT, AT(store.url), .preset = "sqlite:./data/huntaze.db",
      .alias = "DATABASE_URL", .marks = FIELD_URL_PASSWORD,
      .help = "Database: sqlite:PATH, or postgresql://user:password@host/database." },
    { "store.node", FIELD_INT, AT(store.node), RANGE(0, 255), .preset = "0",
      .help = "Number of this process among those that share the database; each needs its own." },

    { "ledger.wait", FIELD_BOOL, AT(ledger.wait), .preset = "true", .marks = FIELD_RELOADABLE,
      .help = "The last byte of an answer goes out only after its ledger row is durable." },
    { "ledger.spool", FIELD_TEXT, AT(ledger.spool), .preset = "./data/spool.db",
      .help = "SQLite file that takes ledger rows while the database is away." },
    { "ledger.slots", FIELD_TEXT, AT(ledger.slots), .preset = "./data/slots",
      .help = "File of the calls in flight, so that a killed process leaves a trace of each." },
    { "ledger.slots_count", FIELD_INT, AT(ledger.slots_count), RANGE(64, 1000000), .preset = "16384",
      .help = "Attempts at providers in flight at once; beyond it calls are refused with 503." },
    { "ledger.on_store_down", FIELD_SWITCH, AT(ledger.spools_when_down), .choices = "refuse, spool",
      .preset = "spool", .help = "While the database is away: spool rows and go on, or refuse calls." },

    { "net.dns_servers", FIELD_TEXT, AT(net.dns_servers),
      .help = "Name servers to ask for providers' addresses, as address:port, parted by commas; "
              "empty: those of /etc/resolv.conf." },

    { "redis.url", FIELD_TEXT, AT(redis.url), .alias = "REDIS_URL", .marks = FIELD_URL_PASSWORD,
      .help = "redis:// or rediss:// address. Checked, but nothing uses Redis in this release." },

    { "auth.required", FIELD_BOOL, AT(auth.required), .preset = "true",
      .marks = FIELD_RELOADABLE,
      .help = "Every call needs a key. false lets everybody in, and each start says so in the log." },
    { "auth.router_key", FIELD_TEXT, AT(auth.router_key), .alias = "AI_ROUTER_API_KEY",
      .marks = FIELD_SECRET | FIELD_RELOADABLE,
      .help = "One key that is accepted beside those of the database, with scopes chat and features." },

    { "breaker.failures_in_row", FIELD_INT, AT(breaker.failures_in_row), RANGE(1, 1000),
      .preset = "5", .marks = FIELD_RELOADABLE,
      .help = "A deployment's circuit breaker opens after this many failures in a row." },
    { "breaker.window", FIELD_INT, AT(breaker.window), RANGE(10, 64), .preset = "50",
      .marks = FIELD_RELOADABLE,
      .help = "It also opens when more than half of this many last results surely fail (95 %)." },
    { "breaker.min_samples", FIELD_INT, AT(breaker.min_samples), RANGE(1, 64), .preset = "10",
      .marks = FIELD_RELOADABLE, .help = "Results that such a verdict needs at least." },
    { "breaker.open_ms", FIELD_INT, AT(breaker.open_ms), RANGE(100, 600000), .unit = "ms",
      .preset = "30000", .marks = FIELD_RELOADABLE,
      .help = "An open breaker lets one probe through after this time; up to half of it may be the time "
              "that a silent provider was waited for." },
    { "retry.budget", FIELD_INT, AT(retry.budget), RANGE(0, 1000), .preset = "10",
      .marks = FIELD_RELOADABLE,
      .help = "Repeats to one provider that may be saved up; each success earns a tenth of one." },

    { "fallback.enabled", FIELD_BOOL, AT(fallback.enabled), .preset = "true",
      .marks = FIELD_RELOADABLE, .alias = "AI_FALLBACK_ENABLED",
      .help = "When a deployment fails, the next one of the plan is tried." },
    { "fallback.max_deployments", FIELD_INT, AT(fallback.max_deployments), RANGE(1, 16),
      .preset = "3", .marks = FIELD_RELOADABLE,
      .help = "Deployments that one request tries at most." },
    { "fallback.lead", FIELD_CHOICE, AT(fallback.lead), .choices = "foundry, legacy, canary",
      .preset = "foundry", .marks = FIELD_RELOADABLE, .alias = "AI_PROVIDER",
      .help = "Which group leads: foundry (Azure first), legacy (OpenAI first), canary (a share each)." },
    { "fallback.canary_percent", FIELD_INT, AT(fallback.canary_percent), RANGE(0, 100),
      .unit = "percent", .preset = "0", .marks = FIELD_RELOADABLE, .alias = "AI_CANARY_PERCENTAGE",
      .help = "Share of the calls that Azure leads while fallback.lead is canary." },

    { "log.level", FIELD_TEXT, AT(log.level), .choices = "debug, info, warn, error",
      .preset = "info", .marks = FIELD_RELOADABLE,
      .help = "Lines below this level are not written." },
    { "log.access", FIELD_BOOL, AT(log.access), .preset = "true", .marks = FIELD_RELOADABLE,
      .help = "One log line a request." },

    { "prices.file", FIELD_TEXT, AT(prices.file), .marks = FIELD_RELOADABLE,
      .help = "Price list in the form of config/prices.csv, in place of the built-in one." },
};
/* clang-format on */

const struct field_table option_table = FIELD_TABLE(options);

const struct str list_names[LIST_NAMES] = {
    { "providers", 9 },
    { "models", 6 },
    { "routes", 6 },
    { "fallbacks", 9 },
    { "failures", 8 },
};
