#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli.h"
#include "ledger/keys.h"

enum { OUTPUT_MAX = 16384, ARGS_MAX = 16 };

/* A directory that holds the database, and what the last command wrote. */
struct shell {
    struct arena arena;
    char *directory;
    const char *store; /* "store.url=sqlite:..." */
    char *out, *err;
    int code;
};

static void shell_init(struct shell *sh)
{
    *sh = (struct shell) { 0 };
    sh->directory = arena_cstr(&sh->arena, STR("/tmp/huntaze-cli-XXXXXX"));
    CHECK(mkdtemp(sh->directory));
    sh->store = arena_printf(&sh->arena, "store.url=sqlite:%s/h.db", sh->directory).at;
}

static void shell_fini(struct shell *sh)
{
    static const char *const names[] = { "h.db", "h.db-wal", "h.db-shm", "h.yaml" };
    for (size_t i = 0; i < HZ_LEN(names); i++)
        unlink(arena_printf(&sh->arena, "%s/%s", sh->directory, names[i]).at);
    CHECK_EQ(rmdir(sh->directory), 0);
    arena_fini(&sh->arena);
}

/* Sends a descriptor to a new file without a name; the old one comes back in `kept`. */
static int redirect(int fd, int *kept)
{
    int file = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    CHECK(file >= 0);
    *kept = dup(fd);
    dup2(file, fd);
    return file;
}

static char *restore(struct shell *sh, int fd, int kept, int file)
{
    char *text = arena_zalloc(&sh->arena, OUTPUT_MAX);
    dup2(kept, fd);
    close(kept);
    CHECK(pread(file, text, OUTPUT_MAX - 1, 0) >= 0);
    close(file);
    return text;
}

typedef int cli_fn(int argc, char **argv);

/* The words are given with spaces between; "STORE" stands for --set and the store. */
static void run(struct shell *sh, cli_fn *command, const char *words)
{
    char *argv[ARGS_MAX];
    int argc = 0, kept_out, kept_err;
    for (struct str rest = str_of(words); rest.at;) {
        struct str word = str_cut(&rest, ' ');
        bool is_store = str_is(word, "STORE");
        CHECK(argc + 2 <= ARGS_MAX);
        if (is_store)
            argv[argc++] = arena_cstr(&sh->arena, STR("--set"));
        if (word.len)
            argv[argc++] = arena_cstr(&sh->arena, is_store ? str_of(sh->store) : word);
    }
    fflush(stdout);
    int out = redirect(STDOUT_FILENO, &kept_out), err = redirect(STDERR_FILENO, &kept_err);
    sh->code = command(argc, argv);
    fflush(stdout);
    sh->out = restore(sh, STDOUT_FILENO, kept_out, out);
    sh->err = restore(sh, STDERR_FILENO, kept_err, err);
}

static bool holds(const char *text, const char *part)
{
    bool found = strstr(text, part) != NULL;
    if (!found)
        print_message("'%s' is not in:\n%s\n", part, text);
    return found;
}

TEST(quiet_prints_the_key_and_nothing_else)
{
    struct shell sh;
    shell_init(&sh);
    run(&sh, cli_keys, "create STORE --scope chat --quiet");
    CHECK_EQ(sh.code, 0);
    assert_string_equal(sh.err, "");
    CHECK_EQ(strlen(sh.out), KEY_TEXT_LEN + 1);
    CHECK(key_is_well_formed(str_make(sh.out, KEY_TEXT_LEN)));
    CHECK_EQ(sh.out[KEY_TEXT_LEN], '\n');
    shell_fini(&sh);
}

TEST(keys_are_listed_and_revoked_by_id_or_whole)
{
    struct shell sh;
    shell_init(&sh);
    run(&sh, cli_keys,
        "create STORE --scope chat,admin --account acme --tier vip --name x --quiet");
    struct str key = str_make(sh.out, KEY_TEXT_LEN);
    struct str id = str_make(key.at + 8, KEY_ID_LEN);
    run(&sh, cli_keys, "list STORE --json");
    CHECK_EQ(sh.code, 0);
    CHECK(holds(sh.out, "\"account\": \"acme\", \"tier\": \"vip\", \"scopes\": \"chat,admin\", "
                        "\"name\": \"x\""));
    CHECK(holds(sh.out, "\"revoked\": null"));
    CHECK(strstr(sh.out, arena_cstr(&sh.arena, key)) == NULL);
    run(&sh, cli_keys, arena_printf(&sh.arena, "revoke %.*s STORE", STR_ARG(key)).at);
    CHECK_EQ(sh.code, 0);
    run(&sh, cli_keys, "list STORE --json");
    CHECK(strstr(sh.out, "\"revoked\": null") == NULL);
    run(&sh, cli_keys, arena_printf(&sh.arena, "revoke %.*s STORE", STR_ARG(id)).at);
    CHECK_EQ(sh.code, 0);
    run(&sh, cli_keys, "list STORE");
    CHECK(holds(sh.out, arena_cstr(&sh.arena, id)));
    run(&sh, cli_keys, "revoke aaaaaaaa STORE");
    CHECK_EQ(sh.code, 1);
    CHECK(holds(sh.err, "there is no key with the id aaaaaaaa"));
    shell_fini(&sh);
}

