#include "fixture.h"

#include "llm/stream.h"

#define HEAD "\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1700000001,\"model\":\"gpt-4o\","
#define CHUNK(delta, finish) "{" HEAD "\"choices\":[{\"index\":0,\"delta\":" delta ",\"finish_reason\":" finish "}]}"
#define USAGE "{\"prompt_tokens\":60,\"completion_tokens\":18,\"total_tokens\":78}"
#define LINE(json) "data: " json "\n\n"

struct case_stream {
    struct fixture f;
    struct llm_stream *stream;
};

static struct case_stream *open_stream(enum dialect dialect, enum reasoning_format format, bool wants_usage)
{
    static struct case_stream c;
    fixture_init(&c.f, dialect);
    c.f.deployment.caps.reasoning = format;
    c.f.request = (struct llm_request) { .is_stream = true, .wants_usage = wants_usage, .n = 1,
                                         .messages = STR("[{\"role\":\"user\",\"content\":\"a prompt to read\"}]") };
    c.stream = llm_stream_create(&c.f.request, &c.f.deployment, &c.f.options);
    return &c;
}

static void close_stream(struct case_stream *c)
{
    llm_stream_destroy(c->stream);
    fixture_fini(&c->f);
}

static void check_event(struct case_stream *c, const char *data, enum llm_stream_kind kind, const char *out)
{
    buf_clear(&c->f.out);
    CHECK_EQ(llm_stream_event(c->stream, str_of(data), &c->f.out), kind);
    CHECK_STR(buf_str(&c->f.out), out);
}

static void check_finish(struct case_stream *c, const char *out)
{
    buf_clear(&c->f.out);
    llm_stream_finish(c->stream, &c->f.out);
    CHECK_STR(buf_str(&c->f.out), out);
}

static struct llm_answer answer_of(const struct case_stream *c)
{
    struct llm_answer answer;
    llm_stream_answer(c->stream, &answer);
    return answer;
}

#define PASSES(c, kind, json) check_event((c), (json), (kind), LINE(json))

TEST(chunks_in_order_are_copied_byte_for_byte)
{
    struct case_stream *c = open_stream(DIALECT_OPENAI, REASONING_NONE, false);
    PASSES(c, LLM_EVENT_NOTHING, "{" HEAD "\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null},"
                                 "\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}");
    CHECK(!llm_stream_is_complete(c->stream));
    PASSES(c, LLM_EVENT_CONTENT, "{" HEAD "\"x\" : 1, \"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi \\u00e9\"},\"finish_reason\":null}],\"usage\":null}");
    PASSES(c, LLM_EVENT_NOTHING, CHUNK("{\"content\":null}", "null"));
    PASSES(c, LLM_EVENT_CONTENT, CHUNK("{}", "\"stop\""));
    CHECK(llm_stream_is_complete(c->stream));
    check_event(c, "{" HEAD "\"choices\":[],\"usage\":" USAGE "}", LLM_EVENT_NOTHING, "");
    check_event(c, "[DONE]", LLM_EVENT_DONE, "");
    check_finish(c, "");
    struct llm_answer answer = answer_of(c);
    CHECK(answer.has_usage && answer.usage.input_tokens == 60 && answer.usage.output_tokens == 18);
    CHECK_STR(answer.finish_reason, "stop");
    CHECK_STR(answer.response_model, "gpt-4o");
    CHECK_EQ(answer.output_estimate, 2); /* H, i, space and an accented letter: 1.35 */
    close_stream(c);
}

/* The second chunk may take the short way; what it brings must not depend on that. */
TEST(a_chunk_that_only_resembles_the_former_one_is_read_in_full)
{
    static const struct {
        const char *data, *out;
        enum llm_stream_kind kind;
        int64_t estimate;
    } cases[] = {
        { CHUNK("{\"content\":\"efgh\"}", "null"), LINE(CHUNK("{\"content\":\"efgh\"}", "null")), LLM_EVENT_CONTENT, 2 },
        { CHUNK("{\"content\":\"\"}", "null"), LINE(CHUNK("{\"content\":\"\"}", "null")), LLM_EVENT_NOTHING, 1 },
        { CHUNK("{\"content\":\"\\n\\\"\"}", "null"), LINE(CHUNK("{\"content\":\"\\n\\\"\"}", "null")), LLM_EVENT_CONTENT, 2 },
        { CHUNK("{\"content\":\"\\x\"}", "null"), "", LLM_EVENT_GARBAGE, 1 },
        { CHUNK("{\"content\":\"\xC3\"}", "null"), "", LLM_EVENT_GARBAGE, 1 },
        { CHUNK("{\"content\":\"a\",\"tool_calls\":null}", "null"), LINE(CHUNK("{\"content\":\"a\"}", "null")), LLM_EVENT_CONTENT, 2 },
        { CHUNK("{\"content\":null}", "null"), LINE(CHUNK("{\"content\":null}", "null")), LLM_EVENT_NOTHING, 1 },
        { CHUNK("{\"content\":\"a\"}", "\"eos\""), LINE(CHUNK("{\"content\":\"a\"}", "\"stop\"")), LLM_EVENT_CONTENT, 2 },
        { CHUNK("{\"content\":\"a\"}", "null") "x", "", LLM_EVENT_GARBAGE, 1 },
    };
    for (size_t i = 0; i < HZ_LEN(cases); i++) {
        struct case_stream *c = open_stream(DIALECT_OPENAI, REASONING_NONE, false);
        PASSES(c, LLM_EVENT_CONTENT, CHUNK("{\"content\":\"abcd\"}", "null"));
        check_event(c, cases[i].data, cases[i].kind, cases[i].out);
        CHECK_EQ(answer_of(c).output_estimate, cases[i].estimate);
        close_stream(c);
    }
}

