#include "test.h"

#include "wire/json.h"

static struct json_edits *edits_new(void)
{
    static struct json_edits e;
    e.len = 0;
    e.is_full = false;
    return &e;
}

/* Removes the members named by the letters of `remove` from the top level, adds those of `add`. */
static char *edited(const char *text, const char *remove, const char *add)
{
    struct str doc = str_of(text), key, value;
    struct json_edits *e = edits_new();
    char members[8][16];
    for (size_t i = 0; add[i]; i++) {
        snprintf(members[i], sizeof(members[i]), "\"%c\":0", add[i]);
        json_add_member(e, doc, doc, str_of(members[i]));
    }
    for (size_t i = 0; remove[i]; i++) {
        char name[2] = { remove[i], 0 };
        struct json_iter it;
        json_iter_init(&it, doc);
        while (json_next_member(&it, &key, &value)) {
            if (json_key_is(key, name))
                json_remove_member(e, doc, doc, key);
        }
    }
    struct buf out = { 0 };
    json_apply(e, doc, &out);
    return buf_take(&out);
}

static void check_edited(const char *doc, const char *remove, const char *add, const char *expected)
{
    char *got = edited(doc, remove, add);
    assert_string_equal(got, expected);
    mem_free(got);
}

TEST(replacing_leaves_every_other_byte)
{
    struct str doc = STR("{ \"model\" : \"auto\",\n\t\"x\":[1, 2 ],\"stream\":true}");
    struct json_edits *e = edits_new();
    json_replace(e, doc, json_get(doc, "stream"), STR("false"));
    json_replace(e, doc, json_get(doc, "model"), STR("\"phi-4\""));
    struct buf out = { 0 };
    json_apply(e, doc, &out);
    CHECK_STR(buf_str(&out), "{ \"model\" : \"phi-4\",\n\t\"x\":[1, 2 ],\"stream\":false}");
    buf_fini(&out);
}

TEST(commas_come_out_right_whatever_is_removed)
{
    const char *doc = "{\"a\":1, \"b\":[2] , \"c\":\"}\"}";
    check_edited(doc, "a", "", "{ \"b\":[2] , \"c\":\"}\"}");
    check_edited(doc, "b", "", "{\"a\":1 , \"c\":\"}\"}");
    check_edited(doc, "c", "", "{\"a\":1, \"b\":[2] }");
    check_edited("{\"a\":1,\"b\":2,\"c\":3}", "ab", "", "{\"c\":3}");
    check_edited("{\"a\":1,\"b\":2,\"c\":3}", "cb", "", "{\"a\":1}");
    check_edited("{\"a\":1,\"b\":2,\"c\":3}", "ca", "", "{\"b\":2}");
    check_edited("{\"a\":1,\"b\":2,\"c\":3}", "bac", "", "{}");
}

TEST(members_are_added_last_and_in_order)
{
    check_edited("{}", "", "xy", "{\"x\":0,\"y\":0}");
    check_edited("{ }", "", "x", "{ \"x\":0}");
    check_edited("{\"a\":{} \n}", "", "xy", "{\"a\":{},\"x\":0,\"y\":0 \n}");
    check_edited("{\"a\":1}", "a", "xy", "{\"x\":0,\"y\":0}");
    check_edited("{\"a\":1,\"b\":2}", "b", "x", "{\"a\":1,\"x\":0}");
    check_edited("{\"a\":1,\"b\":2}", "a", "x", "{\"b\":2,\"x\":0}");
}

TEST(every_subset_of_edits_gives_the_document_it_should)
{
    static const char *const adds[] = { "", "x", "xy" };
    for (unsigned removed = 0; removed < 16; removed++) {
        for (unsigned added = 0; added < 3; added++) {
            char remove[8] = "", expected[64] = "{";
            size_t n = 0, kept = 0;
            for (int i = 0; i < 4; i++) {
                if (removed & 1u << i) {
                    remove[n++] = (char)('a' + i);
                } else {
                    snprintf(expected + strlen(expected), 16, "%s\"%c\":%d", kept++ ? "," : "", 'a' + i, i);
                }
            }
            for (unsigned i = 0; i < added; i++)
                snprintf(expected + strlen(expected), 16, "%s\"%c\":0", kept++ ? "," : "", 'x' + i);
            remove[n] = '\0';
            strcat(expected, "}");
            check_edited("{\"a\":0,\"b\":1,\"c\":2,\"d\":3}", remove, adds[added],
                         expected);
        }
    }
}

TEST(nested_objects_are_edited_beside_their_parents)
{
    struct str doc = STR("{\"o\":{},\"p\":{\"q\":1}}");
    struct json_edits *e = edits_new();
    struct str o = json_get(doc, "o"), p = json_get(doc, "p"), key, value;
    struct json_iter it;
    json_iter_init(&it, p);
    CHECK(json_next_member(&it, &key, &value));
    json_remove_member(e, doc, p, key);
    json_add_member(e, doc, doc, STR("\"z\":9"));
    json_add_member(e, doc, o, STR("\"in\":1"));
    json_add_member(e, doc, p, STR("\"r\":2"));
    struct buf out = { 0 };
    json_apply(e, doc, &out);
    CHECK_STR(buf_str(&out), "{\"o\":{\"in\":1},\"p\":{\"r\":2},\"z\":9}");
    buf_fini(&out);
}

TEST(edits_inside_a_removed_member_vanish_with_it)
{
    struct str doc = STR("{\"o\":{\"in\":1},\"p\":2}"), key, value;
    struct json_edits *e = edits_new();
    struct json_iter it;
    json_iter_init(&it, doc);
    CHECK(json_next_member(&it, &key, &value));
    json_replace(e, doc, json_path(doc, "o.in"), STR("7"));
    json_add_member(e, doc, value, STR("\"more\":1"));
    json_remove_member(e, doc, doc, key);
    struct buf out = { 0 };
    json_apply(e, doc, &out);
    CHECK_STR(buf_str(&out), "{\"p\":2}");
    buf_fini(&out);
}

TEST(one_edit_too_many_is_said)
{
    struct str doc = STR("[1]");
    struct json_edits *e = edits_new();
    for (int i = 0; i < JSON_EDITS_MAX; i++)
        json_replace(e, doc, str_make(doc.at + 1, 1), STR("2"));
    CHECK(!e->is_full);
    json_replace(e, doc, str_make(doc.at + 1, 1), STR("2"));
    CHECK(e->is_full);
    CHECK_EQ(e->len, JSON_EDITS_MAX);
}

RUN_TESTS(T(replacing_leaves_every_other_byte), T(commas_come_out_right_whatever_is_removed),
          T(members_are_added_last_and_in_order), T(every_subset_of_edits_gives_the_document_it_should),
          T(nested_objects_are_edited_beside_their_parents),
          T(edits_inside_a_removed_member_vanish_with_it), T(one_edit_too_many_is_said))
