/* Whatever a provider answers becomes a document that needs no further change, or an error that says
 * why. */

#include "llm.h"

static void check_again(struct fuzz_deployment *f, const struct llm_request *r, struct str answer,
                        const struct llm_answer *first)
{
    struct arena a = { 0 };
    struct buf out = { 0 };
    struct fail fail = { 0 };
    struct llm_answer second;
    /* Text that looks like a tag may stand in the answer now; the first reading has settled that. */
    f->deployment.caps.reasoning = REASONING_NONE;
    f->options.is_simulated = false;
    enum err err = llm_answer_read(&a, r, &f->deployment, &f->options, answer, &out, &second, &fail);
    HZ_ASSERT(err == OK && str_eq(buf_str(&out), answer));
    HZ_ASSERT(second.has_usage == first->has_usage && second.is_content_filter == first->is_content_filter);
    HZ_ASSERT(second.usage.input_tokens == first->usage.input_tokens);
    HZ_ASSERT(str_eq(second.finish_reason, first->finish_reason));
    arena_fini(&a);
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_deployment f;
    struct str body = { (const char *)data, size };
    struct arena a = { 0 };
    struct buf out = { 0 };
    struct fail fail = { 0 };
    struct llm_answer answer;
    if (!fuzz_deployment_init(&f, &body))
        return 0;
    struct llm_request r = { .operation = data[0] & 128 ? LLM_EMBEDDINGS : LLM_CHAT,
                             .wants_base64 = data[1] & 1, .n = 1 };
    struct str copy = fuzz_copy(body);

    enum err err = llm_answer_read(&a, &r, &f.deployment, &f.options, copy, &out, &answer, &fail);
    HZ_ASSERT(answer.usage.input_tokens >= answer.usage.cached_tokens && answer.output_estimate >= 0);
    HZ_ASSERT(answer.usage.cached_tokens >= 0 && answer.usage.output_tokens >= 0);
    if (err) {
        HZ_ASSERT(err == ERR_UPSTREAM_BROKEN && out.len == 0 && fail.err == err && fail.text[0]);
    } else {
        fuzz_check_json(buf_str(&out));
        check_again(&f, &r, buf_str(&out), &answer);
    }
    fuzz_free(copy);
    arena_fini(&a);
    buf_fini(&out);
    return 0;
}
