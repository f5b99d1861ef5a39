/* The simulator over real sockets, with our own client on the same loop. */
#include "test.h"

#include "base/clock.h"
#include "http/client.h"
#include "net/dns.h"
#include "sim/sim.h"
#include "wire/base64.h"
#include "wire/json.h"
#include "wire/sse.h"

struct world {
    struct loop *loop;
    struct sim_server *sim;
    struct resolver *resolver;
    struct http_client *client;
    struct sim_server_options options;
    void (*play)(struct world *w);
    struct task *task;
    /* the last answer */
    enum err err;
    int status;
    struct buf body;
    struct arena arena;
};

static void world_task(struct task *t, void *arg)
{
    struct world *w = arg;
    w->task = t;
    w->play(w);
    sim_server_stop(w->sim);
    loop_stop(w->loop);
}

static void play_with(void (*play)(struct world *w), struct sim_server_options options)
{
    struct world w = { .play = play, .options = options };
    struct fail fail = { 0 };
    CHECK_OK(loop_create(&(struct loop_options) { 0 }, &w.loop));
    CHECK_OK(sim_server_open(w.loop, &options, &w.sim, &fail));
    CHECK_OK(resolver_create(w.loop, &w.resolver));
    w.client = http_client_create(w.loop, &(struct http_client_options) { .resolver = w.resolver });
    task_set_stack_painting(w.loop, true);
    task_spawn(w.loop, "play", world_task, &w);
    loop_run(w.loop);
    CHECK(task_stack_peak(w.loop) < TASK_STACK_BYTES / 2);
    http_client_destroy(w.client);
    resolver_destroy(w.resolver);
    sim_server_close(w.sim);
    loop_destroy(w.loop);
    buf_fini(&w.body);
    arena_fini(&w.arena);
}

static void play(void (*scene)(struct world *w))
{
    play_with(scene, (struct sim_server_options) { 0 });
}

static enum err start(struct world *w, struct http_exchange *x, const char *target,
                      const char *headers, const char *body)
{
    struct http_send send = {
        .origin = { .host = STR("127.0.0.1"), .port = sim_server_port(w->sim) },
        .method = body ? STR("POST") : STR("GET"),
        .target = str_of(target),
        .headers = str_of(headers),
        .body = body ? str_of(body) : STR_NONE,
        .connect_deadline_ns = INT64_MAX,
        .send_deadline_ns = INT64_MAX,
    };
    *x = (struct http_exchange) { 0 };
    enum err err = http_exchange_start(w->task, w->client, x, &send);
    return err ? err : http_exchange_head(w->task, x, INT64_MAX);
}

static struct str sim_call_with(struct world *w, const char *target, const char *headers,
                            const char *body)
{
    struct http_exchange x;
    buf_clear(&w->body);
    w->err = start(w, &x, target, headers, body);
    w->status = x.head.status;
    if (!w->err)
        w->err = http_exchange_read_all(w->task, &x, &w->body, INT64_MAX);
    http_exchange_end(&x);
    return buf_str(&w->body);
}

static struct str call(struct world *w, const char *target, const char *body)
{
    return sim_call_with(w, target, "", body);
}

/* `rest` without its opening brace: {"model":NAME, rest */
static struct str chat(struct world *w, const char *name, const char *rest)
{
    return call(w, "/v1/chat/completions",
                arena_cstr(&w->arena, arena_printf(&w->arena, "{\"model\":\"%s\",%s", name, rest)));
}

#define HELLO "\"messages\":[{\"role\":\"user\",\"content\":\"Hello \\u00e9 there\"}]}"
#define HELLO_STREAM "\"stream\":true,\"stream_options\":{\"include_usage\":true}," HELLO

static struct str text_at(struct world *w, struct str json, const char *path)
{
    return json_to_str(&w->arena, json_path(json, path));
}

static struct str first_choice(struct str answer)
{
    struct json_iter it;
    struct str first = STR_NONE, choices = json_get(answer, "choices");
    if (json_kind(choices) != JSON_ARRAY)
        return STR_NONE;
    json_iter_init(&it, choices);
    return json_next_element(&it, &first) ? first : STR_NONE;
}