TEST(json_on_several_lines_becomes_one_line)
{
    struct case_stream *c = open_stream(DIALECT_OPENAI, REASONING_NONE, true);
    for (int i = 0; i < 2; i++)
        check_event(c, "{" HEAD "\n\"choices\":[\r\n{\"index\":0,\"delta\":{\"content\":\"a\\n\"},\"finish_reason\":null}]}",
                    LLM_EVENT_CONTENT, LINE("{" HEAD " \"choices\":[  {\"index\":0,\"delta\":{\"content\":\"a\\n\"},\"finish_reason\":null}]}"));
    check_event(c, "{\"choices\":[],\"usage\":{\"prompt_tokens\":1,\n\"completion_tokens\":2,\"total_tokens\":3}}", LLM_EVENT_NOTHING, "");
    check_finish(c, LINE("{" HEAD "\"choices\":[],\"usage\":{\"prompt_tokens\":1, \"completion_tokens\":2,\"total_tokens\":3}}"));
    close_stream(c);
}

TEST(usage_goes_out_last_and_once_to_a_client_that_asked)
{
    struct case_stream *c = open_stream(DIALECT_OPENAI, REASONING_NONE, true);
    check_event(c, "{" HEAD "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}],\"usage\":{\"prompt_tokens\":60,\"completion_tokens\":1,\"total_tokens\":61}}",
                LLM_EVENT_CONTENT, LINE("{" HEAD "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":null}],\"usage\":null}"));
    check_event(c, "{" HEAD "\"choices\":[],\"usage\":" USAGE "}", LLM_EVENT_NOTHING, "");
    check_finish(c, LINE("{" HEAD "\"choices\":[],\"usage\":" USAGE "}"));
    close_stream(c);
}

TEST(usage_in_chunks_of_content_is_hidden_from_a_client_that_did_not_ask)
{
    struct case_stream *c = open_stream(DIALECT_FOUNDRY_MODELS, REASONING_NONE, false);
    check_event(c, "{" HEAD "\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":1},\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":null}]}",
                LLM_EVENT_CONTENT, LINE(CHUNK("{\"content\":\"a\"}", "null")));
    check_event(c, "{" HEAD "\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":" USAGE "}",
                LLM_EVENT_CONTENT, LINE(CHUNK("{}", "\"stop\"")));
    CHECK_EQ(answer_of(c).usage.output_tokens, 18);
    close_stream(c);
}

TEST(missing_usage_is_counted_for_a_client_that_asked)
{
    struct case_stream *c = open_stream(DIALECT_OPENAI, REASONING_NONE, true);
    PASSES(c, LLM_EVENT_CONTENT, CHUNK("{\"content\":\"abcdefgh\"}", "null"));
    PASSES(c, LLM_EVENT_CONTENT, CHUNK("{\"reasoning_content\":\"abcd\"}", "\"stop\""));
    CHECK(!answer_of(c).has_usage && answer_of(c).output_estimate == 3);
    check_finish(c, LINE("{" HEAD "\"choices\":[],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":3,\"total_tokens\":14,"
                         "\"prompt_tokens_details\":{\"cached_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":0}}}"));
    close_stream(c);
}

