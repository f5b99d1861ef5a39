"""How long an attempt may take, what a rest after a 429 means, and what overrides change: against a
provider that is scripted byte by byte."""
import time
import uuid

import pytest

from conftest import model
from harness import eventually
from bytewise import END, STREAM_HEAD, Scripted, chunked, completion, event, refusal

BOTH = pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
# Never the reason why something ends, however busy the machine is.
PATIENT = {"connect": 10000, "first_content": 60000, "idle": 60000, "attempt": 60000, "total": 120000}


@pytest.fixture
def raw():
    made = Scripted()
    made.handlers["silent"] = made.silence
    made.handlers["good"] = lambda connection, nth: completion()
    yield made
    made.close()


def good_stream(connection, nth):
    return STREAM_HEAD + event("Hello.") + END


def entry(raw, name="p", **timeouts):
    return {"name": name, "kind": "openai-compatible", "base_url": raw.url, "timeouts_ms": PATIENT | timeouts}


def sections(raw, *names, **more):
    """Each model is named as its deployment."""
    return {"providers": [entry(raw)], "models": [model(name, "p", name) for name in names],
            "routes": [{"models": list(names)}], "fallbacks": []} | more


def ask(server, name="auto", **fields):
    """The reply, and the attempts that its log tells of as failed."""
    mark = f"attempts-{uuid.uuid4()}"
    reply = server.chat(name, headers={"X-Correlation-ID": mark}, **fields)
    return reply, failures(server, mark)


def failures(server, mark):
    lines = [line for line in server.logs() if line.get("correlation_id") == mark]
    return [line for line in lines if line["event"] == "attempt_failed"]


def health_of(server, name):
    (found,) = [(provider, deployment) for provider in server.get("/health").json["providers"]
                for deployment in provider["deployments"] if deployment["model"] == name]
    return found


# ---- a route's total below the provider's attempt ----

@BOTH
def test_a_short_total_still_lets_a_second_deployment_answer(start_server, raw, is_stream):
    if is_stream:
        raw.handlers["good"] = good_stream
    server = start_server(sections(raw, "silent", "good", breaker={"failures_in_row": 1},
                                   routes=[{"models": ["silent", "good"], "timeouts_ms": {"total": 4000}}]))
    reply, failed = ask(server, stream=is_stream)
    assert reply.status == 200 and reply.text == "Hello.", reply
    assert [(line["deployment"], line["outcome"]) for line in failed] == [("silent", "silent")]
    provider, deployment = health_of(server, "silent")
    assert (provider["failures"], deployment["state"]) == (1, "open")


@BOTH
def test_when_a_short_total_ends_all_that_were_asked_are_named(start_server, raw, is_stream):
    raw.handlers["mute"] = raw.silence
    server = start_server(sections(raw, "silent", "mute", routes=[
        {"models": ["silent", "mute"], "timeouts_ms": {"total": 1000}}]))
    reply, failed = ask(server, stream=is_stream)
    assert (reply.status, reply.error["code"]) == (504, "upstream_silent"), reply
    assert "p/silent: " in reply.error["message"] and "p/mute: " in reply.error["message"]
    assert [(line["deployment"], line["outcome"]) for line in failed] == [("silent", "silent"), ("mute", "silent")]
