"""Streams of a provider that breaks off where the simulator never would: behind the finish, between
the halves of a character."""
import json

import pytest

from simulated import PRICE, checked, model
from harness import Server
from money import cost_nusd
from scripted import CHUNK, DONE, END, HEAD, Scripted, chunk, event, held, usage_chunk
from seen import BROKEN, OK

TIMEOUTS = {"connect": 2000, "first_content": 5000, "idle": 500, "attempt": 8000, "total": 20000}
WORDS = HEAD + chunk("A ") + chunk("B")
FINISHED = WORDS + chunk(finish="stop")
TWO = HEAD + chunk("A", index=0) + chunk("B", index=1) + chunk(finish="stop", index=0)

# What follows on the last finish_reason, and whether usage was stated.
ENDINGS = {
    "cut": (b"", False),
    "cut-within-chunk": (b"40\r\ndata: {\"id\"", False),
    "held": (b"", False),
    "error-event": (event({"error": {"message": "boom"}}) + END, False),
    "garbage": (event(b"oops") + END, False),
    "no-done": (END, False),
    "usage-and-cut": (usage_chunk(), True),
    "usage-and-held": (usage_chunk(), True),
    "usage-and-done": (usage_chunk() + DONE, True),
}
def half(escape):
    """A delta whose text is half of a surrogate pair."""
    data = json.dumps(CHUNK | {"choices": [{"index": 0, "delta": {"content": "@"}, "finish_reason": None}]})
    return event(data.replace("@", escape).encode())


# Broken off: within a character, and behind both of its halves.
TORN = HEAD + chunk("x") + half("\\ud83d")
JOINED = TORN + half("\\ude00")
CLEAN = ("no-done", "usage-and-done")  # nothing is missing that anybody would have to know of


@pytest.fixture(scope="module")
def provider():
    answers = {name: FINISHED + rest for name, (rest, _) in ENDINGS.items()}
    answers |= {"two-finished": TWO + chunk(finish="length", index=1), "two-one-finished": TWO,
                "torn": TORN, "joined": JOINED,
                "continues": HEAD + chunk(" y") + chunk(finish="stop") + DONE,
                "two-one-seen": HEAD + chunk("A") + chunk(finish="stop")}
    answers |= {name: held(answers[name]) for name in ("held", "usage-and-held")}
    made = Scripted(answers)
    yield made
    made.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory, provider):
    entry = {"name": "p", "kind": "openai-compatible", "base_url": provider.url, "timeouts_ms": TIMEOUTS}
    models = [model(name, "p", name) for name in provider.answers]
    next(m for m in models if m["name"] == "continues")["deployments"][0]["prefill"] = True
    sections = {"providers": [entry], "models": models, "routes": [{"models": ["cut"]}],
                "fallbacks": [{"from": name, "to": ["continues"]} for name in ("torn", "joined")], "breaker": {"failures_in_row": 1}}
    made = Server(tmp_path_factory.mktemp("serve"), sections)
    yield made
    checked(made.finish())


def ask(server, name, **fields):
    correlation = f"{name}-{len(server.logs())}"
    reply = server.chat(name, stream=True, headers={"X-Correlation-ID": correlation}, **fields)
    events = [line[6:] for line in reply.body.decode().split("\n") if line.startswith("data: ")]
    row, *_ = server.query("SELECT * FROM transfer WHERE correlation_id = ? ORDER BY attempt", correlation)
    lines = [line for line in server.logs() if line.get("correlation_id") == correlation]
    return reply, events, row, lines


def breaker_of(server, name):
    (only,) = server.get("/health").json["providers"]
    (state,) = [d["state"] for d in only["deployments"] if d["name"] == name]
    return state


@pytest.mark.parametrize("name", ENDINGS)
def test_an_answer_with_its_finish_reason_is_complete(server, provider, name):
    states_usage = ENDINGS[name][1]
    reply, events, row, lines = ask(server, name, stream_options={"include_usage": True})
    assert reply.text == "A B" and "error" not in reply.body.decode()
    usage = json.loads(events[-2])["usage"]
    assert (row["input_tokens"], row["output_tokens"]) == (usage["prompt_tokens"], usage["completion_tokens"])
    assert row["usage_source"] == (0 if states_usage else 1) and row["status"] == OK
    assert row["amount_nusd"] == cost_nusd(PRICE, row["input_tokens"], row["output_tokens"])
    if states_usage:
        assert (row["input_tokens"], row["output_tokens"]) == (7, 2)

    noted = [line for line in lines if line["event"] == "stream_end_missing"]
    assert len(noted) == (name not in CLEAN) and all(line["reason"] for line in noted)
    assert not [line for line in lines if line["event"] == "attempt_failed"]
    assert len(provider.of_model(name)) == 1
    assert breaker_of(server, name) == "closed"  # one failure would open it


def test_of_several_choices_all_must_be_finished(server):
    reply, events, row, _ = ask(server, "two-finished", n=2)
    assert events[-1] == "[DONE]" and row["status"] == OK


@pytest.mark.parametrize("name", ["two-one-finished", "two-one-seen"])
def test_one_finished_choice_of_two_is_half_an_answer(server, name):
    reply, events, row, _ = ask(server, name, n=2)
    assert json.loads(events[-1])["error"]["code"] == "upstream_broken"
    assert row["status"] == BROKEN and breaker_of(server, name) == "open"


def test_a_stream_goes_on_behind_a_character_that_came_in_halves(server, provider):
    reply, events, _, _ = ask(server, "joined")
    assert events[-1] == "[DONE]" and "y" in events[-3] + events[-2]
    (asked,) = provider.of_model("continues")
    assert asked["messages"][-1] == {"role": "assistant", "content": "x\U0001f600"}


def test_a_stream_that_broke_within_a_character_stays_broken(server, provider):
    before = len(provider.of_model("continues"))
    reply, events, row, _ = ask(server, "torn")
    assert json.loads(events[-1])["error"]["code"] == "upstream_broken" and row["status"] == BROKEN
    assert len(provider.of_model("continues")) == before
