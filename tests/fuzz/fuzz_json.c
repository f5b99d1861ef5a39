/* We and jansson accept the same documents, except for the differences named below, and read the
 * same values from them; whatever is edited stays a valid document. */

#include "fuzz.h"

/* Both libraries name their kinds alike: jansson's get another name here. */
#define json_type jansson_type
#define JSON_OBJECT JANSSON_OBJECT
#define JSON_ARRAY JANSSON_ARRAY
#define JSON_STRING JANSSON_STRING
#define JSON_NULL JANSSON_NULL
#include <jansson.h>
#undef JSON_OBJECT
#undef JSON_ARRAY
#undef JSON_STRING
#undef JSON_NULL
#undef json_is_true
#undef json_is_null

#include "wire/json.h"

/* RFC 8259 allows these, jansson cannot hold them. */
static bool is_limit_of_jansson(const json_error_t *error)
{
    enum json_error_code code = json_error_code(error);
    return code == json_error_numeric_overflow || code == json_error_null_byte_in_key ||
           strstr(error->text, "invalid Unicode");
}

/* What we refuse although it is JSON. */
static bool is_limit_of_ours(const struct fail *fail)
{
    return strstr(fail->text, "same name") || strstr(fail->text, "too deep") ||
           strstr(fail->text, "too many") || strstr(fail->text, "too long");
}

static void check_same(struct str value, const json_t *tree);

static void check_same_array(struct str value, const json_t *tree)
{
    struct json_iter it;
    struct str element;
    size_t i = 0;
    json_iter_init(&it, value);
    while (json_next_element(&it, &element))
        check_same(element, json_array_get(tree, i++));
    HZ_ASSERT(i == json_array_size(tree) && i == json_len(value));
}

/* jansson keeps the last of several members of one name. */
static void check_same_object(struct str value, json_t *tree)
{
    const char *name;
    json_t *member;
    HZ_ASSERT(json_len(value) >= json_object_size(tree));
    json_object_foreach(tree, name, member)
    {
        struct json_iter it;
        struct str key, val, last = STR_NONE;
        json_iter_init(&it, value);
        while (json_next_member(&it, &key, &val)) {
            if (json_key_is(key, name))
                last = val;
        }
        check_same(last, member);
    }
}

static void check_same_string(struct str value, const json_t *tree)
{
    struct arena a = { 0 };
    struct buf b = { 0 };
    struct str expected = { json_string_value(tree), json_string_length(tree) };
    HZ_ASSERT(str_eq(json_to_str(&a, value), expected));
    HZ_ASSERT(json_str_append(value, &b) && str_eq(buf_str(&b), expected));
    buf_fini(&b);
    arena_fini(&a);
}

static void check_same(struct str value, const json_t *tree)
{
    int64_t number;
    struct fail fail = { 0 };
    HZ_ASSERT(json_trim(value).len == value.len);
    HZ_ASSERT(json_kind(value) == JSON_OBJECT || json_check(value, &fail) == OK);
    switch (json_typeof(tree)) {
    case JANSSON_OBJECT: check_same_object(value, (json_t *)(uintptr_t)tree); break;
    case JANSSON_ARRAY: check_same_array(value, tree); break;
    case JANSSON_STRING: check_same_string(value, tree); break;
    case JSON_INTEGER:
        HZ_ASSERT(json_to_i64(value, &number) && number == json_integer_value(tree));
        break;
    case JSON_REAL:
        if (json_to_i64(value, &number) && number < 1LL << 53 && number > -(1LL << 53))
            HZ_ASSERT((double)number == json_real_value(tree));
        break;
    case JSON_TRUE: HZ_ASSERT(json_is_true(value)); break;
    case JSON_FALSE: HZ_ASSERT(str_is(value, "false")); break;
    case JANSSON_NULL: HZ_ASSERT(json_is_null(value)); break;
    }
}

/* Whatever the bytes are, walking them stays inside. */
static void walk_unchecked(struct str text)
{
    struct arena a = { 0 };
    struct json_iter it;
    struct str key, value;
    int64_t number;
    json_iter_init(&it, text);
    while (json_next_member(&it, &key, &value)) {
        json_key_is(key, "a\xC3\xA9");
        json_to_str(&a, value);
        json_to_str(&a, key);
        json_to_i64(value, &number);
        json_len(value);
    }
    json_iter_init(&it, text);
    while (json_next_element(&it, &value)) {
        json_to_str(&a, value);
        json_path(value, "a.b");
        json_to_i64(value, &number);
    }
    json_to_str(&a, text);
    arena_fini(&a);
}

/* Removes the members that the bits of `which` select, replaces others, adds one. */
static void check_edits(struct str doc, unsigned which)
{
    struct json_edits *e = MEM_NEW(struct json_edits);
    struct json_iter it;
    struct str key, value;
    struct buf out = { 0 };
    struct fail fail = { 0 };
    size_t expected = json_len(doc) + 1;
    json_iter_init(&it, doc);
    for (unsigned i = 0; json_next_member(&it, &key, &value); i++) {
        if (which >> (i % 16) & 1) {
            json_remove_member(e, doc, doc, key);
            expected--;
        } else if (which >> (i % 16) & 2) {
            json_replace(e, doc, value, STR("[\"r\"]"));
        } else if (json_kind(value) == JSON_OBJECT) {
            json_add_member(e, doc, value, STR("\"inner\":1"));
        }
    }
    json_add_member(e, doc, doc, STR("\"added by the fuzzer\":2"));
    if (!e->is_full) {
        json_apply(e, doc, &out);
        HZ_ASSERT(json_check(buf_str(&out), &fail) == OK || is_limit_of_ours(&fail));
        HZ_ASSERT(json_len(buf_str(&out)) == expected);
    }
    buf_fini(&out);
    mem_free(e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = { (const char *)data, size };
    struct fail fail = { 0 };
    json_error_t error;
    enum err err = json_check(text, &fail);
    HZ_ASSERT(err == fail.err);
    walk_unchecked(text);
    json_t *tree = json_loadb(text.at, text.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    /* jansson takes a NUL byte outside of strings for the end of the text. */
    bool has_nul = str_find_char(text, '\0') != SIZE_MAX;
    HZ_ASSERT(!tree || err == OK || has_nul || is_limit_of_ours(&fail));
    HZ_ASSERT(tree || err != OK || is_limit_of_jansson(&error));
    if (!err && tree)
        check_same(json_trim(text), tree);
    if (!err && json_kind(json_trim(text)) == JSON_OBJECT)
        check_edits(json_trim(text), (unsigned)str_hash(text));
    json_decref(tree);
    return 0;
}
