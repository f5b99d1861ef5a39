#include "test.h"

#include "llm/splice.h"

/* Walks the object; drops members d, d2, ..., replaces the value of r, adds what is told. */
static void check_splice(const char *doc, const char *add, const char *expected)
{
    struct buf out = { 0 };
    struct splice s;
    struct splice_object o;
    splice_init(&s, str_of(doc), &out);
    splice_walk(&o, &s, str_of(doc));
    while (splice_next(&o)) {
        if (KEY_IS(o.key, "d") || str_starts(o.key.text, STR("d")))
            splice_drop(&o);
        else if (KEY_IS(o.key, "r"))
            splice_replace(&s, o.value, STR("9"));
    }
    for (; *add; add++)
        splice_add(&o, (char[]) { *add, '\0' }, STR("7"));
    splice_end(&s);
    CHECK_STR(buf_str(&out), expected);
    buf_fini(&out);
}

TEST(what_is_not_touched_is_copied)
{
    check_splice("{ \"a\" : [1, 2] ,\n\"b\":{} }", "", "{ \"a\" : [1, 2] ,\n\"b\":{} }");
    check_splice("{}", "", "{}");
}

TEST(members_go_with_their_comma_wherever_they_stand)
{
    check_splice("{\"d\":1,\"a\":2}", "", "{\"a\":2}");
    check_splice("{\"a\":2,\"d\":1}", "", "{\"a\":2}");
    check_splice("{\"a\":2 , \"d\":1 , \"b\":3}", "", "{\"a\":2 , \"b\":3}");
    check_splice("{\"d\":1,\"d2\":1,\"a\":2,\"d3\":1,\"d4\":1}", "", "{\"a\":2}");
    check_splice("{ \"d\" : 1 }", "", "{  }");
    check_splice("{\"d\":1,\"d2\":2}", "", "{}");
}

TEST(members_are_added_behind_what_stays)
{
    check_splice("{}", "x", "{\"x\":7}");
    check_splice("{ }", "xy", "{\"x\":7,\"y\":7 }");
    check_splice("{\"a\":1 }", "xy", "{\"a\":1,\"x\":7,\"y\":7 }");
    check_splice("{\"d\":1}", "xy", "{\"x\":7,\"y\":7}");
    check_splice("{\"a\":1,\"d\":1}", "x", "{\"a\":1,\"x\":7}");
    check_splice("{\"d\":1,\"r\":1}", "x", "{\"r\":9,\"x\":7}");
}

TEST(keys_with_escapes_are_known_by_what_they_say)
{
    check_splice("{\"\\u0064\":1,\"\\u0072\":2,\"\\\\d\":3}", "", "{\"\\u0072\":9,\"\\\\d\":3}");
}

RUN_TESTS(T(what_is_not_touched_is_copied), T(members_go_with_their_comma_wherever_they_stand),
          T(members_are_added_behind_what_stays), T(keys_with_escapes_are_known_by_what_they_say))