static int64_t number_at(struct str json, const char *path)
{
    int64_t number = -1;
    CHECK(json_to_i64(json_path(json, path), &number));
    return number;
}

/* What a stream said, put together. */
struct heard {
    struct buf text, reasoning, arguments;
    struct str finish;
    int64_t completion; /* -1: no usage came */
    int chunks, empty_choices, without_delta, garbled, errors;
    bool is_done;
};

static void hear_chunk(struct world *w, struct str data, struct heard *h)
{
    struct fail fail = { 0 };
    h->is_done = h->is_done || str_is(data, "[DONE]");
    if (str_is(data, "[DONE]"))
        return;
    h->chunks++;
    if (json_check(data, &fail) != OK) {
        h->garbled++;
        return;
    }
    h->errors += json_get(data, "error").at != NULL;
    struct str choice = first_choice(data), delta = json_get(choice, "delta");
    h->empty_choices += !choice.at && json_get(data, "choices").at;
    h->without_delta += choice.at && !delta.at;
    json_str_append(json_get(delta, "content"), &h->text);
    json_str_append(json_get(delta, "reasoning_content"), &h->reasoning);
    struct json_iter it;
    struct str tool, tools = json_get(delta, "tool_calls");
    if (json_kind(tools) == JSON_ARRAY) {
        json_iter_init(&it, tools);
        if (json_next_element(&it, &tool))
            json_str_append(json_path(tool, "function.arguments"), &h->arguments);
    }
    struct str finish = text_at(w, choice, "finish_reason");
    h->finish = finish.at ? finish : h->finish;
    if (!json_is_null(json_get(data, "usage")))
        h->completion = number_at(data, "usage.completion_tokens");
}

static struct heard hear(struct world *w, struct str body)
{
    struct heard h = { .completion = -1 };
    struct sse_reader reader = { 0 };
    struct sse_event event;
    bool is_event = true;
    while (is_event) {
        CHECK_OK(sse_next(&reader, &body, &event, &is_event));
        if (is_event)
            hear_chunk(w, event.data, &h);
    }
    sse_fini(&reader);
    return h;
}

static void heard_fini(struct heard *h)
{
    buf_fini(&h->text);
    buf_fini(&h->reasoning);
    buf_fini(&h->arguments);
}

/* The invoice's entry number i from its end. */
static struct str billed(struct world *w, size_t back)
{
    struct json_iter it;
    struct str list = arena_str(&w->arena, json_trim(call(w, "/sim/invoice", NULL))),
               entry = STR_NONE;
    size_t len = json_len(list);
    json_iter_init(&it, list);
    for (size_t i = 0; i + back < len && json_next_element(&it, &entry); i++) {
    }
    return len > back ? entry : STR_NONE;
}

/* ---- */

static const struct {
    const char *target, *body, *stream_body;
} dialects[] = {
    { "/v1/chat/completions", "{\"model\":\"gpt-4o+think=9\"," HELLO,
      "{\"model\":\"gpt-4o+think=9\"," HELLO_STREAM },
    { "/openai/v1/chat/completions", "{\"model\":\"gpt-4o+think=9\"," HELLO,
      "{\"model\":\"gpt-4o+think=9\"," HELLO_STREAM },
    { "/models/chat/completions?api-version=2025-04-01", "{\"model\":\"gpt-4o+think=9\"," HELLO,
      "{\"model\":\"gpt-4o+think=9\",\"stream\":true," HELLO },
    { "/openai/deployments/gpt-4o+think=9/chat/completions?api-version=2024-10-21", "{" HELLO,
      "{" HELLO_STREAM },
};