TEST(usage_that_cannot_be_true_is_counted_instead)
{
    struct case_stream *c = open_stream(DIALECT_OPENAI, REASONING_NONE, true);
    check_event(c, "{" HEAD "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"A few words\"},\"finish_reason\":null}],\"usage\":" USAGE "}",
                LLM_EVENT_CONTENT, LINE("{" HEAD "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"A few words\"},\"finish_reason\":null}],\"usage\":null}"));
    check_event(c, "{" HEAD "\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"x_groq\":{\"usage\":{\"prompt_tokens\":1e30,\"completion_tokens\":2}}}",
                LLM_EVENT_CONTENT, LINE(CHUNK("{}", "\"stop\"")));
    CHECK(!answer_of(c).has_usage && answer_of(c).output_estimate == 3);
    CHECK_STR(answer_of(c).absurd_usage, "\"prompt_tokens\":1e30");
    check_event(c, "{" HEAD "\"choices\":[],\"usage\":{\"prompt_tokens\":60,\"completion_tokens\":-18,\"total_tokens\":78}}", LLM_EVENT_NOTHING, "");
    CHECK_STR(answer_of(c).absurd_usage, "\"completion_tokens\":-18");
    check_finish(c, LINE("{" HEAD "\"choices\":[],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":3,\"total_tokens\":14,"
                         "\"prompt_tokens_details\":{\"cached_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":0}}}"));
    check_event(c, "{" HEAD "\"choices\":[],\"usage\":" USAGE "}", LLM_EVENT_NOTHING, "");
    CHECK(answer_of(c).has_usage && !answer_of(c).absurd_usage.len);
    close_stream(c);
}

TEST(usage_of_other_forms_is_written_in_openais)
{
    struct case_stream *c = open_stream(DIALECT_OPENAI, REASONING_NONE, true);
    PASSES(c, LLM_EVENT_CONTENT, CHUNK("{\"content\":\"a\"}", "\"stop\""));
    check_event(c, "{\"id\":\"x\",\"x_groq\":{\"usage\":{\"input_tokens\":5,\"output_tokens\":2}}}", LLM_EVENT_NOTHING, "");
    check_finish(c, LINE("{" HEAD "\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2,\"total_tokens\":7,"
                         "\"prompt_tokens_details\":{\"cached_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":0}}}"));
    close_stream(c);
}

TEST(azures_first_empty_chunk_is_withheld)
{
    struct case_stream *c = open_stream(DIALECT_AZURE_OPENAI, REASONING_NONE, false);
    check_event(c, "{\"choices\":[],\"created\":0,\"id\":\"\",\"model\":\"\",\"object\":\"\",\"prompt_filter_results\":[{\"prompt_index\":0}]}",
                LLM_EVENT_NOTHING, "");
    PASSES(c, LLM_EVENT_CONTENT, CHUNK("{\"content\":\"a\"}", "null"));
    CHECK_STR(answer_of(c).response_model, "gpt-4o");
    close_stream(c);
}

TEST(filter_annotations_without_delta_get_one_even_behind_the_finish)
{
    struct case_stream *c = open_stream(DIALECT_AZURE_OPENAI, REASONING_NONE, false);
    PASSES(c, LLM_EVENT_CONTENT, CHUNK("{\"content\":\"a\"}", "\"stop\""));
    check_event(c, "{" HEAD "\"choices\":[{\"index\":0,\"finish_reason\":null,\"content_filter_offsets\":{\"check_offset\":44}}]}",
                LLM_EVENT_NOTHING, LINE("{" HEAD "\"choices\":[{\"index\":0,\"finish_reason\":null,\"content_filter_offsets\":{\"check_offset\":44},\"delta\":{}}]}"));
    check_event(c, "{" HEAD "\"choices\":[{\"index\":0,\"delta\":null,\"finish_reason\":null}]}", LLM_EVENT_NOTHING,
                LINE("{" HEAD "\"choices\":[{\"index\":0,\"finish_reason\":null,\"delta\":{}}]}"));
    CHECK(llm_stream_is_complete(c->stream));
    close_stream(c);
}

TEST(a_filtered_answer_is_seen_as_such)
{
    struct case_stream *c = open_stream(DIALECT_AZURE_OPENAI, REASONING_NONE, false);
    PASSES(c, LLM_EVENT_CONTENT, CHUNK("{}", "\"content_filter\""));
    CHECK(answer_of(c).is_content_filter);
    close_stream(c);
}

TEST(repeated_roles_are_dropped)
{
    struct case_stream *c = open_stream(DIALECT_FOUNDRY_MODELS, REASONING_NONE, false);
    PASSES(c, LLM_EVENT_NOTHING, CHUNK("{\"role\":\"assistant\",\"content\":\"\"}", "null"));
    check_event(c, CHUNK("{\"role\":\"assistant\",\"content\":\"a\"}", "null"), LLM_EVENT_CONTENT,
                LINE(CHUNK("{\"content\":\"a\"}", "null")));
    close_stream(c);
}

