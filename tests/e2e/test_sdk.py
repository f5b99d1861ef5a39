"""The official `openai` package, unmodified, over plain HTTP and TLS, against each provider dialect."""
import base64
import json
import time

import openai
import pytest

from harness import eventually

PIXEL = base64.b64encode(base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)).decode()
WEATHER = [{
    "type": "function",
    "function": {
        "name": "weather_at",
        "description": "Today's weather at a place",
        "parameters": {"type": "object", "properties": {"place": {"type": "string"}},
                       "required": ["place"], "additionalProperties": False},
    },
}]
SCHEMA = {
    "type": "json_schema",
    "json_schema": {
        "name": "count", "strict": True,
        "schema": {"type": "object", "additionalProperties": False, "required": ["n", "why"],
                   "properties": {"n": {"type": "integer"}, "why": {"type": "string"}}},
    },
}


def ask(text):
    return [{"role": "user", "content": text}]


def test_chat_is_answered_with_usage(client, dialect):
    answer = client.chat.completions.create(model=f"{dialect}.chat", messages=ask("Say hello."))
    choice = answer.choices[0]
    assert answer.object == "chat.completion" and answer.id
    assert choice.message.role == "assistant" and choice.message.content
    assert choice.finish_reason == "stop"
    assert answer.usage.prompt_tokens > 0
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_several_choices_are_kept_apart(client, dialect):
    answer = client.chat.completions.create(model=f"{dialect}.chat", messages=ask("Twice, please."), n=2) \
        if dialect != "foundry-models" else None
    if answer is None:
        pytest.skip("the /models contract has no n")
    assert sorted(choice.index for choice in answer.choices) == [0, 1]
    assert all(choice.message.content for choice in answer.choices)


def test_every_answer_has_a_request_id(client, dialect):
    raw = client.chat.completions.with_raw_response.create(
        model=f"{dialect}.chat", messages=ask("An id, please."),
        extra_headers={"X-Correlation-ID": f"given-{dialect}"})
    assert raw.headers["x-correlation-id"] == f"given-{dialect}"
    assert raw.parse()._request_id


def test_stream_is_the_same_text_as_the_whole_answer(client, dialect):
    question = dict(model=f"{dialect}.chat", messages=ask("Tell me about rain."))
    whole = client.chat.completions.create(**question)
    text, finish = "", []
    for chunk in client.chat.completions.create(stream=True, **question):
        assert chunk.object == "chat.completion.chunk"
        assert chunk.choices, "a chunk without choices reached a client that did not ask for usage"
        assert chunk.usage is None
        text += chunk.choices[0].delta.content or ""
        finish += [chunk.choices[0].finish_reason] if chunk.choices[0].finish_reason else []
    assert text == whole.choices[0].message.content
    assert finish == ["stop"]


def test_stream_with_usage_ends_with_one_usage_chunk(client, dialect):
    question = dict(model=f"{dialect}.chat", messages=ask("Count me."))
    whole = client.chat.completions.create(**question)
    chunks = list(client.chat.completions.create(stream=True, stream_options={"include_usage": True}, **question))
    usages = [chunk for chunk in chunks if chunk.usage]
    assert len(usages) == 1 and usages[0] is chunks[-1]
    assert usages[0].choices == []
    assert usages[0].usage.prompt_tokens == whole.usage.prompt_tokens
    assert usages[0].usage.completion_tokens == whole.usage.completion_tokens


def test_stream_helper_of_the_sdk_assembles_the_answer(client, dialect):
    with client.chat.completions.stream(model=f"{dialect}.chat", messages=ask("Assemble me.")) as stream:
        for _ in stream:
            pass
        final = stream.get_final_completion()
    assert final.choices[0].message.content and final.choices[0].finish_reason == "stop"


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
def test_tool_call_goes_round_trip(client, dialect, is_stream):
    question = dict(model=f"{dialect}.chat", tools=WEATHER, messages=ask("What is the weather in Lund?"))
    if is_stream:
        with client.chat.completions.stream(**question) as stream:
            for _ in stream:
                pass
            first = stream.get_final_completion()
    else:
        first = client.chat.completions.create(**question)
    assert first.choices[0].finish_reason == "tool_calls"
    call = first.choices[0].message.tool_calls[0]
    assert call.id and call.type == "function" and call.function.name == "weather_at"
    assert "place" in json.loads(call.function.arguments)

    turn = {"role": "assistant", "content": None, "tool_calls": [
        {"id": call.id, "type": "function",
         "function": {"name": call.function.name, "arguments": call.function.arguments}}]}
    result = {"role": "tool", "tool_call_id": call.id, "content": '{"sky": "clear"}'}
    second = client.chat.completions.create(
        model=f"{dialect}.chat", tools=WEATHER, messages=question["messages"] + [turn, result])
    assert second.choices[0].finish_reason == "stop" and second.choices[0].message.content


