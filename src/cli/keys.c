#include "ledger/keys.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "config/config.h"

enum { NAME_MAX_LEN = 128, ID_OFFSET = 8 };

static const struct cli_option create_options[] = {
    CLI_CONFIG_OPTIONS,
    { "scope", "SCOPES", "what it may do, joined by commas: " SCOPES_ALLOWED " (default: chat)" },
    { "account", "NAME", "account that pays; made if it is new (default: default)" },
    { "tier", "TIER", "tier of the account from now on: " TIERS_ALLOWED },
    { "name", "TEXT", "what the key is for, for lists" },
    { "quiet", NULL, "print the key and nothing else" },
};
static const struct cli_command create_command = {
    .usage = "huntaze keys create [options]",
    .about =
        "Makes an API key and prints it once: only its hash is stored. Running processes know it\n"
        "within seconds. Scope chat covers everything under /v1 and /route.",
    .options = create_options,
    .options_len = HZ_LEN(create_options),
};

static const struct cli_option list_options[] = {
    CLI_CONFIG_OPTIONS,
    { "json", NULL, "as a JSON array" },
};
static const struct cli_command list_command = {
    .usage = "huntaze keys list [options]",
    .about = "Lists all keys, revoked ones too, by their public ids.",
    .options = list_options,
    .options_len = HZ_LEN(list_options),
};

static const struct cli_option revoke_options[] = { CLI_CONFIG_OPTIONS };
static const struct cli_command revoke_command = {
    .usage = "huntaze keys revoke ID [options]",
    .about =
        "Ends a key for good, within seconds in running processes. ID: as huntaze keys list shows\n"
        "it, or the whole key.",
    .options = revoke_options,
    .options_len = HZ_LEN(revoke_options),
    .words_max = 1,
};

static struct store *open_store(const struct cli_args *args)
{
    struct config *config = cli_load_config_without_secrets(args);
    struct store *store = NULL;
    struct fail fail = { 0 };
    if (!config)
        return NULL;
    struct store_options options = { .url = config->store.url };
    if (store_open(&options, &store, &fail))
        fprintf(stderr, "huntaze: %s\n", fail.text);
    config_unref(config);
    return store;
}

/* The database's own words only where it is the database that failed. */
static int report(struct store *s, enum err err)
{
    if (err)
        fprintf(stderr, "huntaze: %s\n", err == ERR_STORE ? store_error(s) : err_info(err)->text);
    return err ? 1 : 0;
}

static bool is_printable(const char *option, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.at[i] < ' ' || text.at[i] == 0x7f)
            text.len = NAME_MAX_LEN + 1;
    }
    if (text.len <= NAME_MAX_LEN)
        return true;
    fprintf(stderr, "huntaze: --%s: allowed: at most %d bytes on one line\n", option, NAME_MAX_LEN);
    return false;
}

static bool read_request(const struct cli_args *args, struct key_request *out)
{
    const char *scope = cli_has(args, "scope") ? cli_value(args, "scope") : "chat";
    const char *tier = cli_value(args, "tier");
    struct str unknown = STR("");
    *out = (struct key_request) {
        .name = str_of(cli_value(args, "name")),
        .account = str_of(cli_value(args, "account")),
        .has_tier = tier != NULL,
    };
    if (!scopes_parse(str_of(scope), &out->scopes, &unknown)) {
        fprintf(stderr, "huntaze: --scope: '%.*s' is no scope; allowed: " SCOPES_ALLOWED "\n",
                STR_ARG(unknown));
        return false;
    }
    if (tier && !tier_parse(str_of(tier), &out->tier)) {
        fprintf(stderr, "huntaze: --tier: '%s' is no tier; allowed: " TIERS_ALLOWED "\n", tier);
        return false;
    }
    return is_printable("name", out->name) && is_printable("account", out->account);
}

static int keys_create(const struct cli_args *args)
{
    struct key_request request;
    char text[KEY_TEXT_LEN + 1] = "";
    if (!read_request(args, &request))
        return 2;
    struct store *store = open_store(args);
    if (!store)
        return 1;
    int code = report(store, key_create(store, &request, text));
    if (code == 0)
        printf("%s\n", text);
    if (code == 0 && !cli_has(args, "quiet"))
        fprintf(stderr, "Keep it now: it is not shown again. Its id in lists: %.*s\n", KEY_ID_LEN,
                text + ID_OFFSET);
    mem_wipe(text, sizeof(text));
    store_close(store);
    return code;
}

static void format_time(int64_t wall_ms, char out[CLOCK_ISO_LEN + 1])
{
    out[0] = '\0';
    if (wall_ms)
        clock_format_iso(wall_ms, out);
}