TEST(tool_calls_get_index_and_string_arguments)
{
    struct case_stream *c = open_stream(DIALECT_OPENAI, REASONING_NONE, false);
    PASSES(c, LLM_EVENT_CONTENT, CHUNK("{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]}", "null"));
    PASSES(c, LLM_EVENT_CONTENT, CHUNK("{\"tool_calls\":[{\"index\":1,\"function\":{\"arguments\":\"{\\\"n\"}}]}", "null"));
    check_event(c, CHUNK("{\"tool_calls\":null,\"content\":\"x\"}", "null"), LLM_EVENT_CONTENT, LINE(CHUNK("{\"content\":\"x\"}", "null")));
    close_stream(c);

    c = open_stream(DIALECT_OPENAI, REASONING_NONE, false);
    check_event(c, CHUNK("{\"tool_calls\":[{\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":{\"n\":1},\"call_id\":null}},{\"id\":\"b\",\"index\":null}]}", "null"),
                LLM_EVENT_CONTENT,
                LINE(CHUNK("{\"tool_calls\":[{\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"n\\\":1}\"},\"index\":0},{\"id\":\"b\",\"index\":1}]}", "null")));
    check_event(c, CHUNK("{\"tool_calls\":[{\"function\":{\"arguments\":\"x\"}}]}", "null"), LLM_EVENT_CONTENT,
                LINE(CHUNK("{\"tool_calls\":[{\"function\":{\"arguments\":\"x\"},\"index\":1}]}", "null")));
    /* f 0.25, {"n":1} 0.25 + 6 x 0.4, x 0.25 */
    CHECK_EQ(answer_of(c).output_estimate, 4);
    check_event(c, "[DONE]", LLM_EVENT_DONE, "");
    check_finish(c, LINE(CHUNK("{}", "\"tool_calls\"")));
    close_stream(c);
}

TEST(choices_interleave_each_with_its_own_state)
{
    struct case_stream *c = open_stream(DIALECT_OPENAI, REASONING_THINK_TAG, false);
#define CHOICE(index, delta, finish) "{" HEAD "\"choices\":[{\"index\":" index ",\"delta\":" delta ",\"finish_reason\":" finish "}]}"
    check_event(c, CHOICE("1", "{\"content\":\"<think>\"}", "null"), LLM_EVENT_NOTHING, LINE(CHOICE("1", "{\"content\":\"\"}", "null")));
    check_event(c, CHOICE("0", "{\"content\":\"a\"}", "null"), LLM_EVENT_CONTENT, LINE(CHOICE("0", "{\"content\":\"a\"}", "null")));
    check_event(c, CHOICE("1", "{\"content\":\"b\"}", "null"), LLM_EVENT_CONTENT, LINE(CHOICE("1", "{\"reasoning_content\":\"b\"}", "null")));
    PASSES(c, LLM_EVENT_CONTENT, CHOICE("0", "{}", "\"stop\""));
    CHECK(!llm_stream_is_complete(c->stream));
    PASSES(c, LLM_EVENT_CONTENT, CHOICE("1", "{}", "\"length\""));
    CHECK(llm_stream_is_complete(c->stream));
    close_stream(c);
}

TEST(a_stream_is_complete_when_all_choices_that_were_asked_for_are_finished)
{
    struct case_stream *c = open_stream(DIALECT_OPENAI, REASONING_NONE, false);
    c->f.request.n = 2;
    PASSES(c, LLM_EVENT_CONTENT, CHOICE("0", "{\"content\":\"a\"}", "\"stop\""));
    CHECK(!llm_stream_is_complete(c->stream));
    PASSES(c, LLM_EVENT_CONTENT, CHOICE("1", "{\"content\":\"b\"}", "null"));
    CHECK(!llm_stream_is_complete(c->stream));
    PASSES(c, LLM_EVENT_CONTENT, CHOICE("1", "{}", "\"stop\""));
    CHECK(llm_stream_is_complete(c->stream));
    close_stream(c);
}

/* What a client that joins deltas ends up with, for think tags cut at every place. */
static void add_delta(struct case_stream *c, const char *name, struct buf *joined)
{
    struct str rest = buf_str(&c->f.out);
    while (rest.len) {
        struct str line = str_cut(&rest, '\n');
        if (!str_starts(line, STR("data: ")))
            continue;
        struct str choice = json_path(str_skip(line, 6), "choices");
        struct json_iter it;
        json_iter_init(&it, choice);
        if (json_next_element(&it, &choice))
            json_str_append(json_path(choice, name), joined);
    }
}

static void feed_text(struct case_stream *c, struct str text, struct buf *data)
{
    buf_clear(data);
    buf_add(data, STR("{" HEAD "\"choices\":[{\"index\":0,\"delta\":{\"content\":"));
    buf_add_json(data, text);
    buf_add(data, STR("},\"finish_reason\":null}]}"));
    CHECK(llm_stream_event(c->stream, buf_str(data), &c->f.out) != LLM_EVENT_GARBAGE);
}

TEST(think_tags_come_apart_wherever_a_chunk_ends)
{
    static const char text[] = "<think>\nH\xC3\xB6 <b>\"x\"</b>\n</think>\n\nYes < no";
    for (size_t split = 0; split < sizeof(text) - 1; split++) {
        struct case_stream *c = open_stream(DIALECT_FOUNDRY_MODELS, REASONING_THINK_TAG, false);
        struct buf data = { 0 }, reasoning = { 0 }, content = { 0 };
        if (split != 10) { /* inside of a character JSON cannot be cut */
            feed_text(c, str_make(text, split), &data);
            feed_text(c, str_make(text + split, sizeof(text) - 1 - split), &data);
        } else {
            feed_text(c, str_of(text), &data);
        }
        llm_stream_finish(c->stream, &c->f.out);
        add_delta(c, "delta.reasoning_content", &reasoning);
        add_delta(c, "delta.content", &content);
        CHECK_STR(buf_str(&reasoning), "H\xC3\xB6 <b>\"x\"</b>\n");
        CHECK_STR(buf_str(&content), "Yes < no");
        buf_fini(&data);
        buf_fini(&reasoning);
        buf_fini(&content);
        close_stream(c);
    }
}

TEST(half_a_tag_comes_out_with_the_finish)
{
    struct case_stream *c = open_stream(DIALECT_OPENAI, REASONING_THINK_TAG, false);
    check_event(c, CHUNK("{\"content\":\"<th\"}", "null"), LLM_EVENT_NOTHING, LINE(CHUNK("{\"content\":\"\"}", "null")));
    check_event(c, CHUNK("{}", "\"length\""), LLM_EVENT_CONTENT, LINE(CHUNK("{\"content\":\"<th\"}", "\"length\"")));
    check_finish(c, "");
    close_stream(c);

    c = open_stream(DIALECT_OPENAI, REASONING_THINK_TAG_OPEN, false);
    check_event(c, CHUNK("{\"content\":\"a</th\"}", "null"), LLM_EVENT_CONTENT, LINE(CHUNK("{\"reasoning_content\":\"a\"}", "null")));
    check_event(c, CHUNK("{\"content\":null}", "\"length\""), LLM_EVENT_CONTENT, LINE(CHUNK("{\"reasoning_content\":\"</th\"}", "\"length\"")));
    close_stream(c);

    c = open_stream(DIALECT_OPENAI, REASONING_THINK_TAG, false);
    check_event(c, CHUNK("{\"content\":\"<th\"}", "null"), LLM_EVENT_NOTHING, LINE(CHUNK("{\"content\":\"\"}", "null")));
    check_event(c, "{" HEAD "\"choices\":[{\"index\":0,\"finish_reason\":\"stop\"}]}", LLM_EVENT_CONTENT,
                LINE("{" HEAD "\"choices\":[{\"index\":0,\"finish_reason\":\"stop\",\"delta\":{\"content\":\"<th\"}}]}"));
    close_stream(c);
}

TEST(a_stream_that_ends_without_a_finish_is_ended_only_after_done)
{
    struct case_stream *c = open_stream(DIALECT_OPENAI, REASONING_THINK_TAG, false);
    check_event(c, CHUNK("{\"content\":\"<t\"}", "\"\""), LLM_EVENT_NOTHING, LINE(CHUNK("{\"content\":\"\"}", "null")));
    check_finish(c, LINE(CHUNK("{\"content\":\"<t\"}", "null")));
    CHECK(!llm_stream_is_complete(c->stream));
    check_event(c, "[DONE] ", LLM_EVENT_DONE, "");
    check_finish(c, LINE(CHUNK("{}", "\"stop\"")));
    close_stream(c);
}

TEST(missing_envelopes_are_filled)
{
    struct case_stream *c = open_stream(DIALECT_OPENAI, REASONING_NONE, false);
    check_event(c, "{\"choices\":[{\"delta\":{\"content\":\"a\"}}],\"created\":5.25}", LLM_EVENT_CONTENT,
                LINE("{\"choices\":[{\"delta\":{\"content\":\"a\"},\"index\":0,\"finish_reason\":null}],\"created\":5,\"id\":\"chatcmpl-0\","
                     "\"object\":\"chat.completion.chunk\",\"model\":\"m\"}"));
    close_stream(c);
}

TEST(simulated_answers_say_so_in_every_chunk)
{
    struct case_stream *c = open_stream(DIALECT_OPENAI, REASONING_NONE, true);
    llm_stream_destroy(c->stream);
    c->f.options.is_simulated = true;
    c->stream = llm_stream_create(&c->f.request, &c->f.deployment, &c->f.options);
    check_event(c, "{" HEAD "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}],\"usage\":" USAGE "}", LLM_EVENT_CONTENT,
                LINE("{" HEAD "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}],\"usage\":null,\"simulated\":true}"));
    check_finish(c, LINE("{" HEAD "\"simulated\":true,\"choices\":[],\"usage\":" USAGE "}"));
    close_stream(c);
}

TEST(errors_inside_a_stream_are_told_and_not_passed_on)
{
    static const struct {
        const char *data, *message, *code;
    } cases[] = {
        { "{\"error\":{\"message\":\"overloaded\",\"type\":\"server_error\",\"param\":null,\"code\":503}}", "overloaded", "503" },
        { "{\"error\":\"boom\"}", "boom", "" },
        { "{\"object\":\"error\",\"message\":\"no\",\"code\":400}", "no", "400" },
        { "{\"detail\":\"gone\"}", "gone", "" },
        { CHUNK("{}", "\"abort\""), "the provider gave its answer up", "" },
    };
    for (size_t i = 0; i < HZ_LEN(cases); i++) {
        struct case_stream *c = open_stream(DIALECT_OPENAI, REASONING_NONE, false);
        check_event(c, cases[i].data, LLM_EVENT_ERROR, "");
        CHECK_STR(llm_stream_error(c->stream)->message, cases[i].message);
        CHECK_STR(llm_stream_error(c->stream)->code, cases[i].code);
        close_stream(c);
    }
    struct case_stream *c = open_stream(DIALECT_OPENAI, REASONING_NONE, false);
    PASSES(c, LLM_EVENT_CONTENT, "{\"error\":null," HEAD "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":null}]}");
    close_stream(c);
}

