#include <pthread.h>

#include "base/arena.h"
#include "base/map.h"
#include "base/mem.h"
#include "ledger/row.h"

#define OTHER_LABELS STR("(other)")

struct name {
    struct str text;
    uint32_t id;
};

struct names {
    pthread_mutex_t lock;
    struct map by_text; /* struct name */
    struct name **by_id;
    uint32_t len, cap;
    struct arena arena;
};

/* Bytes of the UTF-8 character at the start, 0 if it is none. */
static size_t utf8_length(struct str s)
{
    static const struct {
        unsigned char mask, lead;
        uint32_t least;
    } forms[] = {
        { 0x80, 0x00, 0 }, { 0xe0, 0xc0, 0x80 }, { 0xf0, 0xe0, 0x800 }, { 0xf8, 0xf0, 0x10000 }
    };
    for (size_t len = 1; len <= HZ_LEN(forms); len++) {
        unsigned char lead = (unsigned char)s.at[0];
        if ((lead & forms[len - 1].mask) != forms[len - 1].lead)
            continue;
        if (s.len < len)
            return 0;
        uint32_t code = lead & (unsigned char)~forms[len - 1].mask;
        for (size_t i = 1; i < len; i++) {
            if (((unsigned char)s.at[i] & 0xc0) != 0x80)
                return 0;
            code = code << 6 | ((unsigned char)s.at[i] & 0x3f);
        }
        bool is_surrogate = code >= 0xd800 && code <= 0xdfff;
        return code < forms[len - 1].least || code > 0x10ffff || is_surrogate ? 0 : len;
    }
    return 0;
}

size_t text_clean(struct str text, char *out, size_t max)
{
    size_t len = 0;
    text = str_first(text, max);
    while (text.len) {
        size_t n = utf8_length(text);
        bool is_control = n == 1 && ((unsigned char)*text.at < 0x20 || *text.at == 0x7f);
        if (n == 0 || is_control) {
            out[len++] = '?';
            text = str_skip(text, 1);
        } else {
            memcpy(out + len, text.at, n);
            len += n;
            text = str_skip(text, n);
        }
    }
    return len;
}

struct names *names_create(void)
{
    struct names *n = MEM_NEW(struct names);
    pthread_mutex_init(&n->lock, NULL);
    n->len = 1; /* 0 is no name */
    return n;
}

void names_destroy(struct names *n)
{
    if (!n)
        return;
    map_fini(&n->by_text);
    mem_free(n->by_id);
    arena_fini(&n->arena);
    pthread_mutex_destroy(&n->lock);
    mem_free(n);
}

static struct name *add(struct names *n, struct str text)
{
    if (n->len >= n->cap) {
        n->cap = n->cap ? n->cap * 2 : 256;
        n->by_id = mem_realloc(n->by_id, n->cap * sizeof(*n->by_id));
    }
    struct name *name = ARENA_NEW(&n->arena, struct name);
    *name = (struct name) { arena_str(&n->arena, text), n->len };
    n->by_id[n->len++] = name;
    map_put(&n->by_text, name->text, name);
    return name;
}

static uint32_t intern(struct names *n, struct str text, uint32_t most)
{
    char clean[NAME_LEN_MAX];
    if (!text.len)
        return 0;
    pthread_mutex_lock(&n->lock);
    struct name *name = map_get(&n->by_text, text);
    if (!name) {
        struct str cleaned = str_make(clean, text_clean(text, clean, sizeof(clean)));
        bool is_one_more = n->len < most;
        name = map_get(&n->by_text, cleaned);
        if (!name && !is_one_more)
            name = map_get(&n->by_text, OTHER_LABELS);
        if (!name)
            name = add(n, is_one_more ? cleaned : OTHER_LABELS);
    }
    uint32_t id = name->id;
    pthread_mutex_unlock(&n->lock);
    return id;
}

uint32_t names_intern(struct names *n, struct str text)
{
    return intern(n, text, UINT32_MAX);
}

uint32_t names_intern_label(struct names *n, struct str text)
{
    return intern(n, text, LABELS_MOST);
}

void names_texts(struct names *n, const uint32_t *ids, struct str *out, size_t count)
{
    pthread_mutex_lock(&n->lock);
    for (size_t i = 0; i < count; i++) {
        HZ_ASSERT(ids[i] < n->len);
        out[i] = ids[i] ? n->by_id[ids[i]]->text : STR("");
    }
    pthread_mutex_unlock(&n->lock);
}

uint32_t names_count(struct names *n)
{
    pthread_mutex_lock(&n->lock);
    uint32_t len = n->len;
    pthread_mutex_unlock(&n->lock);
    return len;
}