TEST(a_wrong_command_line_says_what_is_allowed)
{
    static const struct {
        cli_fn *command;
        const char *words, *says;
    } cases[] = {
        { cli_keys, "", "Usage: huntaze keys create|list|revoke" },
        { cli_keys, "make", "unknown action 'make'; allowed: create, list, revoke" },
        { cli_keys, "create --scope all",
          "'all' is no scope; allowed: chat, features, send, admin" },
        { cli_keys, "create --scope ,", "'' is no scope" },
        { cli_keys, "create --tier gold", "'gold' is no tier; allowed: standard, vip" },
        { cli_keys, "create --account a\nb", "--account: allowed: at most 128 bytes on one line" },
        { cli_keys, "create --scop chat",
          "unknown option '--scop'; allowed: --config --set --scope" },
        { cli_keys, "revoke", "which key? allowed: huntaze keys revoke ID" },
        { cli_keys, "revoke abc", "this is no id of a key" },
        { cli_config, "", "allowed: huntaze config check" },
        { cli_config, "chek", "allowed: huntaze config check" },
    };
    struct shell sh;
    shell_init(&sh);
    for (size_t i = 0; i < HZ_LEN(cases); i++) {
        run(&sh, cases[i].command, cases[i].words);
        CHECK_EQ(sh.code, 2);
        CHECK(holds(sh.err, cases[i].says));
        assert_string_equal(sh.out, "");
    }
    shell_fini(&sh);
}

TEST(a_store_that_cannot_be_opened_is_an_error_in_words)
{
    struct shell sh;
    shell_init(&sh);
    run(&sh, cli_keys, "list --set store.url=sqlite:/proc/none/h.db");
    CHECK_EQ(sh.code, 1);
    CHECK(holds(sh.err, "/proc/none/h.db"));
    shell_fini(&sh);
}

TEST(config_check_prints_every_error_and_ends_with_one)
{
    struct shell sh;
    shell_init(&sh);
    const char *path = arena_printf(&sh.arena, "%s/h.yaml", sh.directory).at;
    FILE *file = fopen(path, "w");
    CHECK(file);
    fputs("server: { lisen: x }\nlog: { level: loud }\n", file);
    fclose(file);
    run(&sh, cli_config,
        arena_printf(&sh.arena, "check --config %s --set server.loops=x", path).at);
    CHECK_EQ(sh.code, 1);
    CHECK(holds(sh.err, "h.yaml:1: server: unknown key 'lisen'; did you mean 'listen'?"));
    CHECK(holds(sh.err, "h.yaml:2: log.level: 'loud' is not an allowed word"));
    CHECK(holds(sh.err, "--set server.loops: server.loops: 'x' is not a whole number"));
    run(&sh, cli_config, "check");
    CHECK_EQ(sh.code, 0);
    CHECK(holds(sh.out, "is valid: 1 providers, 7 models"));
    run(&sh, cli_config, "check --print --set server.region=here");
    CHECK_EQ(sh.code, 0);
    CHECK(holds(sh.out, "  region: \"here\"\n"));
    run(&sh, cli_config, "check --help");
    CHECK_EQ(sh.code, 0);
    CHECK(holds(sh.out, "--print"));
    shell_fini(&sh);
}

static bool is_blocked(int number)
{
    sigset_t set;
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &set), 0);
    return sigismember(&set, number) == 1;
}

TEST(serve_keeps_signals_waiting_before_it_reads_its_configuration)
{
    struct shell sh;
    sigset_t before;
    shell_init(&sh);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &before), 0);
    CHECK(!is_blocked(SIGHUP) && !is_blocked(SIGUSR2));
    run(&sh, cli_serve, "--config /nonexistent/huntaze.yaml");
    CHECK_EQ(sh.code, 1);
    CHECK(is_blocked(SIGHUP) && is_blocked(SIGUSR2) && is_blocked(SIGTERM));
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    shell_fini(&sh);
}

RUN_TESTS(T(quiet_prints_the_key_and_nothing_else), T(keys_are_listed_and_revoked_by_id_or_whole),
          T(a_wrong_command_line_says_what_is_allowed),
          T(a_store_that_cannot_be_opened_is_an_error_in_words),
          T(config_check_prints_every_error_and_ends_with_one),
          T(serve_keeps_signals_waiting_before_it_reads_its_configuration))
