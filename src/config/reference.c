#include "config/lists.h"
#include "config/options.h"

#include <ctype.h>

static const char head[] =
    "# Configuration\n\n"
    "This page is generated from the tables that the program reads (`src/config/options.c`,\n"
    "`src/config/lists.c`); do not edit it. `huntaze config check` reads a configuration, prints\n"
    "everything that is wrong with it at once, with file, line and what is allowed, and ends with "
    "1\n"
    "if anything is. `huntaze config check --print` shows all values after all sources.\n\n"
    "## Sources\n\n"
    "The later one wins: built-in defaults; the file given with `--config`; its overlay for\n"
    "`HUNTAZE_ENV` (`development`, the default, `staging` or `production`), which stands beside "
    "it:\n"
    "`huntaze.yaml` and `huntaze.production.yaml` (maps merge, lists replace); the environment;\n"
    "`--set section.option=value` on the command line. In development `.env.local` and then `.env` "
    "of\n"
    "the working directory are read too; variables of the process win over both. An empty "
    "variable\n"
    "counts as not set.\n\n"
    "YAML is plain: no anchors, aliases, tags or second documents, no duplicate keys; at most 1 "
    "MiB,\n"
    "16 levels, 2,000 entries in a map or list.\n\n"
    "Without `providers` the simulator inside the process serves the product's model names, and "
    "each\n"
    "answer says that it is simulated. Without `routes` and `fallbacks` the built-in tables\n"
    "(`config/default.yaml`) apply to the models that are declared.\n\n"
    "## Options\n\n"
    "Reload: whether a running process takes a new value on `SIGHUP` (`docs/operations.md`); the others\n"
    "need a restart. The lists below and what their files hold (keys, prices, certificates) are taken\n"
    "anew by each reload.\n";

static const char keys[] =
    "\n## References to keys\n\n"
    "A provider's `key` says where the key is and is read at start; the key itself never stands in "
    "the\n"
    "file, in a message or in `--print`.\n\n"
    "| form | where |\n|---|---|\n"
    "| `env:NAME` | an environment variable (in development also from `.env.local`, `.env`) |\n"
    "| `file:PATH` | a file; space around the key is removed |\n"
    "| `aws-secret:ID#FIELD`, `identity` | come with cloud secrets in a later release; refused "
    "until then |\n";

static const char prices[] =
    "\n## Prices\n\n"
    "The nearest statement wins: `price_usd_per_mtok` of the deployment, then of the model, then "
    "the row\n"
    "of the price list (`config/prices.csv`, or the file of `prices.file`) that `price_as` names, "
    "or that\n"
    "has the deployment's or the model's name. The list's provider column is `azure_ai` (then\n"
    "`azure_openai`) for azure-foundry, `azure_openai` for azure-openai, `openai` for openai, the\n"
    "provider's own name for openai-compatible; sim takes the first row of any provider.\n\n"
    "A model without a price gives a warning at start, and calls to it are refused, unless it "
    "says\n"
    "`unpriced: allow`: its ledger rows then say unpriced, never $0.\n";

static void add_cell(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] == '|')
            buf_add_char(out, '\\');
        buf_add_char(out, text.at[i]);
    }
}

static void add_allowed(const struct field *f, struct buf *out)
{
    struct buf allowed = { 0 };
    field_describe_allowed(f, &allowed);
    if (allowed.len == 0)
        buf_add(&allowed, f->type == FIELD_NAMES  ? STR("a list of texts")
                          : f->type == FIELD_NODE ? STR("see below")
                                                  : STR("a text"));
    add_cell(out, buf_str(&allowed));
    if (f->unit)
        buf_addf(out, " %s", f->unit);
    buf_fini(&allowed);
}

static void add_variable(const struct field *f, struct buf *out)
{
    buf_add(out, STR("`HUNTAZE_"));
    for (const char *at = f->name; *at; at++)
        buf_add_char(out, *at == '.' ? '_' : (char)toupper((unsigned char)*at));
    buf_add_char(out, '`');
    if (f->alias)
        buf_addf(out, ", `%s`", f->alias);
}

