#include "llm/llm.h"

#include "llm/choice.h"
#include "llm/embedding.h"
#include "llm/envelope.h"
#include "llm/excerpt.h"
#include "llm/fault.h"
#include "llm/tally.h"

struct answer_reading {
    struct speech speech;
    struct envelope envelope;
    enum reasoning_format reasoning;
    struct llm_answer *answer;
    struct fault fault;
    const char *broken; /* what makes it no answer, or NULL */
    size_t choices;
    struct str finish_reason; /* of the first choice */
};

static void read_choice(struct answer_reading *in, struct splice *s, struct str choice)
{
    struct voice voice;
    struct choice_facts facts;
    if (json_kind(choice) != JSON_OBJECT) {
        in->broken = "a choice that is no object";
        return;
    }
    voice_init(&voice, in->reasoning);
    choice_rewrite(&in->speech, &voice, s, choice, in->choices, &facts);
    if (in->choices++ == 0)
        in->finish_reason = facts.finish_reason;
    in->answer->is_content_filter |= facts.is_content_filter;
    if (facts.is_aborted)
        in->broken = "an answer that the provider itself gave up";
    if (facts.is_broken)
        in->broken = "a choice without a message";
}

static void read_choices(struct answer_reading *in, struct splice *s, struct str choices)
{
    struct json_iter it;
    struct str choice;
    json_iter_init(&it, choices);
    while (json_next_element(&it, &choice))
        read_choice(in, s, choice);
}

static void read_answer(struct answer_reading *in, struct str body, struct buf *out)
{
    struct splice s;
    struct splice_object o;
    splice_init(&s, body, out);
    splice_walk(&o, &s, body);
    while (splice_next(&o)) {
        fault_look(&in->fault, o.key, o.value);
        if (envelope_take(&in->envelope, &o))
            continue;
        if (KEY_IS(o.key, "choices"))
            read_choices(in, &s, o.value);
        else if (KEY_IS(o.key, "usage"))
            tally_take(in->answer, &o, o.value);
        else if (KEY_IS(o.key, "x_groq") && !in->answer->has_usage)
            tally_take(in->answer, &o, json_get(o.value, "usage"));
    }
    envelope_close(&in->envelope, &o);
    splice_end(&s);
    if (in->choices == 0 && !in->broken)
        in->broken = "no choices";
}

static enum err read_chat(struct arena *a, const struct deployment *d,
                          const struct llm_answer_options *options, struct str body,
                          struct buf *out, struct llm_answer *answer, struct fail *fail)
{
    struct answer_reading in = {
        .envelope = { .object = "chat.completion",
                      .id = options->id.len ? options->id : STR("chatcmpl-0"),
                      .model = d->model->name,
                      .created_s = options->created_s,
                      .is_simulated = options->is_simulated },
        .reasoning = d->caps.reasoning,
        .answer = answer,
    };
    read_answer(&in, body, out);
    answer->response_model = arena_str(a, json_to_str(a, in.envelope.seen_model));
    answer->absurd_usage = arena_str(a, answer->absurd_usage);
    answer->finish_reason = arena_str(a, in.finish_reason);
    answer->output_estimate = token_count_total(&in.speech.tokens);
    speech_fini(&in.speech);
    if (fault_found(&in.fault))
        return fault_refuse(a, d, body, fail);
    if (!in.broken)
        return OK;
    return fail_set(fail, ERR_UPSTREAM_BROKEN, "provider '%.*s' sent %s",
                    STR_ARG(d->provider->name), in.broken);
}

/* What shows that this 200 is no answer before it is read. */
static enum err check_body(struct arena *a, const struct deployment *d, struct str body,
                           struct fail *fail)
{
    struct str name = d->provider->name;
    struct fail reason = { 0 };
    if (body.len == 0)
        return fail_set(fail, ERR_UPSTREAM_BROKEN,
                        "provider '%.*s' answered 200 with an empty body", STR_ARG(name));
    if (json_kind(body) != JSON_OBJECT) {
        struct str seen = excerpt_text(a, body);
        return fail_set(fail, ERR_UPSTREAM_BROKEN,
                        "provider '%.*s' answered 200 without JSON: %.*s", STR_ARG(name),
                        STR_ARG(seen));
    }
    if (json_check(body, &reason))
        return fail_set(fail, ERR_UPSTREAM_BROKEN, "provider '%.*s' answered 200 with bad JSON: %s",
                        STR_ARG(name), reason.text);
    return OK;
}

enum err llm_answer_read(struct arena *a, const struct llm_request *r, const struct deployment *d,
                         const struct llm_answer_options *options, struct str body, struct buf *out,
                         struct llm_answer *answer, struct fail *fail)
{
    size_t mark = out->len;
    *answer = (struct llm_answer) { 0 };
    body = json_trim(body);
    enum err err = check_body(a, d, body, fail);
    if (!err && r->operation == LLM_CHAT)
        err = read_chat(a, d, options, body, out, answer, fail);
    else if (!err)
        err = embedding_read(a, r, d, options, body, out, answer, fail);
    if (err)
        out->len = mark;
    return err;
}