def test_image_part_reaches_the_provider(client, dialect, sim):
    mark = f"picture-{dialect}-{time.monotonic_ns()}"
    answer = client.chat.completions.create(model=f"{dialect}.chat", messages=[{"role": "user", "content": [
        {"type": "text", "text": mark},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}", "detail": "low"}}]}])
    assert answer.choices[0].message.content
    seen = sim.request_with(mark)
    part = seen["body"]["messages"][0]["content"][1]
    assert part["image_url"]["url"].endswith(PIXEL)


def test_json_schema_shapes_the_answer(client, dialect):
    answer = client.chat.completions.create(model=f"{dialect}.chat", response_format=SCHEMA,
                                            messages=ask("How many, and why? Answer in JSON."))
    found = json.loads(answer.choices[0].message.content)
    assert isinstance(found["n"], int) and isinstance(found["why"], str)


def test_embeddings_are_equal_in_both_encodings(client, dialect):
    question = dict(model=f"{dialect}.embed", input=["first text", "second text"])
    as_default = client.embeddings.create(**question)  # the package asks for base64 by itself
    as_float = client.embeddings.create(encoding_format="float", **question)
    assert [e.index for e in as_default.data] == [0, 1]
    assert len(as_default.data[0].embedding) == 1536
    for one, other in zip(as_default.data, as_float.data):
        assert one.embedding == pytest.approx(other.embedding, rel=1e-6)
    assert as_float.usage.prompt_tokens > 0 and as_float.usage.total_tokens == as_float.usage.prompt_tokens


def test_models_are_listed_and_retrieved(client, dialect):
    names = [model.id for model in client.models.list()]
    assert f"{dialect}.chat" in names
    one = client.models.retrieve(f"{dialect}.chat")
    assert one.id == f"{dialect}.chat" and one.object == "model"


ERRORS = [
    ("refused", openai.BadRequestError, 400),
    ("unprocessable", openai.UnprocessableEntityError, 422),
    ("limited", openai.RateLimitError, 429),
    ("failing", openai.InternalServerError, 502),
    ("silent", openai.InternalServerError, 504),
    ("locked", openai.InternalServerError, 502),
]


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("model, kind, status", ERRORS, ids=[row[0] for row in ERRORS])
def test_a_providers_error_is_raised_as_the_sdks_own(client, dialect, model, kind, status, is_stream):
    with pytest.raises(kind) as raised:
        client.chat.completions.create(model=f"{dialect}.{model}", messages=ask("Fail, please."), stream=is_stream)
    error = raised.value
    assert error.status_code == status
    assert error.body["message"] and error.body["type"] and "code" in error.body and "param" in error.body
    assert error.request_id
    if model in ("failing", "silent"):  # a locked one is out of rotation after its first 401
        assert error.response.headers["x-should-retry"] == "false"


def test_a_wrong_key_is_an_authentication_error(make_client, dialect):
    with pytest.raises(openai.AuthenticationError) as raised:
        make_client(api_key="hz_live_wrong").chat.completions.create(model=f"{dialect}.chat", messages=ask("Hm."))
    assert raised.value.code == "invalid_api_key"


def test_a_key_without_the_scope_is_a_permission_error(make_client, dialect):
    key = make_client.server.create_key("features")
    with pytest.raises(openai.PermissionDeniedError):
        make_client(api_key=key).chat.completions.create(model=f"{dialect}.chat", messages=ask("Hm."))


def test_an_unknown_model_is_a_not_found_error(client, dialect):
    with pytest.raises(openai.NotFoundError) as raised:
        client.chat.completions.create(model=f"{dialect}.nowhere", messages=ask("Hm."))
    assert raised.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve(f"{dialect}.nowhere")


def test_the_client_for_azure_names_the_model_in_the_path(server, dialect):
    body = {"model": "nowhere", "messages": ask("Whose name counts?")}
    reply = server.post(f"/openai/deployments/{dialect}.chat/chat/completions?api-version=2024-10-21", body)
    assert reply.status == 200 and reply.headers["x-huntaze-model"] == f"{dialect}.chat"
    assert server.post(f"/openai/deployments/{dialect}.nowhere/chat/completions", body).status == 404
    for path in ("chat/completions", f"{dialect}.chat", f"{dialect}.chat/audio", "%zz/embeddings"):
        assert server.post(f"/openai/deployments/{path}", body).status == 404
    with openai.AzureOpenAI(api_key=server.key, azure_endpoint=server.base_url.removesuffix("/v1"),
                            api_version="2024-10-21", max_retries=0, timeout=30) as client:
        answer = client.chat.completions.create(model=f"{dialect}.chat", messages=ask("Say hello."))
        assert answer.choices[0].message.content
        assert any(chunk.choices and chunk.choices[0].delta.content for chunk in client.chat.completions.create(
            model=f"{dialect}.chat", messages=ask("Say hello."), stream=True))
        assert client.embeddings.create(model=f"{dialect}.embed", input="a text").data[0].embedding


def test_a_stream_that_breaks_never_ends_cleanly(client, dialect):
    for name in ("cut", "error-event"):
        text = ""
        with pytest.raises(openai.APIError):
            for chunk in client.chat.completions.create(
                    model=f"{dialect}.{name}", messages=ask("Break."), stream=True):
                text += chunk.choices[0].delta.content or ""
                assert chunk.choices[0].finish_reason is None
        assert text, f"{name}: the content before the break was lost"


def test_the_sdks_own_time_out_ends_the_providers_call(make_client, dialect, sim):
    mark = f"patience-{dialect}-{time.monotonic_ns()}"
    with pytest.raises(openai.APITimeoutError):
        make_client(timeout=0.3).chat.completions.create(model=f"{dialect}.slow", messages=ask(mark))
    assert eventually(lambda: sim.was_left(mark)), sim.request_with(mark)


def test_cancel_ends_the_providers_call(client, dialect, sim, measured):
    mark = f"cancel-{dialect}-{time.monotonic_ns()}"
    stream = client.chat.completions.create(model=f"{dialect}.slow", messages=ask(mark), stream=True)
    next(iter(stream))
    answered = time.monotonic()
    assert not sim.was_left(mark)
    left = time.monotonic()
    stream.close()
    assert eventually(lambda: sim.was_left(mark)), sim.request_with(mark)
    # An upper bound by the provider's own clock, which began before its first token was here: to ask for
    # its journal takes longer than what is measured.
    took = answered + sim.request_with(mark)["left_after_ms"] / 1000 - left
    measured(f"cancel to the provider's end, {dialect}", took, 0.1)
