#include "llm/think.h"

struct outputs {
    struct buf *reasoning;
    struct buf *answer;
};

static const struct str start_tag = STR("<think>");
static const struct str end_tag = STR("</think>");

void think_init(struct think *t, enum reasoning_format format)
{
    static const enum think_state first[] = {
        [REASONING_NONE] = THINK_OFF,
        [REASONING_THINK_TAG] = THINK_START,
        [REASONING_THINK_TAG_OPEN] = THINK_START_OPEN,
    };
    *t = (struct think) { .state = first[format] };
}

static bool is_newline(char c)
{
    return c == '\n' || c == '\r';
}

static struct str skip_newlines(struct str text)
{
    while (text.len && is_newline(text.at[0]))
        text = str_skip(text, 1);
    return text;
}

/* Each step takes from the front of *text; it returns when the state changes or nothing is left. */

static void step_off(struct think *t, struct str *text, const struct outputs *out)
{
    (void)t;
    buf_add(out->answer, *text);
    *text = STR_NONE;
}

static void step_inside(struct think *t, struct str *text, const struct outputs *out)
{
    while (text->len) {
        if (t->held_len == 0) {
            struct str plain = str_first(*text, str_find_char(*text, '<'));
            buf_add(out->reasoning, plain);
            *text = str_skip(*text, plain.len);
            if (text->len == 0)
                return;
        }
        if (text->at[0] != end_tag.at[t->held_len]) {
            /* The tag's only '<' is its first byte, so what was held cannot begin another one. */
            buf_add(out->reasoning, str_first(end_tag, t->held_len));
            t->held_len = 0;
            continue;
        }
        t->held_len++;
        *text = str_skip(*text, 1);
        if (t->held_len == end_tag.len) {
            t->held_len = 0;
            t->state = THINK_ANSWER_LEAD;
            return;
        }
    }
}

static void step_inside_lead(struct think *t, struct str *text, const struct outputs *out)
{
    (void)out;
    *text = skip_newlines(*text);
    if (text->len)
        t->state = THINK_INSIDE;
}

static void step_answer_lead(struct think *t, struct str *text, const struct outputs *out)
{
    (void)out;
    *text = skip_newlines(*text);
    if (text->len)
        t->state = THINK_OFF;
}

/* No start tag: what was held is answer, or reasoning where the template had opened the tag. */
static void decide_without_tag(struct think *t, const struct outputs *out)
{
    char copy[THINK_HELD_MAX];
    struct str held = str_make(copy, t->held_len);
    memcpy(copy, t->held, t->held_len);
    t->held_len = 0;
    if (t->state == THINK_START) {
        t->state = THINK_OFF;
        buf_add(out->answer, held);
        return;
    }
    t->state = THINK_INSIDE;
    held = skip_newlines(held);
    step_inside(t, &held, out);
}

static void step_start(struct think *t, struct str *text, const struct outputs *out)
{
    while (text->len) {
        struct str tag = str_trim(str_make(t->held, t->held_len));
        char c = text->at[0];
        bool is_space = tag.len == 0 && (c == ' ' || c == '\t' || is_newline(c));
        bool fits = t->held_len < THINK_HELD_MAX - start_tag.len || tag.len > 0;
        if (!fits || (!is_space && c != start_tag.at[tag.len])) {
            decide_without_tag(t, out);
            return;
        }
        t->held[t->held_len++] = c;
        *text = str_skip(*text, 1);
        if (!is_space && tag.len + 1 == start_tag.len) {
            t->held_len = 0;
            t->state = THINK_INSIDE_LEAD;
            return;
        }
    }
}

typedef void step_fn(struct think *t, struct str *text, const struct outputs *out);

static step_fn *const steps[THINK_STATES] = {
    [THINK_OFF] = step_off,          [THINK_START] = step_start,
    [THINK_START_OPEN] = step_start, [THINK_INSIDE_LEAD] = step_inside_lead,
    [THINK_INSIDE] = step_inside,    [THINK_ANSWER_LEAD] = step_answer_lead,
};

void think_feed(struct think *t, struct str text, struct buf *reasoning, struct buf *answer)
{
    struct outputs out = { reasoning, answer };
    while (text.len)
        steps[t->state](t, &text, &out);
}

void think_flush(struct think *t, struct buf *reasoning, struct buf *answer)
{
    struct outputs out = { reasoning, answer };
    if (t->state == THINK_START || t->state == THINK_START_OPEN)
        decide_without_tag(t, &out);
    if (t->state == THINK_INSIDE) {
        buf_add(reasoning, str_first(end_tag, t->held_len));
        t->held_len = 0;
    }
}
