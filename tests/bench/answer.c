#include "answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void answer_init(struct answer *a)
{
    a->state = ANSWER_HEAD;
    a->status = 0;
    a->is_chunked = a->is_closing = a->has_length = false;
    a->left = a->events = 0;
    a->is_line_empty = false;
    a->line_len = 0;
}

/* Gathers one line; true when it is whole, without its line end. Longer lines are cut. */
static bool take_line(struct answer *a, const char **at, const char *end)
{
    const char *newline = memchr(*at, '\n', (size_t)(end - *at));
    size_t len = (size_t)((newline ? newline : end) - *at);
    size_t room = ANSWER_LINE_MAX - 1 - a->line_len;
    size_t taken = len < room ? len : room;
    memcpy(a->line + a->line_len, *at, taken);
    a->line_len += taken;
    *at += newline ? len + 1 : len;
    if (!newline)
        return false;
    if (a->line_len && a->line[a->line_len - 1] == '\r')
        a->line_len--;
    a->line[a->line_len] = '\0';
    return true;
}

static bool value_of(const char *line, const char *name, const char **value)
{
    size_t len = strlen(name);
    if (strncasecmp(line, name, len) != 0)
        return false;
    *value = line + len + strspn(line + len, " \t");
    return true;
}

static enum answer_state end_of_head(struct answer *a)
{
    if (a->status >= 100 && a->status < 200) {
        answer_init(a);
        return ANSWER_HEAD;
    }
    if (a->is_chunked)
        return ANSWER_SIZE;
    if (!a->has_length)
        return a->status == 204 || a->status == 304 ? ANSWER_DONE : ANSWER_BROKEN;
    return a->left ? ANSWER_BODY : ANSWER_DONE;
}

static enum answer_state head_line(struct answer *a)
{
    const char *value;
    if (a->status == 0)
        return sscanf(a->line, "HTTP/1.%*1d %3d", &a->status) == 1 ? ANSWER_HEAD : ANSWER_BROKEN;
    if (a->line_len == 0)
        return end_of_head(a);
    if (value_of(a->line, "content-length:", &value)) {
        a->left = strtoull(value, NULL, 10);
        a->has_length = true;
    } else if (value_of(a->line, "transfer-encoding:", &value)) {
        a->is_chunked = strcasecmp(value, "chunked") == 0;
    } else if (value_of(a->line, "connection:", &value)) {
        a->is_closing = strcasecmp(value, "close") == 0;
    }
    return ANSWER_HEAD;
}

static enum answer_state size_line(struct answer *a)
{
    char *end;
    a->left = strtoull(a->line, &end, 16);
    if (end == a->line)
        return ANSWER_BROKEN;
    return a->left ? ANSWER_DATA : ANSWER_TRAILER;
}

/* Events end with a blank line; this counts those, not the fields in them. */
static void count_events(struct answer *a, const char *at, size_t len)
{
    const char *end = at + len;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        if (!newline) {
            a->is_line_empty = false;
            return;
        }
        a->events += newline == at && a->is_line_empty;
        a->is_line_empty = true;
        at = newline + 1;
    }
}

static void take_body(struct answer *a, const char **at, const char *end, enum answer_state next)
{
    size_t len = (size_t)(end - *at);
    size_t taken = len < a->left ? len : (size_t)a->left;
    count_events(a, *at, taken);
    *at += taken;
    a->left -= taken;
    if (a->left == 0)
        a->state = next;
}

static enum answer_state take_step(struct answer *a)
{
    switch (a->state) {
    case ANSWER_HEAD:
        return head_line(a);
    case ANSWER_SIZE:
        return size_line(a);
    case ANSWER_DATA_END:
        return a->line_len ? ANSWER_BROKEN : ANSWER_SIZE;
    case ANSWER_TRAILER:
        return a->line_len ? ANSWER_TRAILER : ANSWER_DONE;
    default:
        return ANSWER_BROKEN;
    }
}

size_t answer_feed(struct answer *a, const char *from, size_t len)
{
    const char *at = from, *end = from + len;
    while (at < end && a->state != ANSWER_DONE && a->state != ANSWER_BROKEN) {
        if (a->state == ANSWER_BODY) {
            take_body(a, &at, end, ANSWER_DONE);
        } else if (a->state == ANSWER_DATA) {
            take_body(a, &at, end, ANSWER_DATA_END);
        } else if (take_line(a, &at, end)) {
            a->state = take_step(a);
            a->line_len = 0;
        }
    }
    return (size_t)(at - from);
}
