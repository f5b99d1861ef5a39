#include "config/document.h"

#include <yaml.h>

struct reader {
    yaml_parser_t parser;
    struct arena *arena;
    const char *file;
    struct problems *problems;
    struct node *open[DOCUMENT_DEPTH_MAX]; /* the maps and lists around the next event */
    size_t depth;
    struct str key; /* of the next value of a map; at = NULL: the next scalar is a key */
    struct origin key_origin;
    struct node *root;
};

static struct origin place(const struct reader *r, yaml_mark_t mark)
{
    return (struct origin) { r->file, (int)mark.line + 1 };
}

static bool refuse(struct reader *r, struct origin at, const char *what)
{
    problem(r->problems, at, "%s", what);
    return false;
}

struct node *document_get(const struct node *map, struct str key)
{
    if (!map || map->kind != NODE_MAP)
        return NULL;
    for (struct node *child = map->first; child; child = child->next) {
        if (str_eq(child->key, key))
            return child;
    }
    return NULL;
}

const struct node *document_find(const struct node *map, struct str name)
{
    const struct node *node = map;
    while (node && name.at)
        node = document_get(node, str_cut(&name, '.'));
    return node;
}

struct origin document_place(const struct node *map, const char *name)
{
    const struct node *node = document_find(map, str_of(name));
    return node ? node->origin : map->origin;
}

static void append(struct node *parent, struct node *child)
{
    if (parent->last)
        parent->last->next = child;
    else
        parent->first = child;
    parent->last = child;
    parent->len++;
}

static struct node *node_add(struct reader *r, enum node_kind kind, yaml_mark_t mark)
{
    struct node *node = ARENA_NEW(r->arena, struct node);
    node->kind = kind;
    node->origin = place(r, mark);
    if (r->depth == 0) {
        r->root = node;
        return node;
    }
    struct node *parent = r->open[r->depth - 1];
    if (parent->kind == NODE_MAP) {
        node->key = r->key;
        node->origin = r->key_origin;
        r->key = STR_NONE;
    }
    append(parent, node);
    return node;
}

static bool on_start(struct reader *r, enum node_kind kind, yaml_mark_t mark)
{
    bool wants_key = r->depth && r->open[r->depth - 1]->kind == NODE_MAP && !r->key.at;
    if (wants_key)
        return refuse(r, place(r, mark), "a key must be plain text, not a list or a map");
    if (r->depth == DOCUMENT_DEPTH_MAX) {
        problem(r->problems, place(r, mark), "nested too deeply; allowed: %d levels",
                DOCUMENT_DEPTH_MAX);
        return false;
    }
    struct node *node = node_add(r, kind, mark);
    r->open[r->depth++] = node;
    return true;
}

static bool has_room(struct reader *r, yaml_mark_t mark)
{
    if (r->depth == 0 || r->open[r->depth - 1]->len < DOCUMENT_ENTRIES_MAX)
        return true;
    problem(r->problems, place(r, mark), "too many entries; allowed: %d in one map or list",
            DOCUMENT_ENTRIES_MAX);
    return false;
}

static bool on_key(struct reader *r, struct str key, yaml_mark_t mark)
{
    struct node *parent = r->open[r->depth - 1];
    struct node *twin = document_get(parent, key);
    r->key = key;
    r->key_origin = place(r, mark);
    if (!twin)
        return true;
    problem(r->problems, place(r, mark),
            "'%.*s' stands here a second time; the first is on line %d",
            STR_ARG(problem_quote(r->arena, key)), twin->origin.line);
    return true;
}

static bool is_null_text(const yaml_event_t *event, struct str text)
{
    return event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (text.len == 0 || str_is(text, "~") || str_is(text, "null"));
}

static bool on_scalar(struct reader *r, const yaml_event_t *event)
{
    struct str text = arena_str(
        r->arena, str_make((const char *)event->data.scalar.value, event->data.scalar.length));
    if (!has_room(r, event->start_mark))
        return false;
    if (text.len && memchr(text.at, '\0', text.len))
        return refuse(r, place(r, event->start_mark), "a text may not hold a NUL character");
    if (r->depth && r->open[r->depth - 1]->kind == NODE_MAP && !r->key.at)
        return on_key(r, text, event->start_mark);
    struct node *node = node_add(r, NODE_SCALAR, event->start_mark);
    node->text = text;
    node->is_null = is_null_text(event, text);
    return true;
}

/* Anchors make one line mean several places, tags change types: neither helps a reader. */
static bool is_plain_yaml(struct reader *r, const yaml_event_t *event)
{
    const unsigned char *anchor = NULL, *tag = NULL;
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
        break;
    case YAML_ALIAS_EVENT:
        return refuse(r, place(r, event->start_mark),
                      "YAML aliases (*name) are not supported; write the value out");
    default: break;
    }
    if (anchor)
        return refuse(r, place(r, event->start_mark),
                      "YAML anchors (&name) are not supported; write the value out");
    if (tag)
        return refuse(r, place(r, event->start_mark), "YAML tags (!name) are not supported");
    return true;
}

