#include "config/problems.h"

#include <stdarg.h>
#include <stdio.h>

enum { MESSAGE_MAX = 1024, QUOTE_MAX = 60, SUGGEST_MAX = 40 };

static bool holds_line(struct str text, struct str line)
{
    while (text.at) {
        if (str_eq(str_cut(&text, '\n'), line))
            return true;
    }
    return false;
}

void problem(struct problems *p, struct origin at, const char *fmt, ...)
{
    char text[MESSAGE_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);

    struct buf line = { 0 };
    if (at.line > 0)
        buf_addf(&line, "%s:%d: %s", at.file, at.line, text);
    else
        buf_addf(&line, "%s: %s", at.file, text);
    p->count++;
    if (!holds_line(buf_str(p->errors), buf_str(&line))) {
        buf_add(p->errors, buf_str(&line));
        buf_add_char(p->errors, '\n');
    }
    buf_fini(&line);
}

void problem_warn(struct problems *p, const char *fmt, ...)
{
    char text[MESSAGE_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);

    for (size_t i = 0; i < p->warnings_len; i++) {
        if (str_is(p->warnings[i], text))
            return;
    }
    if (p->warnings_len == p->warnings_cap) {
        size_t cap = p->warnings_cap ? p->warnings_cap * 2 : 8;
        struct str *more = arena_alloc(p->arena, cap * sizeof(*more));
        if (p->warnings_len)
            memcpy(more, p->warnings, p->warnings_len * sizeof(*more));
        p->warnings = more;
        p->warnings_cap = cap;
    }
    p->warnings[p->warnings_len++] = arena_str(p->arena, str_of(text));
}

/* Edits that turn one text into the other: insert, delete, replace. */
static size_t distance(struct str a, struct str b)
{
    size_t row[SUGGEST_MAX + 1];
    for (size_t j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t replaced = diagonal + (a.at[i - 1] != b.at[j - 1]);
            diagonal = row[j];
            row[j] = HZ_MIN(replaced, HZ_MIN(row[j], row[j - 1]) + 1);
        }
    }
    return row[b.len];
}

struct str problem_suggest(struct str text, const struct str *candidates, size_t count)
{
    struct str best = STR_NONE;
    size_t best_distance = SIZE_MAX;
    if (text.len == 0 || text.len > SUGGEST_MAX)
        return best;
    for (size_t i = 0; i < count; i++) {
        if (candidates[i].len > SUGGEST_MAX)
            continue;
        size_t edits = distance(text, candidates[i]);
        if (edits < best_distance) {
            best_distance = edits;
            best = candidates[i];
        }
    }
    /* Farther than a third of the word is another word. */
    return best_distance <= HZ_MAX((text.len + 1) / 3, (size_t)1) ? best : STR_NONE;
}

struct str problem_quote(struct arena *a, struct str text)
{
    bool is_long = text.len > QUOTE_MAX;
    struct str shown = str_first(text, QUOTE_MAX);
    char *copy = arena_cstr(a, shown);
    for (size_t i = 0; i < shown.len; i++) {
        if ((unsigned char)copy[i] < 0x20 || copy[i] == 0x7f)
            copy[i] = '?';
    }
    return is_long ? arena_printf(a, "%s...", copy) : str_make(copy, shown.len);
}