TEST(garbage_is_told_from_what_is_merely_empty)
{
    static const char *const garbage[] = {
        "{", "oops", "[]", "1", "{\"choices\":[1]}", "{\"choices\":[{\"index\":128}]}", "{\"choices\":[{\"index\":-1}]}",
        "{\"choices\":[{\"index\":1.5}]}", "{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\xFF\"}}]}",
    };
    struct case_stream *c = open_stream(DIALECT_OPENAI, REASONING_NONE, false);
    for (size_t i = 0; i < HZ_LEN(garbage); i++)
        check_event(c, garbage[i], LLM_EVENT_GARBAGE, "");
    check_event(c, "", LLM_EVENT_NOTHING, "");
    check_event(c, "{\"type\":\"ping\"}", LLM_EVENT_NOTHING, "");
    check_event(c, "{\"choices\":null}", LLM_EVENT_NOTHING, "");
    CHECK(!llm_stream_is_complete(c->stream));
    close_stream(c);
}

/* ---- another stream goes on ---- */

static bool said_is(struct case_stream *c, const char *text)
{
    struct llm_said said;
    bool can_go_on = llm_stream_said(c->stream, &said);
    if (can_go_on && text) {
        CHECK_STR(said.text, text);
        CHECK_STR(said.id, "c1");
        CHECK_STR(said.model, "gpt-4o");
        CHECK_EQ(said.created_s, 1700000001);
    }
    return can_go_on;
}