static void scene_streams_equal_wholes(struct world *w)
{
    struct str first_text = STR_NONE;
    for (size_t i = 0; i < HZ_LEN(dialects); i++) {
        struct str whole = arena_str(&w->arena, call(w, dialects[i].target, dialects[i].body));
        CHECK_EQ(w->status, 200);
        struct str text = text_at(w, first_choice(whole), "message.content");
        CHECK(str_starts(text, STR("Simulated answer to: Hello \xC3\xA9 there")));
        struct heard h = hear(w, call(w, dialects[i].target, dialects[i].stream_body));
        CHECK(str_eq(buf_str(&h.text), text));
        CHECK(str_eq(buf_str(&h.reasoning),
                     text_at(w, first_choice(whole), "message.reasoning_content")));
        CHECK_EQ(h.reasoning.len, 36);
        CHECK_EQ(h.completion, number_at(whole, "usage.completion_tokens"));
        CHECK_EQ(h.completion, 9 + (int64_t)((text.len + 3) / 4));
        CHECK_STR(h.finish, "stop");
        CHECK(h.is_done);
        first_text = first_text.at ? first_text : text;
        CHECK(str_eq(text, first_text));
        struct str entry = billed(w, 0);
        CHECK_EQ(number_at(entry, "completion_tokens"), h.completion);
        CHECK_EQ(number_at(entry, "reasoning_tokens"), 9);
        CHECK_EQ(number_at(entry, "prompt_tokens"), 3 + 4 + 4);
        heard_fini(&h);
    }
}

TEST(streams_say_what_whole_answers_say_in_every_dialect)
{
    play(scene_streams_equal_wholes);
}

static void scene_azure_oddities(struct world *w)
{
    struct heard h = hear(w, call(w, dialects[3].target, dialects[3].stream_body));
    CHECK_EQ(h.empty_choices, 2);
    CHECK_EQ(h.without_delta, 1);
    heard_fini(&h);
    h = hear(w, call(w, dialects[2].target, dialects[2].stream_body));
    CHECK_EQ(h.empty_choices, 0);
    heard_fini(&h);
    struct str whole =
        call(w, "/openai/deployments/my-deployment/chat/completions?api-version=1", "{" HELLO);
    CHECK_STR(json_get(whole, "model"), "\"gpt-4o-2024-11-20\"");
    CHECK(json_get(whole, "prompt_filter_results").at);
    CHECK(json_get(first_choice(whole), "content_filter_results").at);
    call(w, "/openai/deployments/my-deployment/chat/completions", "{" HELLO);
    CHECK_EQ(w->status, 404);
    CHECK_STR(json_path(buf_str(&w->body), "error.code"), "\"404\"");
}

TEST(azure_classic_has_its_oddities)
{
    play(scene_azure_oddities);
}

static void scene_extras(struct world *w)
{
    const char *target = "/models/chat/completions?api-version=1",
               *body = "{\"model\":\"m\",\"n\":2," HELLO;
    struct str refused = call(w, target, body);
    CHECK_EQ(w->status, 422);
    CHECK_STR(json_path(refused, "detail.loc"), "[\"body\",\"n\"]");
    CHECK_STR(json_path(refused, "detail.input"), "2");
    sim_call_with(w, target, "extra-parameters: drop\r\n", body);
    CHECK_EQ(w->status, 200);
}

TEST(the_models_path_refuses_extra_parameters)
{
    play(scene_extras);
}

static void scene_think_tags(struct world *w)
{
    const char *body = "{\"model\":\"DeepSeek-R1\"," HELLO;
    struct str inline_answer =
        call(w, "/models/chat/completions?api-version=2024-05-01-preview", body);
    struct str text = text_at(w, first_choice(inline_answer), "message.content");
    CHECK(str_starts(text, STR("<think>\n")));
    CHECK(str_find(text, STR("\n</think>\n\nSimulated answer to: ")) == 24 * 4 - 11);
    CHECK_EQ(number_at(inline_answer, "usage.completion_tokens_details.reasoning_tokens"), 24);
    struct str apart = call(w, "/models/chat/completions?api-version=2025-04-01", body);
    CHECK_EQ(text_at(w, first_choice(apart), "message.reasoning_content").len, 24 * 4);
}

TEST(a_reasoner_thinks_in_tags_or_in_its_field)
{
    play(scene_think_tags);
}

