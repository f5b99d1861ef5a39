"""Promises over many inputs rather than over chosen ones."""
import json
import uuid

from hypothesis import HealthCheck, given, settings, strategies as st

FEW = settings(max_examples=60, deadline=None,
               suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
# What the gateway itself reads or may have to change; everything else must pass untouched.
READ_HERE = {"model", "messages", "stream", "stream_options", "n", "max_tokens", "max_completion_tokens", "tools",
             "tool_choice", "functions", "function_call", "response_format", "input", "encoding_format",
             "reasoning_effort", "user", "metadata"}
names = st.text(min_size=1, max_size=30).filter(lambda name: name not in READ_HERE)
texts = st.text(max_size=40)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-2**53, 2**53) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=12)


def without_surrogates(value):
    try:
        json.dumps(value, ensure_ascii=False).encode()
        return True
    except UnicodeEncodeError:
        return False


@FEW
@given(fields=st.dictionaries(names, values, max_size=5).filter(without_surrogates),
       is_ascii=st.booleans(), indent=st.sampled_from([None, 1, "\t"]), prompt=texts)
def test_unknown_fields_reach_the_provider_byte_for_byte(server, sim, fields, is_ascii, indent, prompt):
    mark = f"bytes-{uuid.uuid4()}"
    parts = {name: json.dumps(value, ensure_ascii=is_ascii, indent=indent) for name, value in fields.items()}
    head = {"model": '"openai.chat"', "messages": json.dumps([{"role": "user", "content": mark + prompt}])}
    body = "{" + ", ".join(f"{json.dumps(name, ensure_ascii=is_ascii)}: {text}"
                           for name, text in {**parts, **head}.items()) + "}"
    try:
        body = body.encode()
    except UnicodeEncodeError:
        return
    reply = server.post("/v1/chat/completions", body, headers={"Content-Type": "application/json"})
    assert reply.status == 200, reply
    sent = sim.request_with(mark)["raw"].encode()
    for text in parts.values():
        assert text.encode() in sent
    assert {k: v for k, v in json.loads(sent).items() if k in fields} == fields


@FEW
@given(body=st.binary(max_size=200))
def test_no_body_whatsoever_crashes_or_hangs(server, body):
    for path in ("/v1/chat/completions", "/v1/embeddings", "/route"):
        reply = server.post(path, body, headers={"Content-Type": "application/json"})
        assert reply.status == 400, (path, reply)
        assert reply.error["message"]


@FEW
@given(shape=values.filter(without_surrogates))
def test_no_json_whatsoever_in_place_of_messages_crashes(server, shape):
    reply = server.post("/v1/chat/completions", {"model": "openai.chat", "messages": shape})
    assert reply.status in (200, 400, 422), reply
    reply = server.post("/route", {"prompt": shape})
    assert reply.status in (200, 400), reply


@FEW
@given(name=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=60))
def test_any_model_name_is_found_or_not_found(server, name):
    reply = server.chat(name)
    assert reply.status in (200, 404), reply


@FEW
@given(value=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=200))
def test_every_answer_carries_a_correlation_id_that_is_safe(server, value):
    reply = server.get("/v1/models", headers={"X-Correlation-ID": value})
    given_back = reply.headers["x-correlation-id"]
    assert reply.status == 200 and given_back and given_back.isascii() and '"' not in given_back