static bool on_event(struct reader *r, const yaml_event_t *event)
{
    if (!is_plain_yaml(r, event))
        return false;
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (r->root)
            return refuse(r, place(r, event->start_mark),
                          "a second document begins; allowed: one document a file");
        return true;
    case YAML_SCALAR_EVENT: return on_scalar(r, event);
    case YAML_MAPPING_START_EVENT:
        return has_room(r, event->start_mark) && on_start(r, NODE_MAP, event->start_mark);
    case YAML_SEQUENCE_START_EVENT:
        return has_room(r, event->start_mark) && on_start(r, NODE_LIST, event->start_mark);
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT: r->depth--; return true;
    default: return true;
    }
}

static bool read_events(struct reader *r)
{
    for (;;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&r->parser, &event)) {
            yaml_mark_t mark = r->parser.problem_mark;
            problem(r->problems, place(r, mark), "not valid YAML: %s",
                    r->parser.problem ? r->parser.problem : "unreadable text");
            return false;
        }
        bool is_end = event.type == YAML_STREAM_END_EVENT;
        bool is_good = on_event(r, &event);
        yaml_event_delete(&event);
        if (!is_good || is_end)
            return is_good;
    }
}

struct node *document_parse(struct arena *a, struct str text, const char *file,
                            struct problems *problems)
{
    struct reader r = { .arena = a, .file = file, .problems = problems };
    struct origin top = { file, 1 };
    if (text.len > DOCUMENT_BYTES_MAX) {
        problem(problems, top, "the file has %zu bytes; allowed: %d", text.len, DOCUMENT_BYTES_MAX);
        return NULL;
    }
    HZ_ASSERT(yaml_parser_initialize(&r.parser));
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text.at, text.len);
    size_t before = problems->count;
    bool is_read = read_events(&r) && problems->count == before;
    yaml_parser_delete(&r.parser);
    if (!is_read)
        return NULL;
    if (!r.root || r.root->is_null) {
        r.root = ARENA_NEW(a, struct node);
        r.root->kind = NODE_MAP;
        r.root->origin = top;
    }
    if (r.root->kind == NODE_MAP)
        return r.root;
    problem(problems, top, "the file must be a map of sections (server:, store:, providers:, ...)");
    return NULL;
}

static void replace(struct node *map, struct node *old, struct node *node)
{
    struct node *next = old->next, *before = NULL;
    for (struct node *child = map->first; child != old; child = child->next)
        before = child;
    if (before)
        before->next = node;
    else
        map->first = node;
    node->next = next;
    if (map->last == old)
        map->last = node;
}

struct node *document_take(struct node *map, struct str key)
{
    struct node *before = NULL, *taken = map->first;
    for (; taken && !str_eq(taken->key, key); taken = taken->next)
        before = taken;
    if (!taken)
        return NULL;
    if (before)
        before->next = taken->next;
    else
        map->first = taken->next;
    if (map->last == taken)
        map->last = before;
    map->len--;
    taken->next = NULL;
    return taken;
}

/* Recursion is bounded: no tree is deeper than DOCUMENT_DEPTH_MAX. */
void document_merge(struct node *under, struct node *over)
{
    for (struct node *child = over->first, *next; child; child = next) {
        next = child->next;
        child->next = NULL;
        struct node *old = document_get(under, child->key);
        if (!old)
            append(under, child);
        else if (old->kind == NODE_MAP && child->kind == NODE_MAP)
            document_merge(old, child);
        else
            replace(under, old, child);
    }
}

static struct node *put(struct arena *a, struct node *map, struct str key, enum node_kind kind)
{
    struct node *node = ARENA_NEW(a, struct node);
    *node = (struct node) { .kind = kind, .key = arena_str(a, key), .origin = map->origin };
    struct node *old = document_get(map, key);
    if (old)
        replace(map, old, node);
    else
        append(map, node);
    return node;
}

bool document_set(struct arena *a, struct node *root, struct str name, struct str text,
                  struct origin origin)
{
    struct node *map = root;
    struct str rest = name;
    struct str part = str_cut(&rest, '.');
    for (; rest.at; part = str_cut(&rest, '.')) {
        struct node *child = document_get(map, part);
        if (!child || child->is_null)
            child = put(a, map, part, NODE_MAP);
        if (child->kind != NODE_MAP)
            return false;
        map = child;
    }
    struct node *old = document_get(map, part);
    if (old && old->kind != NODE_SCALAR)
        return false;
    struct node *node = put(a, map, part, NODE_SCALAR);
    node->text = arena_str(a, text);
    node->origin = origin;
    return true;
}
