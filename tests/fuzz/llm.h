#ifndef HZ_TESTS_FUZZ_LLM_H
#define HZ_TESTS_FUZZ_LLM_H
/* llm - a deployment whose dialect and capabilities the first bytes of the input choose. */

#include "fuzz.h"

#include "llm/llm.h"
#include "wire/json.h"

struct fuzz_deployment {
    struct provider provider;
    struct model model;
    struct deployment deployment;
    struct llm_answer_options options;
};

/* Takes two bytes from the front of *data; false when they are not there. */
static inline bool fuzz_deployment_init(struct fuzz_deployment *f, struct str *data)
{
    static const struct str drops[] = { { "user", 4 }, { "stop", 4 } };
    if (data->len < 2)
        return false;
    unsigned bits = (unsigned char)data->at[0], more = (unsigned char)data->at[1];
    *data = str_skip(*data, 2);
    *f = (struct fuzz_deployment) {
        .provider = { .name = STR("p"), .dialect = (enum dialect)(bits & 3), .key = STR("k"),
                      .kind = bits & 4 ? PROVIDER_OPENAI : PROVIDER_OPENAI_COMPATIBLE },
        .model = { .name = STR("m") },
        .deployment = { .name = STR("dep"),
                        .caps = { .has_developer_role = more & 1,
                                  .flattens_text_parts = more & 2,
                                  .strips_reasoning_in = more & 4,
                                  .max_tokens_field = (enum max_tokens_field)((more >> 3 & 3) % 3),
                                  .stream_usage = (enum stream_usage)((more >> 5 & 3) % 3),
                                  .reasoning = (enum reasoning_format)((bits >> 3 & 3) % 3),
                                  .default_max_tokens = more & 128 ? 64 : 0,
                                  .drop_params = drops,
                                  .drop_params_len = bits & 32 ? HZ_LEN(drops) : 0 } },
        .options = { .is_simulated = bits & 64, .created_s = 1700000000 },
    };
    f->deployment.provider = &f->provider;
    f->deployment.model = &f->model;
    return true;
}

/* Whatever we write is JSON, except that additions may pass the number of members that we take. */
static inline void fuzz_check_json(struct str text)
{
    struct fail fail = { 0 };
    enum err err = json_check(text, &fail);
    HZ_ASSERT(!err || strstr(fail.text, "too many") || strstr(fail.text, "too long"));
}

#endif
