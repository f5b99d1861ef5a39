/* A request that we accept goes out as one that we would accept, for every dialect, and going through
 * the same deployment again changes nothing; with an answer that has begun it has one message more. */

#include "llm.h"

static struct llm_outbound build(struct arena *a, const struct llm_request *r, const struct deployment *d)
{
    struct llm_outbound out;
    struct fail fail = { 0 };
    enum err err = llm_outbound_build(a, r, d, &out, &fail);
    HZ_ASSERT(err == OK);
    fuzz_check_json(out.body);
    return out;
}

static void check_outbound(struct arena *a, const struct llm_request *r, const struct deployment *d)
{
    struct llm_request again;
    struct fail fail = { 0 };
    struct llm_outbound first = build(a, r, d);
    HZ_ASSERT(first.target.at[0] == '/' && str_ends(first.headers, STR("\r\n")));
    enum err err = llm_request_read(a, r->operation, first.body, &again, &fail);
    if (err) {
        /* A replayed turn may be nothing but reasoning, which was taken out. */
        HZ_ASSERT(d->caps.strips_reasoning_in && strstr(fail.text, "no message has any content"));
        return;
    }
    HZ_ASSERT(str_eq(again.model, d->name) && again.n == r->n && again.is_stream == r->is_stream);
    HZ_ASSERT(again.has_images == r->has_images && again.has_tools == r->has_tools);
    HZ_ASSERT(json_len(again.messages) == json_len(r->messages));
    /* A think block behind a think block shows only once the first is gone. */
    if (!d->caps.strips_reasoning_in)
        HZ_ASSERT(str_eq(build(a, &again, d).body, first.body));
}

static void check_continued(struct arena *a, struct llm_request *r, const struct deployment *d)
{
    struct llm_request again;
    struct fail fail = { 0 };
    int64_t limit = llm_request_output_limit(r, d);
    llm_request_continue(r, r->body);
    HZ_ASSERT(llm_request_input_estimate(r) <= llm_request_input_bound(r));
    HZ_ASSERT(llm_request_output_limit(r, d) <= limit && (limit == 0) == (llm_request_output_limit(r, d) == 0));
    enum err err = llm_request_read(a, LLM_CHAT, build(a, r, d).body, &again, &fail);
    HZ_ASSERT(err == OK && again.has_prefill && json_len(again.messages) == json_len(r->messages) + 1);
    HZ_ASSERT(r->max_tokens == 0 || again.max_tokens <= r->max_tokens);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_deployment f;
    struct str body = { (const char *)data, size };
    struct arena a = { 0 };
    struct fail fail = { 0 };
    struct llm_request r;
    if (!fuzz_deployment_init(&f, &body) || json_check(body, &fail))
        return 0;
    struct str copy = fuzz_copy(body);
    enum err err = llm_request_read(&a, data[0] & 128 ? LLM_EMBEDDINGS : LLM_CHAT, copy, &r, &fail);
    if (err) {
        HZ_ASSERT(err == ERR_BAD_REQUEST && fail.text[0]);
    } else {
        HZ_ASSERT(r.n >= 1 && r.n <= LLM_STREAM_CHOICES_MAX && r.max_tokens >= 0);
        int64_t estimate = llm_request_input_estimate(&r);
        HZ_ASSERT(estimate >= 0 && estimate <= llm_request_input_bound(&r));
        HZ_ASSERT(llm_request_fits(&r, &f.deployment.caps, &fail) == OK || fail.param[0]);
        check_outbound(&a, &r, &f.deployment);
        if (r.operation == LLM_CHAT)
            check_continued(&a, &r, &f.deployment);
    }
    fuzz_free(copy);
    arena_fini(&a);
    return 0;
}
