#include "sim/schema.h"

#include "wire/json.h"

enum { REF_HOPS_MAX = 8, ITEMS_MAX = 16, OUT_BYTES_MAX = 256 * 1024 };

/* An object or array that is being written. */
struct frame {
    struct str properties;
    struct json_iter required;
    struct str items;
    int64_t items_left;
    bool is_array;
    bool is_begun; /* a member or element stands already */
};

struct filler {
    struct arena *arena;
    struct str root;
    struct buf *out;
    struct frame frames[SCHEMA_DEPTH_MAX];
    size_t depth;
};

/* "#/$defs/Name" */
static struct str follow(struct filler *f, struct str pointer)
{
    struct str at = f->root;
    str_cut(&pointer, '/');
    while (pointer.len)
        at = json_get(at, arena_cstr(f->arena, str_cut(&pointer, '/')));
    return at;
}

static struct str first_of(struct str list)
{
    struct json_iter it;
    struct str first = STR_NONE;
    if (json_kind(list) != JSON_ARRAY)
        return STR_NONE;
    json_iter_init(&it, list);
    return json_next_element(&it, &first) ? first : STR_NONE;
}

/* Through references and alternatives to a schema with a type of its own. */
static struct str resolve(struct filler *f, struct str schema)
{
    static const char *const alternatives[] = { "anyOf", "oneOf", "allOf" };
    for (int hops = 0; hops < REF_HOPS_MAX; hops++) {
        struct str next = STR_NONE;
        struct str ref = json_to_str(f->arena, json_get(schema, "$ref"));
        if (ref.at)
            next = follow(f, ref);
        for (size_t i = 0; !next.at && i < HZ_LEN(alternatives); i++)
            next = first_of(json_get(schema, alternatives[i]));
        if (!next.at)
            break;
        schema = next;
    }
    return schema;
}

static void fill_string(struct filler *f, struct str schema)
{
    static const struct {
        const char *format, *example;
    } formats[] = {
        { "date", "2026-01-01" },
        { "date-time", "2026-01-01T00:00:00Z" },
        { "email", "simulated@example.com" },
        { "ipv4", "192.0.2.1" },
        { "time", "00:00:00Z" },
        { "uri", "https://example.com/" },
        { "uuid", "00000000-0000-4000-a000-000000000000" },
    };
    struct str format = json_to_str(f->arena, json_get(schema, "format"));
    for (size_t i = 0; i < HZ_LEN(formats); i++) {
        if (format.at && str_is(format, formats[i].format)) {
            buf_add_json(f->out, str_of(formats[i].example));
            return;
        }
    }
    static const char text[] = "simulated";
    int64_t least = 0, most = INT64_MAX;
    (void)json_to_i64(json_get(schema, "minLength"), &least);
    (void)json_to_i64(json_get(schema, "maxLength"), &most);
    int64_t len = HZ_MIN(HZ_MAX((int64_t)sizeof(text) - 1, HZ_MIN(least, 65536)), HZ_MAX(most, 0));
    buf_add_char(f->out, '"');
    for (int64_t i = 0; i < len; i++)
        buf_add_char(f->out, text[(size_t)i % (sizeof(text) - 1)]);
    buf_add_char(f->out, '"');
}

/* 1 where it fits, else a bound. Bounds are copied as they are written. */
static void fill_number(struct filler *f, struct str schema)
{
    struct str minimum = json_get(schema, "minimum");
    struct str maximum = json_get(schema, "maximum");
    struct str multiple = json_get(schema, "multipleOf");
    int64_t exclusive;
    if (multiple.at && !minimum.at)
        buf_add(f->out, multiple);
    else if (json_to_i64(json_get(schema, "exclusiveMinimum"), &exclusive))
        buf_add_i64(f->out, exclusive + 1);
    else if (minimum.at)
        buf_add(f->out, minimum);
    else
        buf_add(f->out, maximum.at ? maximum : STR("1"));
}

static void push_object(struct filler *f, struct str schema)
{
    struct frame *frame = &f->frames[f->depth++];
    struct str required = json_get(schema, "required");
    *frame = (struct frame) { .properties = json_get(schema, "properties") };
    json_iter_init(&frame->required, json_kind(required) == JSON_ARRAY ? required : STR("[]"));
    buf_add_char(f->out, '{');
}

static void push_array(struct filler *f, struct str schema)
{
    struct frame *frame = &f->frames[f->depth++];
    int64_t least = 1, most = ITEMS_MAX;
    (void)json_to_i64(json_get(schema, "minItems"), &least);
    (void)json_to_i64(json_get(schema, "maxItems"), &most);
    *frame = (struct frame) { .is_array = true, .items = json_get(schema, "items") };
    frame->items_left = HZ_MIN(HZ_MAX(least, 1), HZ_MIN(HZ_MAX(most, 0), ITEMS_MAX));
    buf_add_char(f->out, '[');
}

static struct str type_of(struct filler *f, struct str schema)
{
    struct str type = json_get(schema, "type");
    if (json_kind(type) == JSON_ARRAY)
        type = first_of(type);
    struct str name = json_to_str(f->arena, type);
    if (name.at)
        return name;
    return json_get(schema, "properties").at ? STR("object")
           : json_get(schema, "items").at    ? STR("array")
                                             : STR("string");
}

/* Writes a value whole, or opens an object or array. */
static void fill_value(struct filler *f, struct str schema)
{
    schema = resolve(f, schema);
    struct str fixed = json_get(schema, "const");
    if (!fixed.at)
        fixed = first_of(json_get(schema, "enum"));
    struct str type = type_of(f, schema);
    if (fixed.at)
        buf_add(f->out, fixed);
    else if (f->depth == SCHEMA_DEPTH_MAX || f->out->len > OUT_BYTES_MAX || str_is(type, "null"))
        buf_add(f->out, STR("null"));
    else if (str_is(type, "object"))
        push_object(f, schema);
    else if (str_is(type, "array"))
        push_array(f, schema);
    else if (str_is(type, "boolean"))
        buf_add(f->out, STR("true"));
    else if (str_is(type, "integer") || str_is(type, "number"))
        fill_number(f, schema);
    else
        fill_string(f, schema);
}

/* The schema of the next member or element, its key written; false at the end. */
static bool next_value(struct filler *f, struct frame *frame, struct str *schema)
{
    if (frame->is_array) {
        if (frame->items_left-- == 0)
            return false;
        *schema = frame->items;
    } else {
        struct str name;
        if (!json_next_element(&frame->required, &name))
            return false;
        struct str key = json_to_str(f->arena, name);
        *schema = key.at ? json_get(frame->properties, arena_cstr(f->arena, key)) : STR_NONE;
        buf_add(f->out, frame->is_begun ? STR(",") : STR(""));
        buf_add(f->out, name);
        buf_add_char(f->out, ':');
        frame->is_begun = true;
        return true;
    }
    buf_add(f->out, frame->is_begun ? STR(",") : STR(""));
    frame->is_begun = true;
    return true;
}

void schema_fill(struct arena *a, struct str schema, struct buf *out)
{
    struct filler *f = ARENA_NEW(a, struct filler);
    *f = (struct filler) { .arena = a, .root = schema, .out = out };
    fill_value(f, schema);
    while (f->depth) {
        struct frame *frame = &f->frames[f->depth - 1];
        struct str next;
        if (next_value(f, frame, &next)) {
            fill_value(f, next);
            continue;
        }
        buf_add_char(out, frame->is_array ? ']' : '}');
        f->depth--;
    }
}
