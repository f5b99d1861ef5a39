#include "llm/excerpt.h"

/* Pages put their message near the top; what lies further down is not worth scanning. */
enum { SCAN_MAX = 16384 };

struct str excerpt_cut(struct str text, size_t max)
{
    if (text.len <= max)
        return text;
    while (max && ((unsigned char)text.at[max] & 0xC0) == 0x80)
        max--;
    return str_first(text, max);
}

static size_t find_nocase(struct str s, struct str needle)
{
    for (size_t i = 0; i + needle.len <= s.len; i++) {
        if (str_eq_nocase(str_make(s.at + i, needle.len), needle))
            return i;
    }
    return s.len;
}

/* What stands behind the tag, comment, script or style at the start of `rest`. */
static struct str skip_markup(struct str rest)
{
    static const struct {
        struct str open, close;
    } blocks[] = {
        { STR("<!--"), STR("-->") },
        { STR("<script"), STR("</script>") },
        { STR("<style"), STR("</style>") },
        { STR("<"), STR(">") },
    };
    size_t i = 0;
    while (!str_eq_nocase(str_first(rest, blocks[i].open.len), blocks[i].open))
        i++;
    return str_skip(rest, find_nocase(rest, blocks[i].close) + blocks[i].close.len);
}

static bool is_markup(struct str rest)
{
    if (rest.len < 2 || rest.at[0] != '<')
        return false;
    char c = (char)(rest.at[1] | 0x20);
    return (c >= 'a' && c <= 'z') || rest.at[1] == '/' || rest.at[1] == '!' || rest.at[1] == '?';
}

struct str excerpt_text(struct arena *a, struct str body)
{
    struct str rest = str_first(body, SCAN_MAX);
    char *out = arena_alloc(a, EXCERPT_MAX + 4);
    size_t len = 0;
    bool has_gap = false;

    while (rest.len && len < EXCERPT_MAX + 3) {
        if (is_markup(rest)) {
            rest = skip_markup(rest);
            has_gap = true;
            continue;
        }
        unsigned char c = (unsigned char)rest.at[0];
        rest = str_skip(rest, 1);
        if (c <= ' ' || c == 0x7F) {
            has_gap = true;
            continue;
        }
        if (has_gap && len)
            out[len++] = ' ';
        has_gap = false;
        out[len++] = (char)c;
    }
    return str_trim(excerpt_cut(str_make(out, len), EXCERPT_MAX));
}