static void scene_limits(struct world *w)
{
    struct str a = chat(w, "m+tokens=50", "\"max_tokens\":7," HELLO);
    CHECK_EQ(number_at(a, "usage.completion_tokens"), 7);
    CHECK_STR(json_get(first_choice(a), "finish_reason"), "\"length\"");
    a = chat(w, "m+tokens=50,think=9", "\"max_completion_tokens\":7," HELLO);
    CHECK_STR(json_path(first_choice(a), "message.content"), "\"\"");
    CHECK_EQ(number_at(a, "usage.completion_tokens_details.reasoning_tokens"), 7);
    a = chat(w, "m+tokens=50", "\"n\":3," HELLO);
    CHECK_EQ(json_len(json_get(a, "choices")), 3);
    CHECK_EQ(number_at(a, "usage.completion_tokens"), 150);
    struct heard h = hear(w, chat(w, "m+tokens=50", "\"n\":3," HELLO_STREAM));
    CHECK_EQ(h.completion, 150);
    heard_fini(&h);
    a = chat(w, "m+cached=5", HELLO);
    CHECK_EQ(number_at(a, "usage.prompt_tokens_details.cached_tokens"), 5);
    chat(w, "o3-mini", "\"max_tokens\":7," HELLO);
    CHECK_EQ(w->status, 400);
}

TEST(lengths_and_choices_are_as_asked)
{
    play(scene_limits);
}

#define TOOLS                                                                                  \
    "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"weather_at\",\"parameters\":{" \
    "\"type\":\"object\","                                                                     \
    "\"properties\":{\"place\":{\"type\":\"string\"}},\"required\":[\"place\"]}}}],"

static void scene_tools(struct world *w)
{
    struct str choice = first_choice(chat(w, "m", TOOLS HELLO));
    CHECK_STR(json_get(choice, "finish_reason"), "\"tool_calls\"");
    CHECK_STR(json_path(choice, "message.content"), "null");
    struct heard h = hear(w, chat(w, "m", TOOLS HELLO_STREAM));
    CHECK_STR(buf_str(&h.arguments), "{\"place\":\"simulated\"}");
    CHECK_STR(h.finish, "tool_calls");
    CHECK_EQ(h.completion, 3 + 6);
    heard_fini(&h);
    choice = first_choice(chat(w, "m", TOOLS "\"tool_choice\":\"none\"," HELLO));
    CHECK_STR(json_get(choice, "finish_reason"), "\"stop\"");
    choice = first_choice(chat(w, "m",
                               TOOLS "\"messages\":[{\"role\":\"user\",\"content\":\"Q\"},"
                                     "{\"role\":\"tool\",\"content\":\"sunny\"}]}"));
    CHECK(str_starts(text_at(w, choice, "message.content"),
                     STR("Simulated answer to: Q | tool result: sunny")));
}

TEST(tools_are_called_and_their_results_quoted)
{
    play(scene_tools);
}

static void scene_formats(struct world *w)
{
    struct str choice = first_choice(
        chat(w, "m",
             "\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"a\","
             "\"schema\":{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\"}},"
             "\"required\":[\"n\"]}}}," HELLO));
    CHECK_STR(text_at(w, choice, "message.content"), "{\"n\":1}");
    choice = first_choice(chat(w, "m", "\"response_format\":{\"type\":\"json_object\"}," HELLO));
    CHECK_STR(json_get(text_at(w, choice, "message.content"), "simulated"), "true");
    choice = first_choice(
        chat(w, "m",
             "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"See\"},"
             "{\"type\":\"image_url\",\"image_url\":{\"url\":\"x\"}}]}]}"));
    CHECK(str_find(text_at(w, choice, "message.content"), STR("| 1 image")) != SIZE_MAX);
}

TEST(formats_and_images_are_answered)
{
    play(scene_formats);
}

