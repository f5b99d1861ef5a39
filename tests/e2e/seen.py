"""One call to a server in front of a simulator, seen from everywhere: by its caller, in the provider's
journal and invoice, in the ledger, the log, the metrics and /health."""
import json
import time
import uuid

from harness import eventually, http_call
from money import cost_nusd, tokens_of_messages
from simulated import PRICE

OK, FAILED, CONTENT_FILTER, BROKEN = 1, 2, 4, 5
UNKNOWN = 2  # usage source
GOOD = "good+tokens=60"


class Asked:
    """One call: what was asked, what the caller got, when, and how long it took."""

    def __init__(self, server, name, is_stream, more=(), timeout=30, **fields):
        self.mark = f"fault-{uuid.uuid4()}"
        self.name = name
        self.messages = [{"role": "user", "content": f"Go on. {self.mark}"}, *more]
        body = {"model": name, "messages": self.messages, **fields} | ({"stream": True} if is_stream else {})
        self.begun = time.monotonic()
        self.reply = server.post("/v1/chat/completions", body, headers={"X-Correlation-ID": self.mark},
                                 timeout=timeout)
        self.seconds = time.monotonic() - self.begun
        self.is_stream = is_stream

    @property
    def events(self):
        assert self.reply.headers["content-type"].startswith("text/event-stream"), self.reply
        return [line[6:] for line in self.reply.body.decode().split("\n") if line.startswith("data: ")]

    @property
    def finish_reasons(self):
        if not self.is_stream:
            return [choice["finish_reason"] for choice in self.reply.json["choices"]]
        chunks = [json.loads(event) for event in self.events if event != "[DONE]"]
        return [choice["finish_reason"] for chunk in chunks for choice in chunk.get("choices", ())
                if choice.get("finish_reason")]


def ask(world, name, is_stream, **more):
    return Asked(world.server, name, is_stream, **more)


def full_text(sim, asked, model=GOOD):
    """What a healthy deployment says to these words, to the end, from the simulator itself."""
    body = {"model": model, "messages": asked.messages}
    reply = http_call(sim.port, "POST", "/v1/chat/completions", body, {"Authorization": f"Bearer {sim.key}"})
    return reply.json["choices"][0]["message"]["content"]


def requests_of(sim, asked):
    """What the server sent for a call; the test's own question for the full text is no part of it."""
    return [request for request in sim.requests_with(asked.mark)
            if "x-client-request-id" in {name.lower() for name in request["headers"]}]


def models_asked(sim, asked):
    """Names without the simulator's words, oldest first."""
    return [request["body"]["model"].split("+")[0] for request in requests_of(sim, asked)]


def billed_to(sim, asked):
    """What the provider billed, by model: its last call each."""
    return {entry["model"]: entry for request in requests_of(sim, asked)
            for entry in sim.invoice(f'"seq":{request["seq"]},')}


def rows_of(server, asked):
    return server.query(
        "SELECT t.*, m.text AS model_name, d.text AS deployment_name, p.text AS provider_name FROM transfer t "
        "JOIN name m ON m.id = t.model JOIN name d ON d.id = t.deployment JOIN name p ON p.id = t.provider "
        "WHERE correlation_id = ? ORDER BY attempt", asked.mark)


def log_of(server, asked, event):
    def lines():
        return [line for line in server.logs() if line.get("correlation_id") == asked.mark]
    # The line of a request comes last, and after the caller has its answer.
    eventually(lambda: any(line["event"] == "request" for line in lines()))
    return [line for line in lines() if line["event"] == event]


def metric(server, name, *labels):
    """The sum over all series that have these labels."""
    lines = server.get("/metrics").body.decode().splitlines()
    found = [line for line in lines if line.startswith((name + "{", name + " "))
             and all(label in line for label in labels)]
    assert found, f"no metric {name} with {labels}"
    return sum(float(line.rsplit(" ", 1)[1]) for line in found)


def attempts_counted(server, deployment, outcome):
    return metric(server, "huntaze_attempts_total", f'deployment="{deployment}"', f'outcome="{outcome}"')


def assert_complete(sim, asked):
    assert asked.reply.status == 200, asked.reply
    assert asked.reply.text == full_text(sim, asked)
    assert asked.finish_reasons == ["stop"]


def assert_answered_row(sim, asked, row):
    """The last row: the answer, under the model that gave it, at the provider's own figures."""
    billed = billed_to(sim, asked)[row["model_name"]]
    assert (row["status"], row["usage_source"]) == (OK, 0)
    assert (row["input_tokens"], row["output_tokens"]) == (billed["prompt_tokens"], billed["completion_tokens"])
    assert row["amount_nusd"] == cost_nusd(PRICE, row["input_tokens"], row["output_tokens"])


def assert_failed_row(sim, asked, row, outcome):
    """What the provider bills stands in the ledger, and what it may bill although it kept silent."""
    billed = billed_to(sim, asked).get(row["model_name"])
    assert row["status"] == FAILED
    if row["usage_source"] == UNKNOWN:
        assert not row["is_stream"], "a stream ends with its connection: what passed was counted"
        assert row["input_tokens"] >= tokens_of_messages(asked.messages) and row["output_tokens"] > 0
        assert row["amount_nusd"] == cost_nusd(PRICE, row["input_tokens"], row["output_tokens"])
    elif billed or outcome == "silent":
        assert row["input_tokens"] == tokens_of_messages(asked.messages)
        assert row["amount_nusd"] == cost_nusd(PRICE, row["input_tokens"], row["output_tokens"]) > 0
    else:
        assert (row["input_tokens"], row["output_tokens"], row["amount_nusd"]) == (0, 0, 0)


def assert_failures_logged(server, asked, count, outcome, reason):
    failures = log_of(server, asked, "attempt_failed")
    assert [line["outcome"] for line in failures] == [outcome] * count
    assert [line["attempt"] for line in failures] == list(range(1, count + 1))
    assert all(reason in line["reason"] for line in failures), failures
    level = "error" if outcome == "credentials" else "warn"
    assert {line["level"] for line in failures} == {level}


def breaker_of(server, name):
    health = server.get("/health").json
    (found,) = [deployment["state"] for entry in health["providers"] for deployment in entry["deployments"]
                if deployment["model"] == name]
    return found


def breaker_gauge(server, deployment):
    return metric(server, "huntaze_breaker_state", f'deployment="{deployment}"')


def breaker_changes(server, deployment):
    """Each change of state in the log, with the call that caused it."""
    lines = [line for line in server.logs() if line["event"] == "breaker" and line["deployment"] == deployment]
    assert all(line["correlation_id"] for line in lines)
    return [(line["from"], line["to"]) for line in lines]


def set_script(sim, rules):
    assert http_call(sim.port, "POST", "/sim/script", rules).status < 300