static void add_option(const struct field *f, struct buf *out)
{
    buf_addf(out, "| `%s` | ", f->name);
    add_allowed(f, out);
    if (f->preset)
        buf_addf(out, " | `%s` | ", f->preset);
    else
        buf_add(out, STR(" | | "));
    add_variable(f, out);
    buf_addf(out, " | %s | ", f->marks & FIELD_RELOADABLE ? "yes" : "no");
    add_cell(out, str_of(f->help));
    buf_add(out, STR(" |\n"));
}

static void add_options(struct buf *out)
{
    struct str section = STR_NONE;
    for (size_t i = 0; i < option_table.len; i++) {
        const struct field *f = &option_table.fields[i];
        struct str name = str_of(f->name);
        struct str own = str_first(name, str_find_char(name, '.'));
        if (!str_eq(own, section)) {
            buf_addf(out, "\n### %.*s\n\n", STR_ARG(own));
            buf_add(out, STR("| option | allowed | default | environment | reload | meaning |\n"
                             "|---|---|---|---|---|---|\n"));
        }
        section = own;
        add_option(f, out);
    }
}

static void add_fields(const char *title, const char *text, struct field_table table,
                       struct buf *out)
{
    buf_addf(out, "\n## %s\n\n%s\n\n", title, text);
    buf_add(out, STR("| key | allowed | default | meaning |\n|---|---|---|---|\n"));
    for (size_t i = 0; i < table.len; i++) {
        const struct field *f = &table.fields[i];
        buf_addf(out, "| `%s` | ", f->name);
        add_allowed(f, out);
        if (f->marks & FIELD_REQUIRED)
            buf_add(out, STR(" | required | "));
        else if (f->preset)
            buf_addf(out, " | `%s` | ", f->preset);
        else
            buf_add(out, STR(" | | "));
        add_cell(out, str_of(f->help));
        buf_add(out, STR(" |\n"));
    }
}

/* The failure table itself, then the list that changes it. */
static void add_failures(struct buf *out)
{
    static const char *const agains[] = { "never", "repeat" };
    static const char *const nexts[] = { "no", "at once", "a larger one", "one with `prefill`" };
    static const char *const healths[] = { "success", "failure", "-", "-", "opens it" };
    buf_add(out, STR("\n## The failure table\n\n"
                     "What follows when an attempt ends. Repeats come after 1, 2 and 4 s (each +- 20 %), only where\n"
                     "the plan has no other deployment, and only as far as the provider's retry budget goes.\n"
                     "A broken stream goes on only at a deployment that declares `prefill`, and only if it was plain\n"
                     "text: one choice, no tools, no response_format for JSON, no reasoning.\n\n"
                     "| outcome | what happened | same deployment again | next deployment | breaker |\n"
                     "|---|---|---|---|---|\n"));
    for (int i = 0; i < OUTCOMES; i++) {
        const struct outcome_info *info = outcome_info((enum outcome)i);
        buf_addf(out, "| `%s` | %s | %s | %s | %s |\n", info->name, info->text, agains[info->rule.again],
                 nexts[info->rule.next], healths[info->rule.health]);
    }
    add_fields("failures", "A list: rows of the failure table that this installation changes. The first row that\n"
               "matches provider and outcome wins: it alone counts, and what it does not say stays as above.", failure_fields, out);
}

void config_write_reference(struct buf *out)
{
    buf_add(out, str_of(head));
    add_options(out);
    add_fields("providers", "A list: who answers.", provider_fields, out);
    buf_add(out, str_of(keys));
    add_fields("models", "A list: what callers may ask for.", model_fields, out);
    add_fields("models.deployments", "A list: where the model runs.", deployment_fields, out);
    add_fields(
        "capabilities",
        "A map of a model or a deployment. What it does not say follows from the family of the\n"
        "deployment's or the model's name (`src/config/capabilities.c`).",
        capability_fields, out);
    buf_add(out, str_of(prices));
    add_fields(
        "routes",
        "A list for calls that name no model: the first match wins. A model of the built-in table\n"
        "that is not declared is left out with a warning; any other unknown name is an error.",
        route_fields, out);
    add_fields("fallbacks", "A list: what is appended to the plan after the route's own models.",
               fallback_fields, out);
    add_failures(out);
}