static struct case_stream *open_keeping(enum reasoning_format format)
{
    struct case_stream *c = open_stream(DIALECT_OPENAI, format, true);
    llm_stream_destroy(c->stream);
    c->f.options.keeps_text = true;
    c->stream = llm_stream_create(&c->f.request, &c->f.deployment, &c->f.options);
    return c;
}

static void feed(struct case_stream *c, const char *data)
{
    buf_clear(&c->f.out);
    (void)llm_stream_event(c->stream, str_of(data), &c->f.out);
}

TEST(text_is_kept_as_the_client_has_it)
{
    struct case_stream *c = open_keeping(REASONING_NONE);
    feed(c, CHUNK("{\"role\":\"assistant\",\"content\":\"\"}", "null"));
    CHECK(!said_is(c, NULL));
    feed(c, CHUNK("{\"content\":\"One \"}", "null"));
    feed(c, CHUNK("{\"content\":\"t\\u00e9\\n\"}", "null")); /* the short way */
    feed(c, CHUNK("{\"content\":[{\"type\":\"text\",\"text\":\"three\"}]}", "null"));
    CHECK(said_is(c, "One t\xC3\xA9\nthree"));
    feed(c, "garbage");
    CHECK(said_is(c, "One t\xC3\xA9\nthree"));
    feed(c, CHUNK("{}", "\"stop\""));
    CHECK(!said_is(c, NULL));
    close_stream(c);

    c = open_keeping(REASONING_THINK_TAG);
    feed(c, CHUNK("{\"content\":\"No tag\"}", "null"));
    CHECK(said_is(c, "No tag"));
    close_stream(c);

    c = open_stream(DIALECT_OPENAI, REASONING_NONE, false);
    feed(c, CHUNK("{\"content\":\"One \"}", "null"));
    CHECK(!said_is(c, NULL)); /* nobody asked for it */
    close_stream(c);
}