static void scene_embeddings(struct world *w)
{
    struct str answer = call(w, "/v1/embeddings",
                             "{\"model\":\"e\",\"input\":[\"ab\",\"cdefg\"],\"dimensions\":3}");
    CHECK_EQ(number_at(answer, "usage.prompt_tokens"), 3);
    CHECK_EQ(json_len(json_get(answer, "data")), 2);
    answer =
        call(w, "/v1/embeddings",
             "{\"model\":\"e\",\"input\":\"ab\",\"dimensions\":3,\"encoding_format\":\"base64\"}");
    struct json_iter it;
    struct str first;
    json_iter_init(&it, json_get(answer, "data"));
    CHECK(json_next_element(&it, &first));
    struct buf bytes = { 0 };
    CHECK_OK(base64_decode(text_at(w, first, "embedding"), &bytes));
    CHECK_EQ(bytes.len, 12);
    float vector[3];
    memcpy(vector, bytes.at, sizeof(vector));
    double length = 0;
    for (int i = 0; i < 3; i++)
        length += (double)vector[i] * (double)vector[i];
    CHECK(length > 0.999999 && length < 1.000001);
    buf_fini(&bytes);
    answer = call(w, "/v1/embeddings", "{\"model\":\"e\",\"input\":[[1,2],[3]]}");
    CHECK_EQ(number_at(answer, "usage.prompt_tokens"), 3);
}

TEST(embeddings_are_unit_vectors_in_both_encodings)
{
    play(scene_embeddings);
}

static void scene_errors(struct world *w)
{
    struct str body = chat(w, "m+status=429,retry_after=2", HELLO);
    CHECK_EQ(w->status, 429);
    CHECK_STR(json_path(body, "error.code"), "\"rate_limit_exceeded\"");
    body = call(w, "/openai/v1/chat/completions", "{\"model\":\"m+status=429\"," HELLO);
    CHECK_STR(json_path(body, "error.code"), "\"429\"");
    body = chat(w, "m+status=400,error_shape=vllm", HELLO);
    CHECK_STR(json_get(body, "code"), "400");
    body = chat(w, "m+status=422,error_shape=validation", HELLO);
    CHECK_EQ(json_kind(json_get(body, "detail")), JSON_ARRAY);
    body = chat(w, "m+stauts=422", HELLO);
    CHECK_EQ(w->status, 400);
    CHECK(str_find(body, STR("stauts")) != SIZE_MAX);
    chat(w, "m+html", HELLO);
    CHECK_EQ(w->status, 200);
    chat(w, "m", "\"messages\":[]}");
    CHECK_EQ(w->status, 400);
    call(w, "/v1/chat/completions", "{");
    CHECK_EQ(w->status, 400);
    call(w, "/v2/chat/completions", "{}");
    CHECK_EQ(w->status, 404);
    CHECK(!billed(w, 0).at);
}

TEST(errors_come_in_their_shape_and_cost_nothing)
{
    play(scene_errors);
}

static void scene_filter(struct world *w)
{
    struct str body =
        call(w, "/openai/v1/chat/completions", "{\"model\":\"m+content_filter=prompt\"," HELLO);
    CHECK_EQ(w->status, 400);
    CHECK_STR(json_path(body, "error.innererror.code"), "\"ResponsibleAIPolicyViolation\"");
    CHECK_EQ(number_at(billed(w, 0), "completion_tokens"), 0);
    CHECK_EQ(number_at(billed(w, 0), "prompt_tokens"), 11);
    body = chat(w, "m+content_filter=answer,tokens=20", HELLO);
    CHECK_STR(json_get(first_choice(body), "finish_reason"), "\"content_filter\"");
    CHECK_EQ(number_at(billed(w, 0), "completion_tokens"), 10);
}

TEST(what_the_filter_stops_is_billed)
{
    play(scene_filter);
}

static void scene_broken(struct world *w)
{
    chat(w, "m+reset", HELLO);
    CHECK(w->err != OK);
    CHECK(!billed(w, 0).at);
    struct str body = chat(w, "m+cut=3,tokens=20", HELLO_STREAM);
    CHECK(w->err != OK);
    struct heard h = hear(w, body);
    CHECK_STR(buf_str(&h.text), "Simulated an");
    CHECK(!h.is_done && !h.finish.at);
    heard_fini(&h);
    CHECK_EQ(number_at(billed(w, 0), "aborted_after_tokens"), 3);
    chat(w, "m+cut=3,tokens=20", HELLO);
    CHECK(w->err != OK);
    h = hear(w, chat(w, "m+garbage=3,tokens=20", HELLO_STREAM));
    CHECK_EQ(h.garbled, 1);
    heard_fini(&h);
    h = hear(w, chat(w, "m+error_event=300,tokens=20", HELLO_STREAM));
    CHECK_EQ(h.errors, 1);
    CHECK(!h.is_done && !h.finish.at);
    heard_fini(&h);
    h = hear(w, chat(w, "m+no_done,no_usage", HELLO_STREAM));
    CHECK_EQ(h.completion, -1);
    CHECK(!h.is_done);
    heard_fini(&h);
}

