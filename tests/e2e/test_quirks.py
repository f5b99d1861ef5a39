"""Oddities of providers that clients never see: whatever a provider leaves out, doubles or words in its
own way, the official SDK reads the same answer, and the ledger has the provider's own numbers."""
import json
import uuid

import openai
import pytest

from harness import Server
from money import cost_nusd
from simulated import DIALECTS, PRICE, checked, model, provider
from test_money import invoice_of, only_row, usage_of
from test_sdk import WEATHER, ask

QUIRKS = ["no_id", "no_object", "created_float", "no_space", "crlf", "comments", "no_role", "role_every",
          "null_content", "null_tools", "usage_every_chunk", "usage_side", "negative_limits", "pretty", "no_done",
          "args_object", "tool_whole", "no_index", "tools=3"]
NO_FINISH = ("pretty",)  # its provider never says why it ended


@pytest.fixture(scope="module")
def odd_server(tmp_path_factory, sim):
    models = [model(f"{dialect}.{quirk}", dialect, f"gpt-4o+{quirk}") for dialect in DIALECTS for quirk in QUIRKS]
    models += [model(f"{dialect}.plain", dialect, "gpt-4o") for dialect in DIALECTS]
    models += [model(f"{dialect}.think", dialect, "gpt-4o+think=24",
                     capabilities={"reasoning_format": "think_tag"}) for dialect in DIALECTS]
    models += [model("tagged", "tagged", "gpt-4o+think=24", capabilities={"reasoning_format": "think_tag"})]
    running = Server(tmp_path_factory.mktemp("odd"), {
        "providers": [provider(dialect, sim.url) for dialect in DIALECTS] +
                     [provider("foundry-models", sim.url, name="tagged", api_version="2024-05-01-preview")],
        "models": models, "routes": [{"models": ["openai.plain"]}], "fallbacks": []})
    yield running
    checked(running.finish())


@pytest.fixture(scope="module")
def odd_client(odd_server):
    with openai.OpenAI(api_key=odd_server.key, base_url=odd_server.base_url, max_retries=0, timeout=30) as client:
        yield client


def asked(text="Tell me about rain."):
    correlation = f"odd-{uuid.uuid4()}"
    return correlation, {"messages": ask(f"{text} {correlation}"), "extra_headers": {"X-Correlation-ID": correlation}}


def is_booked(server, sim, correlation):
    row, billed = only_row(server, correlation), invoice_of(sim, correlation)
    assert row["usage_source"] == 0
    assert (row["input_tokens"], row["output_tokens"]) == (billed["prompt_tokens"], billed["completion_tokens"])
    assert row["amount_nusd"] == cost_nusd(PRICE, **usage_of(row))


@pytest.mark.parametrize("quirk", QUIRKS)
def test_whole_answers_are_alike(odd_client, odd_server, sim, dialect, quirk):
    correlation, question = asked()
    plain = odd_client.chat.completions.create(model=f"{dialect}.plain", **question)
    correlation, question = asked()
    answer = odd_client.chat.completions.create(model=f"{dialect}.{quirk}", **question)
    choice = answer.choices[0]
    assert answer.id and answer.object == "chat.completion" and isinstance(answer.created, int)
    assert choice.message.role == "assistant" and choice.message.content.startswith("Simulated answer to: Tell me")
    assert choice.finish_reason == plain.choices[0].finish_reason or quirk in NO_FINISH
    assert not choice.message.tool_calls
    is_booked(odd_server, sim, correlation)


@pytest.mark.parametrize("quirk", QUIRKS)
def test_streams_are_alike(odd_client, odd_server, sim, dialect, quirk):
    correlation, question = asked()
    text, ids, finished = "", set(), []
    for chunk in odd_client.chat.completions.create(model=f"{dialect}.{quirk}", stream=True, **question):
        assert chunk.object == "chat.completion.chunk" and isinstance(chunk.created, int) and chunk.created > 0
        assert len(chunk.choices) == 1 and chunk.usage is None
        ids.add(chunk.id)
        text += chunk.choices[0].delta.content or ""
        finished += [chunk.choices[0].finish_reason] if chunk.choices[0].finish_reason else []
    whole = odd_client.chat.completions.create(model=f"{dialect}.plain", **question)
    assert text == whole.choices[0].message.content
    assert len(ids) == 1 and all(ids)
    assert finished == ["stop"] or quirk in NO_FINISH
    row = odd_server.query("SELECT * FROM transfer WHERE correlation_id = ? ORDER BY id", correlation)[0]
    seq = sim.requests_with(correlation)[0]["seq"]
    billed = sim.invoice(f'"seq":{seq},')[0]
    assert row["usage_source"] == 0 and row["status"] == 1
    assert (row["input_tokens"], row["output_tokens"]) == (billed["prompt_tokens"], billed["completion_tokens"])


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("quirk", ["args_object", "tool_whole", "no_index", "null_tools", "pretty", "tools=3", "no_role"])
def test_tool_calls_are_alike(odd_client, dialect, quirk, is_stream):
    question = {"model": f"{dialect}.{quirk}", "tools": WEATHER, "messages": ask("What is the weather in Lund?")}
    if is_stream:
        with odd_client.chat.completions.stream(**question) as stream:
            for _ in stream:
                pass
            answer = stream.get_final_completion()
    else:
        answer = odd_client.chat.completions.create(**question)
    calls = answer.choices[0].message.tool_calls
    assert len(calls) == (3 if quirk == "tools=3" else 1)
    assert len({call.id for call in calls}) == len(calls)
    for call in calls:
        assert call.function.name == "weather_at" and "place" in json.loads(call.function.arguments)


@pytest.mark.parametrize("name", [f"{dialect}.think" for dialect in DIALECTS] + ["tagged"])
def test_reasoning_is_apart_from_the_answer(odd_client, odd_server, sim, name):
    correlation, question = asked()
    whole = odd_client.chat.completions.create(model=name, **question).choices[0].message
    assert whole.content.startswith("Simulated answer") and "<think>" not in whole.content
    assert whole.reasoning_content and "<think>" not in whole.reasoning_content
    is_booked(odd_server, sim, correlation)
    text = reasoning = ""
    for chunk in odd_client.chat.completions.create(model=name, stream=True, messages=question["messages"]):
        delta = chunk.choices[0].delta
        text += delta.content or ""
        reasoning += getattr(delta, "reasoning_content", None) or ""
    assert (text.strip(), reasoning.strip()) == (whole.content.strip(), whole.reasoning_content.strip())


def test_fields_that_a_provider_refuses_do_not_reach_it(odd_client, sim):
    correlation, question = asked()
    odd_client.chat.completions.create(model="foundry-models.plain", n=1, user="somebody", logprobs=False,
                                       parallel_tool_calls=None, stream_options=None, **question)
    assert sim.request_with(correlation)["status"] == 200
    correlation, question = asked()
    stream = odd_client.chat.completions.create(model="foundry-models.plain", stream=True,
                                                stream_options={"include_usage": True}, **question)
    assert list(stream)[-1].usage.total_tokens > 0


def test_no_credential_and_no_header_of_the_client_goes_upstream(odd_client, sim):
    correlation, question = asked()
    question["extra_headers"]["X-Secret"] = "for your ears only"
    odd_client.chat.completions.create(model="azure-openai.plain", **question)
    headers = sim.request_with(correlation)["headers"]
    assert "x-secret" not in headers and not any(name.startswith("x-stainless") for name in headers)
    assert len(headers) <= 10, f"Azure takes 10 headers of a caller's own: {headers}"