static void print_table(const struct key_table *table)
{
    printf("%-8s  %-20s  %-8s  %-24s  %-24s  %-24s  %s\n", "id", "account", "tier", "scopes",
           "created", "revoked", "name");
    for (size_t i = 0; i < table->len; i++) {
        const struct api_key *key = &table->keys[i];
        struct buf scopes = { 0 };
        char created[CLOCK_ISO_LEN + 1], revoked[CLOCK_ISO_LEN + 1];
        scopes_format(key->scopes, &scopes);
        format_time(key->created_ms, created);
        format_time(key->revoked_ms, revoked);
        printf("%-8.*s  %-20.*s  %-8s  %-24.*s  %-24s  %-24s  %.*s\n", STR_ARG(key->id),
               STR_ARG(key->account), tier_name(key->tier), STR_ARG(buf_str(&scopes)), created,
               revoked, STR_ARG(key->name));
        buf_fini(&scopes);
    }
}

static void add_text(struct buf *out, const char *name, struct str text)
{
    buf_addf(out, ", \"%s\": ", name);
    buf_add_json(out, text);
}

static void add_time(struct buf *out, const char *name, int64_t wall_ms)
{
    char time[CLOCK_ISO_LEN + 1];
    format_time(wall_ms, time);
    buf_addf(out, wall_ms ? ", \"%s\": \"%s\"" : ", \"%s\": null", name, time);
}

static void print_json(const struct key_table *table)
{
    struct buf out = { 0 };
    for (size_t i = 0; i < table->len; i++) {
        const struct api_key *key = &table->keys[i];
        struct buf scopes = { 0 };
        scopes_format(key->scopes, &scopes);
        buf_add(&out, i ? STR(",\n  {\"id\": ") : STR("\n  {\"id\": "));
        buf_add_json(&out, key->id);
        add_text(&out, "account", key->account);
        add_text(&out, "tier", str_of(tier_name(key->tier)));
        add_text(&out, "scopes", buf_str(&scopes));
        add_text(&out, "name", key->name);
        add_time(&out, "created", key->created_ms);
        add_time(&out, "revoked", key->revoked_ms);
        buf_add(&out, STR("}"));
        buf_fini(&scopes);
    }
    printf("[%.*s%s]\n", STR_ARG(buf_str(&out)), table->len ? "\n" : "");
    buf_fini(&out);
}

static int keys_list(const struct cli_args *args)
{
    struct key_table *table = NULL;
    struct store *store = open_store(args);
    if (!store)
        return 1;
    int code = report(store, key_table_load(store, -1, &table));
    if (code == 0 && cli_has(args, "json"))
        print_json(table);
    else if (code == 0)
        print_table(table);
    key_table_destroy(table);
    store_close(store);
    return code;
}

static int keys_revoke(const struct cli_args *args)
{
    struct str id = str_of(args->words[0]);
    if (id.len == 0) {
        fprintf(stderr, "huntaze: which key? allowed: huntaze keys revoke ID\n");
        return 2;
    }
    if (key_is_well_formed(id))
        id = str_make(id.at + ID_OFFSET, KEY_ID_LEN);
    if (id.len != KEY_ID_LEN) {
        fprintf(stderr,
                "huntaze: this is no id of a key; allowed: the %d characters that huntaze keys "
                "list shows, or a whole key\n",
                KEY_ID_LEN);
        return 2;
    }
    struct store *store = open_store(args);
    if (!store)
        return 1;
    enum err err = key_revoke(store, id);
    int code = err == ERR_NOT_FOUND ? 1 : report(store, err);
    if (err == ERR_NOT_FOUND)
        fprintf(stderr, "huntaze: there is no key with the id %.*s\n", STR_ARG(id));
    if (code == 0)
        printf("%.*s is revoked\n", STR_ARG(id));
    store_close(store);
    return code;
}

static const struct {
    const char *name;
    const struct cli_command *command;
    int (*run)(const struct cli_args *args);
} actions[] = {
    { "create", &create_command, keys_create },
    { "list", &list_command, keys_list },
    { "revoke", &revoke_command, keys_revoke },
};

static void print_help(FILE *out)
{
    fprintf(out, "Usage: huntaze keys create|list|revoke [options]\n\n"
                 "API keys. `huntaze keys create --help` tells the options of each.\n");
}

int cli_keys(int argc, char **argv)
{
    struct cli_args args;
    const char *name = argc > 0 ? argv[0] : "";
    for (size_t i = 0; i < HZ_LEN(actions); i++) {
        if (strcmp(name, actions[i].name) != 0)
            continue;
        enum cli_verdict verdict = cli_parse(actions[i].command, argc - 1, argv + 1, &args);
        return verdict == CLI_GO_ON ? actions[i].run(&args) : cli_exit_code(verdict);
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        print_help(stdout);
        return 0;
    }
    if (name[0])
        fprintf(stderr, "huntaze: unknown action '%s'; allowed: create, list, revoke\n", name);
    else
        print_help(stderr);
    return 2;
}