TEST(broken_streams_break_where_told)
{
    play(scene_broken);
}

static void leave_after(struct world *w, const char *name, const char *rest, bool has_head)
{
    struct http_exchange x;
    const char *body =
        arena_cstr(&w->arena, arena_printf(&w->arena, "{\"model\":\"%s\",%s", name, rest));
    struct http_send send = { .origin = { .host = STR("127.0.0.1"),
                                          .port = sim_server_port(w->sim) },
                              .method = STR("POST"),
                              .target = STR("/v1/chat/completions"),
                              .body = str_of(body),
                              .connect_deadline_ns = INT64_MAX,
                              .send_deadline_ns = INT64_MAX };
    x = (struct http_exchange) { 0 };
    CHECK_OK(http_exchange_start(w->task, w->client, &x, &send));
    struct str data, marker = STR("late");
    bool is_seen = !has_head;
    if (has_head)
        CHECK_OK(http_exchange_head(w->task, &x, INT64_MAX));
    while (!is_seen) {
        CHECK_OK(http_exchange_read(w->task, &x, &data, INT64_MAX));
        is_seen = str_find(data, marker) != SIZE_MAX;
    }
    http_exchange_end(&x);
}

static struct str last_request(struct world *w)
{
    struct json_iter it;
    struct str entry = STR_NONE, list = json_trim(call(w, "/sim/requests", NULL));
    json_iter_init(&it, list);
    while (json_next_element(&it, &entry)) {
    }
    return entry;
}

/* Asks until the simulator has noticed that its caller left. */
static bool was_left(struct world *w)
{
    for (int i = 0; i < 10000; i++) {
        if (json_is_true(json_get(last_request(w), "client_left")))
            return true;
    }
    return false;
}

static void scene_leaving(struct world *w)
{
    leave_after(w, "m+stall=2,tokens=20", HELLO_STREAM, true);
    CHECK(was_left(w));
    CHECK_EQ(number_at(billed(w, 0), "aborted_after_tokens"), 2);
    CHECK_EQ(number_at(billed(w, 0), "completion_tokens"), 2);
    CHECK(json_is_true(json_get(billed(w, 0), "client_left")));
    leave_after(w, "m+tps=20,tokens=200000", HELLO_STREAM, true);
    CHECK(was_left(w));
    CHECK(number_at(billed(w, 0), "aborted_after_tokens") < 20);
}

TEST(who_leaves_is_noticed_and_billed_for_what_came)
{
    play(scene_leaving);
}

static void scene_key(struct world *w)
{
    const char *body = "{\"model\":\"m\"," HELLO;
    call(w, "/v1/chat/completions", body);
    CHECK_EQ(w->status, 401);
    sim_call_with(w, "/v1/chat/completions", "api-key: right\r\n", body);
    CHECK_EQ(w->status, 401);
    sim_call_with(w, "/v1/chat/completions", "Authorization: Bearer right\r\n", body);
    CHECK_EQ(w->status, 200);
    sim_call_with(w, "/openai/v1/chat/completions", "api-key: right\r\n", body);
    CHECK_EQ(w->status, 200);
    struct str refused = sim_call_with(w, "/openai/v1/chat/completions", "api-key: wrong\r\n", body);
    CHECK_EQ(w->status, 401);
    CHECK_STR(json_path(refused, "error.code"), "\"401\"");
    CHECK_EQ(str_find(call(w, "/sim/requests", NULL), STR("right")), SIZE_MAX);
}

TEST(a_key_is_asked_for_as_the_dialect_does)
{
    play_with(scene_key, (struct sim_server_options) { .sim.key = STR("right") });
}

