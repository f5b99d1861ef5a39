#include "test.h"

#include "sim/script.h"

static int64_t status_of(struct script *s, const char *model, const char *path)
{
    struct arena arena = { 0 };
    struct behaviour b;
    behaviour_init(&b);
    script_apply(s, &arena, str_of(model), str_of(path), &b);
    arena_fini(&arena);
    return b.status;
}

static struct script *script_of(const char *json)
{
    struct script *s = NULL;
    struct fail fail = { 0 };
    CHECK_OK(script_create(str_of(json), &s, &fail));
    return s;
}

TEST(rules_apply_by_model_path_and_count)
{
    struct script *s = script_of(
        "[{\"match\":{\"model\":\"gpt*\",\"nth\":1},\"do\":\"status=503\"},"
        " {\"match\":{\"model\":\"gpt*\",\"nth\":[2,3]},\"do\":{\"status\":429}},"
        " {\"match\":{\"path\":\"*/embeddings\"},\"do\":{\"status\":500,\"no_done\":true}}]");
    CHECK_EQ(status_of(s, "phi-4", "/v1/chat/completions"), -1);
    CHECK_EQ(status_of(s, "gpt-4o", "/v1/chat/completions"), 503);
    CHECK_EQ(status_of(s, "gpt-4o-mini", "/v1/chat/completions"), 429);
    CHECK_EQ(status_of(s, "gpt-4o", "/v1/chat/completions"), 429);
    CHECK_EQ(status_of(s, "gpt-4o", "/v1/chat/completions"), -1);
    CHECK_EQ(status_of(s, "gpt-4o", "/v1/embeddings"), 500);
    script_rewind(s);
    CHECK_EQ(status_of(s, "gpt-4o", "/v1/chat/completions"), 503);
    script_destroy(s);
}

TEST(an_open_range_lasts)
{
    struct script *s =
        script_of("{\"rules\":[{\"match\":{\"nth\":[2,null]},\"do\":\"status=500\"}]}");
    CHECK_EQ(status_of(s, "a", "/"), -1);
    CHECK_EQ(status_of(s, "a", "/"), 500);
    CHECK_EQ(status_of(s, "a", "/"), 500);
    script_destroy(s);
}

TEST(no_text_is_no_rules)
{
    struct script *s = script_of("");
    CHECK_EQ(status_of(s, "a", "/"), -1);
    script_destroy(s);
}

TEST(a_mistake_names_its_rule)
{
    static const struct {
        const char *json, *says;
    } wrong[] = {
        { "[", "script" },
        { "3", "list" },
        { "[{\"do\":\"reset\"},{\"do\":\"rest\"}]", "rule 2" },
        { "[{\"match\":{\"modl\":\"x\"},\"do\":\"reset\"}]", "model, path and nth" },
        { "[{\"match\":{\"nth\":0},\"do\":\"reset\"}]", "nth" },
        { "[{\"match\":{\"nth\":[1]},\"do\":\"reset\"}]", "nth" },
        { "[{\"match\":{}}]", "do" },
        { "[5]", "rule 1" },
    };
    for (size_t i = 0; i < HZ_LEN(wrong); i++) {
        struct script *s = NULL;
        struct fail fail = { 0 };
        CHECK_ERR(script_create(str_of(wrong[i].json), &s, &fail), ERR_CONFIG);
        CHECK(str_find(str_of(fail.text), str_of(wrong[i].says)) != SIZE_MAX);
        CHECK(!s);
    }
}

RUN_TESTS(T(rules_apply_by_model_path_and_count), T(an_open_range_lasts), T(no_text_is_no_rules),
          T(a_mistake_names_its_rule))