TEST(more_than_text_is_not_gone_on_with)
{
    static const char *const more[] = {
        "{\"reasoning_content\":\"Hm\"}", "{\"reasoning\":\"Hm\"}", "{\"refusal\":\"No\"}",
        "{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}]}",
        "{\"function_call\":{\"name\":\"f\"}}", "{\"audio\":{\"id\":\"a\"}}",
        "{\"content\":[{\"type\":\"thinking\",\"thinking\":[{\"type\":\"text\",\"text\":\"Hm\"}]}]}",
        "{\"content\":[{\"type\":\"unknown\"}]}",
    };
    for (size_t i = 0; i < HZ_LEN(more); i++) {
        static char chunk[512];
        struct case_stream *c = open_keeping(REASONING_NONE);
        snprintf(chunk, sizeof(chunk), "{" HEAD "\"choices\":[{\"index\":0,\"delta\":%s}]}", more[i]);
        feed(c, CHUNK("{\"content\":\"One \"}", "null"));
        CHECK(said_is(c, "One "));
        feed(c, chunk);
        feed(c, CHUNK("{\"content\":\"two\"}", "null"));
        CHECK(!said_is(c, NULL));
        close_stream(c);
    }
    struct case_stream *c = open_keeping(REASONING_THINK_TAG);
    feed(c, CHUNK("{\"content\":\"<think>Hm</think>One\"}", "null"));
    CHECK(!said_is(c, NULL));
    close_stream(c);
    c = open_keeping(REASONING_NONE);
    feed(c, CHUNK("{\"content\":\"One\"}", "null"));
    feed(c, "{" HEAD "\"choices\":[{\"index\":1,\"delta\":{\"content\":\"Uno\"}}]}");
    CHECK(!said_is(c, NULL));
    close_stream(c);
}

TEST(kept_text_is_bounded)
{
    static char chunk[4096 + 256], text[4096 + 1];
    memset(text, 'x', sizeof(text) - 1);
    snprintf(chunk, sizeof(chunk), CHUNK("{\"content\":\"%s\"}", "null"), text);
    struct case_stream *c = open_keeping(REASONING_NONE);
    for (int i = 0; i < 64; i++)
        feed(c, chunk);
    CHECK(said_is(c, NULL));
    feed(c, CHUNK("{\"content\":\"x\"}", "null"));
    CHECK(!said_is(c, NULL));
    close_stream(c);
}

TEST(characters_in_halves_are_joined_and_a_torn_one_is_not_gone_on_with)
{
    static const struct {
        const char *deltas[3];
        const char *text; /* NULL: nobody can go on */
    } cases[] = {
        { { "x\\ud83d", "\\ude00y" }, "x\xF0\x9F\x98\x80y" },
        { { "\\uD83D", "", "\\uDE00" }, "\xF0\x9F\x98\x80" },
        { { "a\\ud83d", "\\ude00\\ud83d", "\\ude01" }, "a\xF0\x9F\x98\x80\xF0\x9F\x98\x81" },
        { { "x\\\\ud83d", "y" }, "x\\ud83dy" }, /* a backslash, and letters */
        { { "x\\ud83d\\ude00" }, "x\xF0\x9F\x98\x80" },
        { { "x\\ud83d" }, NULL },
        { { "x", "\\ud83d", "y" }, NULL },
        { { "x\\ud83dy", "z" }, NULL },
        { { "x", "\\ude00", "y" }, NULL },
        { { "x\\ud83d", "\\ud83d", "\\ude00" }, NULL },
    };
    for (size_t i = 0; i < HZ_LEN(cases); i++) {
        struct case_stream *c = open_keeping(REASONING_NONE);
        for (size_t k = 0; k < HZ_LEN(cases[i].deltas) && cases[i].deltas[k]; k++) {
            char event[512];
            int len = snprintf(event, sizeof(event), LINE(CHUNK("{\"content\":\"%s\"}", "null")), cases[i].deltas[k]);
            struct str data = str_skip(str_make(event, (size_t)len - 2), strlen("data: "));
            buf_clear(&c->f.out);
            llm_stream_event(c->stream, data, &c->f.out);
            CHECK_STR(buf_str(&c->f.out), event);
        }
        CHECK_EQ(said_is(c, cases[i].text), cases[i].text != NULL);
        close_stream(c);
    }
    struct case_stream *c = open_keeping(REASONING_THINK_TAG);
    buf_clear(&c->f.out);
    llm_stream_event(c->stream, STR(CHUNK("{\"content\":\"plain text, so far\"}", "null")), &c->f.out);
    llm_stream_event(c->stream, STR(CHUNK("{\"content\":\"x\\ud83d\"}", "null")), &c->f.out);
    CHECK(!said_is(c, NULL));
    close_stream(c);
}

