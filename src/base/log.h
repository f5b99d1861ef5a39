#ifndef HZ_BASE_LOG_H
#define HZ_BASE_LOG_H
/*
 * log - JSON lines: {"time":..,"level":..,"event":..,"correlation_id":..,fields..}
 *
 * The context comes first so that each line can be joined to its request; NULL outside of one.
 * Error: somebody must act. Warn: we coped. Info: life cycle. Debug: off in production.
 * Never a key, a prompt or an answer.
 *
 * Thread: any. A loop thread collects its lines and writes them once a turn (log_set_buffered,
 *         log_flush); every other thread writes each line at once.
 */

#include "base/str.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_LEVELS };

struct log_ctx {
    struct str correlation_id;
};

enum log_kind { LOG_KIND_STR, LOG_KIND_INT, LOG_KIND_BOOL, LOG_KIND_USD };

struct log_field {
    const char *name;
    enum log_kind kind;
    struct str text;
    int64_t number;
};

/* LOG_STR leaves the field out when text.at is NULL; LOG_USD takes nano-dollars. */
#define LOG_STR(name, s) ((struct log_field) { (name), LOG_KIND_STR, (s), 0 })
#define LOG_TEXT(name, s) ((struct log_field) { (name), LOG_KIND_STR, str_of(s), 0 })
#define LOG_INT(name, n) ((struct log_field) { (name), LOG_KIND_INT, STR_NONE, (int64_t)(n) })
#define LOG_BOOL(name, b) ((struct log_field) { (name), LOG_KIND_BOOL, STR_NONE, (b) })
#define LOG_USD(name, n) ((struct log_field) { (name), LOG_KIND_USD, STR_NONE, (n) })

#define LOG_FIELDS_(...)                                                                           \
    (const struct log_field[]) { __VA_ARGS__ },                                                    \
        sizeof((const struct log_field[]) { __VA_ARGS__ }) / sizeof(struct log_field)
#define log_debug(ctx, event, ...) log_write(LOG_DEBUG, (ctx), (event), LOG_FIELDS_(__VA_ARGS__))
#define log_info(ctx, event, ...) log_write(LOG_INFO, (ctx), (event), LOG_FIELDS_(__VA_ARGS__))
#define log_warn(ctx, event, ...) log_write(LOG_WARN, (ctx), (event), LOG_FIELDS_(__VA_ARGS__))
#define log_error(ctx, event, ...) log_write(LOG_ERROR, (ctx), (event), LOG_FIELDS_(__VA_ARGS__))

void log_write(enum log_level level, const struct log_ctx *ctx, const char *event,
               const struct log_field *fields, size_t count);

/* Defaults: LOG_INFO, standard output. Set before threads start. */
void log_set_level(enum log_level level);
void log_set_fd(int fd);
bool log_is_on(enum log_level level);

/* Of the calling thread. */
void log_set_buffered(bool is_buffered);
void log_flush(void);

#endif
