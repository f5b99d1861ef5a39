/* Any text as a configuration: loaded or refused with a message, and what was loaded prints as a
 * configuration that loads and prints the same. */

#include "fuzz.h"

#include "config/config.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

/* The loader reads files: the text stands in memory under a name of its own. */
static struct config *load(struct str text, struct buf *errors)
{
    static const char *const env[] = { "HUNTAZE_ENV=staging", "K=key", NULL };
    char path[64];
    int fd = memfd_create("config", MFD_CLOEXEC);
    HZ_ASSERT(fd >= 0 && write(fd, text.at, text.len) == (ssize_t)text.len);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    struct config_sources sources = { .file = path, .env = env, .skips_secrets = true };
    struct config *c = config_load(&sources, errors);
    close(fd);
    return c;
}

/* Without the first line, which names the file. */
static struct str without_source(struct buf *printed)
{
    struct str text = buf_str(printed);
    str_cut(&text, '\n');
    return text;
}

static bool has_secret(const struct config *c)
{
    return c->auth.router_key.len || !str_eq(c->store.url, STR("sqlite:./data/huntaze.db"));
}

static void check_config(struct str text)
{
    struct buf errors = { 0 }, first = { 0 }, second = { 0 };
    struct config *c = load(text, &errors);
    HZ_ASSERT((c == NULL) == (errors.len > 0));
    /* Secrets print as stars, which do not load again. */
    if (c && !has_secret(c)) {
        config_print(c, &first);
        struct config *again = load(buf_str(&first), &errors);
        HZ_ASSERT(again);
        config_print(again, &second);
        HZ_ASSERT(str_eq(without_source(&first), without_source(&second)));
        config_unref(again);
    }
    config_unref(c);
    buf_fini(&errors);
    buf_fini(&first);
    buf_fini(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_make((const char *)data, size);
    check_config(text);
    return 0;
}
