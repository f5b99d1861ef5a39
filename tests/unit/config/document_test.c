#include "test.h"

#include "config/document.h"

struct fixture {
    struct arena arena;
    struct buf errors;
    struct problems problems;
};

static struct node *parse(struct fixture *f, const char *text)
{
    arena_fini(&f->arena);
    buf_clear(&f->errors);
    f->problems = (struct problems) { .errors = &f->errors, .arena = &f->arena };
    return document_parse(&f->arena, str_of(text), "f.yaml", &f->problems);
}

static void fini(struct fixture *f)
{
    arena_fini(&f->arena);
    buf_fini(&f->errors);
}

TEST(nodes_know_their_line)
{
    struct fixture f = { 0 };
    struct node *root =
        parse(&f, "server:\n  listen: \"a:1\"\n  loops: 2\nlist:\n  - x\n  - {a: b}\n");
    CHECK(root);
    struct node *loops = document_get(document_get(root, STR("server")), STR("loops"));
    CHECK_STR(loops->text, "2");
    CHECK_EQ(loops->origin.line, 3);
    struct node *list = document_get(root, STR("list"));
    CHECK_EQ(list->kind, NODE_LIST);
    CHECK_EQ(list->len, 2);
    CHECK_EQ(list->last->origin.line, 6);
    fini(&f);
}

TEST(null_is_told_from_the_word_in_quotes)
{
    struct fixture f = { 0 };
    struct node *root = parse(&f, "a:\nb: ~\nc: null\nd: \"null\"\ne: ''\n");
    CHECK(document_get(root, STR("a"))->is_null && document_get(root, STR("b"))->is_null);
    CHECK(document_get(root, STR("c"))->is_null);
    CHECK(!document_get(root, STR("d"))->is_null && !document_get(root, STR("e"))->is_null);
    fini(&f);
}

static void refused(struct fixture *f, const char *text, const char *message)
{
    CHECK(parse(f, text) == NULL);
    if (str_find(buf_str(&f->errors), str_of(message)) == SIZE_MAX)
        fail_msg("%s not in: %.*s", message, STR_ARG(buf_str(&f->errors)));
}

TEST(what_is_not_plain_yaml_is_refused_with_its_line)
{
    struct fixture f = { 0 };
    refused(&f, "a: 1\nb: &x 2\n", "f.yaml:2: YAML anchors");
    refused(&f, "a: 1\nb: *x\n", "f.yaml:2: YAML aliases");
    refused(&f, "a: !!int 1\n", "f.yaml:1: YAML tags");
    refused(&f, "a: 1\nb: 2\na: 3\n",
            "f.yaml:3: 'a' stands here a second time; the first is on line 1");
    refused(&f, "a: 1\n---\nb: 2\n", "f.yaml:2: a second document");
    refused(&f, "a: [1\n", "f.yaml:2: not valid YAML");
    refused(&f, "[a]: 1\n", "a key must be plain text");
    refused(&f, "- a\n", "must be a map of sections");
    refused(&f, "a: \"x\\0y\"\n", "NUL");
    refused(&f, "a: \xff\n", "not valid YAML");
    fini(&f);
}

TEST(depth_size_and_entries_are_bounded)
{
    struct fixture f = { 0 };
    refused(&f, "a: [[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]\n", "nested too deeply; allowed: 16");
    CHECK(parse(&f, "a: [[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]\n"));
    struct buf many = { 0 };
    for (int i = 0; i <= DOCUMENT_ENTRIES_MAX; i++)
        buf_addf(&many, "- %d\n", i);
    buf_add_char(&many, '\0');
    refused(&f, many.at, "f.yaml:2001: too many entries; allowed: 2000");
    buf_clear(&many);
    buf_reserve(&many, DOCUMENT_BYTES_MAX + 2);
    memset(many.at, '#', DOCUMENT_BYTES_MAX + 1);
    many.at[DOCUMENT_BYTES_MAX + 1] = '\0';
    refused(&f, many.at, "the file has 1048577 bytes; allowed: 1048576");
    buf_fini(&many);
    fini(&f);
}

TEST(an_empty_document_is_an_empty_map)
{
    struct fixture f = { 0 };
    CHECK_EQ(parse(&f, "# nothing\n")->len, 0);
    CHECK_EQ(parse(&f, "")->kind, NODE_MAP);
    fini(&f);
}

TEST(maps_merge_and_lists_replace)
{
    struct fixture f = { 0 };
    struct node *under = parse(&f, "s: {a: 1, b: 2}\nl: [1, 2]\nk: 1\n");
    struct node *over = document_parse(&f.arena, STR("s: {b: 3, c: 4}\nl: [9]\nk: {x: y}\n"),
                                       "o.yaml", &f.problems);
    document_merge(under, over);
    struct node *s = document_get(under, STR("s"));
    CHECK_EQ(s->len, 3);
    CHECK_STR(document_get(s, STR("a"))->text, "1");
    CHECK_STR(document_get(s, STR("b"))->text, "3");
    CHECK_STR(str_of(document_get(s, STR("b"))->origin.file), "o.yaml");
    CHECK_STR(document_get(s, STR("c"))->text, "4");
    CHECK_EQ(document_get(under, STR("l"))->len, 1);
    CHECK_EQ(document_get(under, STR("k"))->kind, NODE_MAP);
    fini(&f);
}

TEST(setting_a_dotted_name_makes_the_way_and_spares_lists)
{
    struct fixture f = { 0 };
    struct node *root = parse(&f, "l: [1]\ns:\n");
    struct origin at = { "X", 0 };
    CHECK(document_set(&f.arena, root, STR("s.a"), STR("1"), at));
    CHECK(document_set(&f.arena, root, STR("s.a"), STR("2"), at));
    CHECK(document_set(&f.arena, root, STR("n.b"), STR("3"), at));
    CHECK(!document_set(&f.arena, root, STR("l.b"), STR("3"), at));
    CHECK(!document_set(&f.arena, root, STR("s"), STR("3"), at));
    CHECK_STR(document_get(document_get(root, STR("s")), STR("a"))->text, "2");
    CHECK_STR(document_get(document_get(root, STR("n")), STR("b"))->text, "3");
    fini(&f);
}

TEST(taking_a_child_leaves_the_others)
{
    struct fixture f = { 0 };
    struct node *root = parse(&f, "a: 1\nb: 2\nc: 3\n");
    CHECK_STR(document_take(root, STR("c"))->text, "3");
    CHECK_STR(document_take(root, STR("a"))->text, "1");
    CHECK(document_take(root, STR("a")) == NULL);
    CHECK(document_set(&f.arena, root, STR("d"), STR("4"), (struct origin) { 0 }));
    CHECK_EQ(root->len, 2);
    CHECK_STR(document_get(root, STR("b"))->text, "2");
    CHECK_STR(document_get(root, STR("d"))->text, "4");
    fini(&f);
}

RUN_TESTS(T(nodes_know_their_line), T(null_is_told_from_the_word_in_quotes),
          T(what_is_not_plain_yaml_is_refused_with_its_line), T(depth_size_and_entries_are_bounded),
          T(an_empty_document_is_an_empty_map), T(maps_merge_and_lists_replace),
          T(setting_a_dotted_name_makes_the_way_and_spares_lists),
          T(taking_a_child_leaves_the_others))
