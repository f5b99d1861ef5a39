/* Any arguments: each is an option of the table, a word, or refused; `--set` loads or is refused
 * with a message. One argument a line. */

#include "fuzz.h"

#include <stdio.h>

#include "cli/options.h"
#include "config/config.h"
#include "model/call.h"

enum { ARGUMENTS_MAX = 48 };

static const struct cli_option options[] = {
    CLI_CONFIG_OPTIONS,
    { "scope", "SCOPES", "a list" },
    { "quiet", NULL, "a flag" },
};
static const struct cli_command command = {
    .usage = "huntaze fuzz [options]",
    .about = "Takes anything.",
    .options = options,
    .options_len = HZ_LEN(options),
    .words_max = 2,
};

/* Help and complaints go nowhere: a run would drown in them. */
static enum cli_verdict parse_quietly(int argc, char **argv, struct cli_args *args)
{
    static FILE *nowhere;
    FILE *out = stdout, *err = stderr;
    if (!nowhere)
        nowhere = fopen("/dev/null", "w");
    HZ_ASSERT(nowhere);
    stdout = stderr = nowhere;
    enum cli_verdict verdict = cli_parse(&command, argc, argv, args);
    stdout = out;
    stderr = err;
    return verdict;
}

static bool is_one_of(const char *text, int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        size_t len = strlen(argv[i]);
        if (text >= argv[i] && text <= argv[i] + len)
            return true;
    }
    return false;
}

static void check_scopes(const char *list)
{
    unsigned scopes = 0, again = 0;
    struct str unknown = STR_NONE;
    struct buf b = { 0 };
    if (scopes_parse(str_of(list), &scopes, &unknown)) {
        HZ_ASSERT(scopes && scopes <= (SCOPE_CHAT | SCOPE_FEATURES | SCOPE_SEND | SCOPE_ADMIN));
        scopes_format(scopes, &b);
        HZ_ASSERT(scopes_parse(buf_str(&b), &again, &unknown) && again == scopes);
    }
    buf_fini(&b);
}

static void check_sets(const struct cli_args *args)
{
    static const char *const env[] = { "HUNTAZE_ENV=production", NULL };
    struct buf errors = { 0 };
    struct config_sources sources = { .env = env, .overrides = args->sets, .skips_secrets = true };
    struct config *c = config_load(&sources, &errors);
    HZ_ASSERT((c == NULL) == (errors.len > 0));
    config_unref(c);
    buf_fini(&errors);
}

static void check_args(const struct cli_args *args, int argc, char **argv)
{
    HZ_ASSERT(args->words_len <= command.words_max && args->sets_len <= CLI_SETS_MAX);
    HZ_ASSERT(args->sets[args->sets_len] == NULL);
    for (size_t i = 0; i < args->words_len; i++)
        HZ_ASSERT(is_one_of(args->words[i], argc, argv) && args->words[i][0] != '-');
    for (size_t i = 0; i < args->sets_len; i++)
        HZ_ASSERT(is_one_of(args->sets[i], argc, argv));
    HZ_ASSERT(!cli_has(args, "set"));
    const char *scope = cli_value(args, "scope");
    if (scope)
        check_scopes(scope);
    if (args->sets_len)
        check_sets(args);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *argv[ARGUMENTS_MAX];
    struct cli_args args;
    struct str rest = { (const char *)data, size };
    int argc = 0;
    while (rest.at && argc < ARGUMENTS_MAX)
        argv[argc++] = str_dup(str_cut(&rest, '\n'));
    if (parse_quietly(argc, argv, &args) == CLI_GO_ON)
        check_args(&args, argc, argv);
    for (int i = 0; i < argc; i++)
        mem_free(argv[i]);
    return 0;
}