static void scene_script(struct world *w)
{
    chat(w, "gpt-4o", HELLO);
    CHECK_EQ(w->status, 503);
    chat(w, "gpt-4o", HELLO);
    CHECK_EQ(w->status, 200);
    call(w, "/sim/reset", "");
    chat(w, "gpt-4o", HELLO);
    CHECK_EQ(w->status, 503);
    call(w, "/sim/script", "[{\"do\":\"status=500,region=Sweden_Central\"}]");
    CHECK_EQ(w->status, 200);
    chat(w, "gpt-4o", HELLO);
    CHECK_EQ(w->status, 500);
    call(w, "/sim/script", "[{\"do\":\"nonsense\"}]");
    CHECK_EQ(w->status, 400);
    chat(w, "gpt-4o", HELLO);
    CHECK_EQ(w->status, 500);
}

TEST(a_script_applies_and_can_be_replaced)
{
    play_with(scene_script,
              (struct sim_server_options) {
                  .sim.script =
                      STR("[{\"match\":{\"model\":\"gpt*\",\"nth\":1},\"do\":\"status=503\"}]") });
}

static void scene_oddities(struct world *w)
{
    struct heard h =
        hear(w, chat(w, "m+pretty,comments,crlf,null_content,role_every", HELLO_STREAM));
    CHECK(h.is_done);
    CHECK_EQ(h.garbled, 0);
    CHECK(h.finish.at && h.finish.len == 0);
    heard_fini(&h);
    struct str body = chat(w, "m+pretty,null_tools,usage_side", HELLO);
    struct fail fail = { 0 };
    CHECK_OK(json_check(json_trim(body), &fail));
    CHECK(!json_get(body, "id").at && !json_get(body, "usage").at &&
          json_path(body, "x_groq.usage").at);
    h = hear(w, chat(w, "m+usage_every_chunk,tokens=9", HELLO_STREAM));
    CHECK_EQ(h.completion, 9);
    heard_fini(&h);
}

TEST(oddities_stay_readable)
{
    play(scene_oddities);
}

#define BEGUN(text) "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}," \
                    "{\"role\":\"assistant\",\"content\":\"" text "\"}]}"

static void scene_prefill(struct world *w)
{
    struct str whole = chat(w, "m+tokens=20", "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}");
    struct str text = arena_str(&w->arena, text_at(w, first_choice(whole), "message.content"));
    whole = chat(w, "m+tokens=20,prefill=continue", BEGUN("Simulated answer to:"));
    CHECK(str_eq(text_at(w, first_choice(whole), "message.content"),
                 str_skip(text, STR("Simulated answer to:").len)));
    CHECK_EQ(number_at(billed(w, 0), "prompt_tokens"), 3 + 4 + 1 + 4 + 5);
    CHECK_EQ(number_at(billed(w, 0), "completion_tokens"), 15);
    chat(w, "m+prefill=refuse", BEGUN("So"));
    CHECK_EQ(w->status, 400);
    chat(w, "m+prefill=refuse", HELLO);
    CHECK_EQ(w->status, 200);
}

TEST(what_an_assistant_began_is_continued_or_refused)
{
    play(scene_prefill);
}

RUN_TESTS(T(streams_say_what_whole_answers_say_in_every_dialect), T(azure_classic_has_its_oddities),
          T(the_models_path_refuses_extra_parameters), T(a_reasoner_thinks_in_tags_or_in_its_field),
          T(lengths_and_choices_are_as_asked), T(tools_are_called_and_their_results_quoted),
          T(formats_and_images_are_answered), T(embeddings_are_unit_vectors_in_both_encodings),
          T(errors_come_in_their_shape_and_cost_nothing), T(what_the_filter_stops_is_billed),
          T(broken_streams_break_where_told), T(who_leaves_is_noticed_and_billed_for_what_came),
          T(a_key_is_asked_for_as_the_dialect_does), T(a_script_applies_and_can_be_replaced),
          T(oddities_stay_readable), T(what_an_assistant_began_is_continued_or_refused))
