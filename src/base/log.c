#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

enum { FLUSH_AT_BYTES = 32 * 1024 };

static const char *const level_names[LOG_LEVELS] = { "debug", "info", "warn", "error" };
static _Atomic enum log_level lowest_level = LOG_INFO;
static int log_fd = STDOUT_FILENO;
static pthread_mutex_t write_lock = PTHREAD_MUTEX_INITIALIZER;

static _Thread_local struct buf pending;
static _Thread_local bool is_thread_buffered;

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&lowest_level, level, memory_order_relaxed);
}

void log_set_fd(int fd)
{
    log_fd = fd;
}

bool log_is_on(enum log_level level)
{
    return level >= atomic_load_explicit(&lowest_level, memory_order_relaxed);
}

void log_set_buffered(bool is_buffered)
{
    log_flush();
    is_thread_buffered = is_buffered;
    if (!is_buffered)
        buf_fini(&pending);
}

void log_flush(void)
{
    struct str rest = buf_str(&pending);
    if (rest.len == 0)
        return;
    pthread_mutex_lock(&write_lock);
    while (rest.len) {
        ssize_t n = write(log_fd, rest.at, rest.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break; /* nobody reads: logging must not stop the service */
        rest = str_skip(rest, (size_t)n);
    }
    pthread_mutex_unlock(&write_lock);
    buf_clear(&pending);
}

static void add_time(struct buf *line)
{
    static _Thread_local int64_t cached_second;
    static _Thread_local char cached[CLOCK_ISO_LEN + 1];
    int64_t now_ms = clock_wall_ms();
    if (now_ms / 1000 != cached_second) {
        cached_second = now_ms / 1000;
        clock_format_iso(now_ms, cached);
    }
    int ms = (int)(now_ms % 1000);
    cached[20] = (char)('0' + ms / 100);
    cached[21] = (char)('0' + ms / 10 % 10);
    cached[22] = (char)('0' + ms % 10);
    buf_add(line, str_make(cached, CLOCK_ISO_LEN));
}

static void add_field(struct buf *line, const struct log_field *field)
{
    if (field->kind == LOG_KIND_STR && !field->text.at)
        return;
    buf_add(line, STR(",\""));
    buf_add(line, str_of(field->name));
    buf_add(line, STR("\":"));
    switch (field->kind) {
    case LOG_KIND_STR: buf_add_json(line, field->text); break;
    case LOG_KIND_INT: buf_add_i64(line, field->number); break;
    case LOG_KIND_BOOL: buf_add(line, field->number ? STR("true") : STR("false")); break;
    case LOG_KIND_USD: buf_add_usd(line, field->number); break;
    }
}

void log_write(enum log_level level, const struct log_ctx *ctx, const char *event,
               const struct log_field *fields, size_t count)
{
    if (!log_is_on(level))
        return;
    struct buf *line = &pending;
    buf_add(line, STR("{\"time\":\""));
    add_time(line);
    buf_add(line, STR("\",\"level\":\""));
    buf_add(line, str_of(level_names[level]));
    buf_add(line, STR("\",\"event\":"));
    buf_add_json(line, str_of(event));
    if (ctx && ctx->correlation_id.at) {
        buf_add(line, STR(",\"correlation_id\":"));
        buf_add_json(line, ctx->correlation_id);
    }
    for (size_t i = 0; i < count; i++)
        add_field(line, &fields[i]);
    buf_add(line, STR("}\n"));
    if (!is_thread_buffered || line->len >= FLUSH_AT_BYTES)
        log_flush();
    if (!is_thread_buffered)
        buf_fini(&pending);
}
