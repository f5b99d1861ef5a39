#ifndef HZ_TESTS_UNIT_LLM_FIXTURE_H
#define HZ_TESTS_UNIT_LLM_FIXTURE_H
/* fixture - a provider, a deployment and a request that tests bend to their needs. */

#include "test.h"

#include "llm/llm.h"
#include "wire/json.h"

struct fixture {
    struct arena arena;
    struct provider provider;
    struct model model;
    struct deployment deployment;
    struct llm_request request;
    struct llm_answer_options options;
    struct llm_answer answer;
    struct buf out;
    struct fail fail;
};

/* A deployment that takes everything, so that nothing but the model's name has to change. */
static inline void fixture_init(struct fixture *f, enum dialect dialect)
{
    *f = (struct fixture) {
        .provider = { .name = STR("p"), .kind = PROVIDER_OPENAI, .dialect = dialect,
                      .key = STR("secret") },
        .model = { .name = STR("m") },
        .deployment = { .name = STR("dep"),
                        .caps = { .has_tools = true, .has_json_object = true,
                                  .has_json_schema = true, .has_vision = true,
                                  .has_developer_role = true } },
        .options = { .created_s = 1700000000 },
    };
    f->deployment.provider = &f->provider;
    f->deployment.model = &f->model;
}

static inline void fixture_fini(struct fixture *f)
{
    arena_fini(&f->arena);
    buf_fini(&f->out);
}

static inline enum err fixture_read(struct fixture *f, enum llm_operation operation, const char *body)
{
    fail_clear(&f->fail);
    CHECK_OK(json_check(str_of(body), &f->fail));
    return llm_request_read(&f->arena, operation, str_of(body), &f->request, &f->fail);
}

#endif