TEST(a_stream_that_goes_on_looks_like_the_same_one)
{
    const struct llm_said after = { .text = STR("One "), .id = STR("first"), .model = STR("other"), .created_s = 17,
                                    .usage = { .input_tokens = 7, .cached_tokens = 1, .output_tokens = 40,
                                               .reasoning_tokens = 2 } };
    struct case_stream *c = open_keeping(REASONING_NONE);
    llm_stream_destroy(c->stream);
    c->f.options.after = &after;
    c->stream = llm_stream_create(&c->f.request, &c->f.deployment, &c->f.options);
#define SAME "\"id\":\"first\",\"object\":\"chat.completion.chunk\",\"created\":17,\"model\":\"other\","
    check_event(c, CHUNK("{\"role\":\"assistant\",\"content\":\"\"}", "null"), LLM_EVENT_NOTHING,
                LINE("{" SAME "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"},\"finish_reason\":null}]}"));
    for (int i = 0; i < 2; i++)
        check_event(c, CHUNK("{\"content\":\"two\"}", "null"), LLM_EVENT_CONTENT,
                    LINE("{" SAME "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"two\"},\"finish_reason\":null}]}"));
    struct llm_said said;
    CHECK(llm_stream_said(c->stream, &said));
    CHECK_STR(said.text, "twotwo");
    CHECK_STR(said.id, "first");
    check_event(c, "{" HEAD "\"choices\":[],\"usage\":" USAGE "}", LLM_EVENT_NOTHING, "");
    check_event(c, "[DONE]", LLM_EVENT_DONE, "");
    check_finish(c, LINE("{" SAME "\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}")
                 LINE("{" SAME "\"choices\":[],\"usage\":{\"prompt_tokens\":67,\"completion_tokens\":58,\"total_tokens\":125,"
                      "\"prompt_tokens_details\":{\"cached_tokens\":1},\"completion_tokens_details\":{\"reasoning_tokens\":2}}}"));
    struct llm_answer answer = answer_of(c);
    CHECK_EQ(answer.usage.input_tokens, 60); /* its own alone */
    close_stream(c);
}

RUN_TESTS(T(text_is_kept_as_the_client_has_it), T(more_than_text_is_not_gone_on_with), T(kept_text_is_bounded),
          T(characters_in_halves_are_joined_and_a_torn_one_is_not_gone_on_with),
          T(a_stream_that_goes_on_looks_like_the_same_one),
          T(chunks_in_order_are_copied_byte_for_byte),
          T(a_chunk_that_only_resembles_the_former_one_is_read_in_full),
          T(json_on_several_lines_becomes_one_line),
          T(usage_goes_out_last_and_once_to_a_client_that_asked),
          T(usage_in_chunks_of_content_is_hidden_from_a_client_that_did_not_ask),
          T(missing_usage_is_counted_for_a_client_that_asked),
          T(usage_that_cannot_be_true_is_counted_instead), T(usage_of_other_forms_is_written_in_openais), T(azures_first_empty_chunk_is_withheld),
          T(filter_annotations_without_delta_get_one_even_behind_the_finish),
          T(a_filtered_answer_is_seen_as_such), T(repeated_roles_are_dropped),
          T(tool_calls_get_index_and_string_arguments),
          T(choices_interleave_each_with_its_own_state),
          T(a_stream_is_complete_when_all_choices_that_were_asked_for_are_finished),
          T(think_tags_come_apart_wherever_a_chunk_ends), T(half_a_tag_comes_out_with_the_finish),
          T(a_stream_that_ends_without_a_finish_is_ended_only_after_done),
          T(missing_envelopes_are_filled), T(simulated_answers_say_so_in_every_chunk),
          T(errors_inside_a_stream_are_told_and_not_passed_on),
          T(garbage_is_told_from_what_is_merely_empty))
