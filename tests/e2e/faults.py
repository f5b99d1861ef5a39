"""The ways in which a provider misbehaves, as the simulator is told to, and what its caller, the provider
and the ledger must then see. Which limits apply, and how long they are, is for those to say who use it."""
import json
from dataclasses import dataclass

from harness import eventually
from money import cost_nusd, tokens_of_messages
from seen import (BROKEN, GOOD, assert_answered_row, assert_complete, assert_failed_row,
                  assert_failures_logged, attempts_counted, billed_to, full_text, log_of, models_asked, requests_of,
                  rows_of)
from simulated import PRICE, model, provider

WHOLE, STREAM = False, True
BOTH = (WHOLE, STREAM)
TOKEN_BYTES = 4


@dataclass(frozen=True)
class Fault:
    name: str
    words: str            # of the simulator; "nth N: words" only from or at that call
    outcome: str          # of the attempt, in logs and metrics
    reason: str           # in them, too
    status: int           # for the caller, when nobody else is left
    code: str
    asked: int = 1        # how often the provider then sees the request
    http_status: int = 0  # in the ledger
    modes: tuple = BOTH
    by: str = "patient"   # the provider


def broken(outcome, name, words, reason, http_status=200, modes=BOTH, by="patient"):
    """Worth another try; alone, the same deployment is asked once more where there is room for one repeat."""
    return Fault(name, words, outcome, reason, 502, "upstream_error", 2, http_status, modes, by)


def silent(name, words, http_status, modes=BOTH):
    return Fault(name, words, "silent", "no answer in time", 504, "upstream_silent", 1, http_status, modes, "hasty")


FAULTS = [
    Fault("429", "status=429", "limited", "status 429", 429, "rate_limit_exceeded", 1, 429),
    Fault("429-after-2", "status=429,retry_after=2", "limited", "status 429", 429, "rate_limit_exceeded", 1, 429),
    broken("server_error", "503", "status=503", "status 503", 503),
    broken("reset", "reset", "reset", "closed", 0),
    silent("silent", "silent", 0),
    silent("late", "stall=0,stall_ms=20000,tokens=60", 200),
    broken("unreadable", "cut-at-once", "cut=0,tokens=60", "ended"),
    broken("unreadable", "cut", "cut=40,tokens=60", "ended", modes=(WHOLE,)),
    silent("stall", "stall=20,tokens=60", 200, modes=(WHOLE,)),
    broken("unreadable", "garbage", "garbage=20,tokens=60", "JSON", modes=(WHOLE,)),
    broken("unreadable", "garbage-at-once", "garbage=0,tokens=60", "JSON"),
    broken("unreadable", "error-in-200", "error_event=0", "answered 200 with an error", modes=(WHOLE,)),
    broken("error_event", "error-event-at-once", "error_event=0,tokens=60", "an error in the stream", modes=(STREAM,)),
    broken("unreadable", "empty", "empty", "empty"),
    broken("unreadable", "html", "html", "without JSON"),
    Fault("quota", "quota", "credentials", "status 429: The credit is used up", 502, "upstream_error", 1, 429),
    Fault("revoked", "status=401", "credentials", "status 401", 502, "upstream_error", 1, 401),
    broken("connect", "expired", "", "expired", 0, by="expired"),
    broken("connect", "unresolved", "", "provider.invalid", 0, by="unresolved"),
]

# Streams that end badly after the first content: (name, words, tokens that came, reason).
BREAKS = [
    ("cut", "cut=40,tokens=60", 40, ""),
    ("stall", "stall=20,tokens=60", 20, "no answer in time"),
    ("garbage", "garbage=20,tokens=60", 20, "JSON"),
    ("error-event", "error_event=20,tokens=60", 20, "error"),
]


def suffix(mode):
    return "-stream" if mode else "-whole"


def first_only(name, words):
    return {"match": {"model": name, "nth": 1}, "do": words}


class Models:
    """Collects models, with the providers and fallbacks that they need; `good` is healthy."""

    def __init__(self, sim_url, **limits):
        self.sim_url = sim_url
        self.providers, self.models, self.fallbacks = [], [model("good", "healthy", GOOD)], []
        for name, timeouts in limits.items():
            self.add_provider(name, timeouts)

    def add_provider(self, name, timeouts, url=None, **more):
        self.providers.append(provider("openai", url or self.sim_url, name=name, timeouts_ms=timeouts, **more))

    def add(self, name, words, by="patient", to=(), **more):
        deployment = more.pop("deployment", {})
        entry = model(name, by, name + ("+" + words if words else ""), **more)
        entry["deployments"][0] |= deployment
        self.models.append(entry)
        if to:
            self.fallbacks.append({"from": name, "to": list(to)})

    def add_alone(self, name, words, by, total=None, **more):
        """With a provider of its own, so that its repetitions are counted for it alone."""
        base = next(entry for entry in self.providers if entry["name"] == by)
        timeouts = base["timeouts_ms"]
        if total:
            timeouts = {limit: min(ms, total) for limit, ms in timeouts.items()} | {"total": total}
        self.providers.append(base | {"name": name, "timeouts_ms": timeouts})
        self.add(name, words, name, **more)

    def sections(self):
        return {"providers": self.providers, "models": self.models, "fallbacks": self.fallbacks,
                "routes": [{"models": ["good"]}]}


# ---- before the first content ----

def assert_cut_off(sim, asked, models):
    """These providers saw that nobody waits for their answers any longer, which may be after the caller has his."""
    def are_cut_off():
        return all(request["client_left"] for request in requests_of(sim, asked)
                   if request["body"]["model"].split("+")[0] in models)

    assert eventually(are_cut_off), "it works on for nobody"


def assert_asked(sim, asked, fault, attempts, then=()):
    """Nothing of a request comes over a connection that cannot be made."""
    if fault.outcome == "connect":
        attempts = 0
    assert models_asked(sim, asked) == [asked.name] * attempts + list(then)
    if fault.outcome == "silent":
        assert_cut_off(sim, asked, [asked.name])


def assert_another_answered(world, fault, asked):
    """One attempt failed, and `good` answered."""
    assert_complete(world.sim, asked)
    assert asked.reply.headers["x-huntaze-fallback-reason"].startswith(f"{fault.by}/{asked.name}")

    assert_asked(world.sim, asked, fault, 1, ["good"])

    failed, answered = rows_of(world.server, asked)
    assert (failed["model_name"], answered["model_name"]) == (asked.name, "good")
    assert (failed["is_fallback"], answered["is_fallback"]) == (0, 1)
    assert failed["http_status"] == fault.http_status
    assert_answered_row(world.sim, asked, answered)
    assert_failed_row(world.sim, asked, failed, fault.outcome)

    assert_failures_logged(world.server, asked, 1, fault.outcome, fault.reason)
    assert log_of(world.server, asked, "request")[0]["attempts"] == 2
    assert attempts_counted(world.server, failed["deployment_name"], fault.outcome) == 1


def assert_clean_error(world, fault, asked):
    """Nobody else was left."""
    reply = asked.reply
    assert (reply.status, reply.error["code"]) == (fault.status, fault.code), reply
    assert reply.headers["content-type"].startswith("application/json")
    assert asked.name in reply.error["message"] and fault.reason in reply.error["message"]
    if fault.status == 429:
        assert reply.headers["retry-after"] == ("2" if "retry_after" in fault.words else "1")
    else:
        assert reply.headers["x-should-retry"] == "false"

    rows = rows_of(world.server, asked)
    assert len(rows) == fault.asked
    assert_asked(world.sim, asked, fault, fault.asked)
    for row in rows:
        assert_failed_row(world.sim, asked, row, fault.outcome)
    assert_failures_logged(world.server, asked, fault.asked, fault.outcome, fault.reason)


def assert_served(world, asked):
    """By the one that was asked first, and nothing failed."""
    assert_complete(world.sim, asked)
    assert "x-huntaze-fallback-reason" not in asked.reply.headers
    assert models_asked(world.sim, asked) == [asked.name]
    assert_answered_row(world.sim, asked, *rows_of(world.server, asked))
    assert log_of(world.server, asked, "attempt_failed") == []


def assert_out_of_time(world, asked, models):
    """The request's own time was over while it waited for the last of these, each of whom kept silent and is
    to blame."""
    reply = asked.reply
    assert (reply.status, reply.error["code"]) == (504, "upstream_silent"), reply
    assert reply.headers["content-type"].startswith("application/json")
    assert reply.headers["x-should-retry"] == "false"
    for name in models:
        assert name in reply.error["message"], reply
    assert models_asked(world.sim, asked) == list(models)
    assert_cut_off(world.sim, asked, models)
    rows = rows_of(world.server, asked)
    assert [row["model_name"] for row in rows] == list(models)
    for row in rows:
        assert_failed_row(world.sim, asked, row, "silent")
    logged = [(line["outcome"], line["provider"]) for line in log_of(world.server, asked, "attempt_failed")]
    assert logged == [("silent", row["provider_name"]) for row in rows]
    (line,) = log_of(world.server, asked, "request")
    assert (line["status"], line["error"], line["attempts"]) == (504, "upstream_silent", len(models))


# ---- after the first content: never a half answer called success ----

def assert_broken_stream(world, asked, tokens, code="upstream_broken", whole=GOOD):
    """Exactly so many tokens of what `whole` says, and then the error."""
    assert asked.reply.status == 200
    *chunks, last = [json.loads(event) for event in asked.events]
    text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks if chunk["choices"])
    assert text == full_text(world.sim, asked, whole)[:tokens * TOKEN_BYTES]
    assert last["error"]["code"] == code and "choices" not in last
    assert asked.finish_reasons == []


def assert_cut_off_stream(world, asked, whole):
    """The request's own time was over in the middle; the last token may have come too late for the caller."""
    billed = billed_to(world.sim, asked)[asked.name]
    events = [json.loads(event) for event in asked.events]
    tokens = sum(bool(choice["delta"].get("content")) for event in events for choice in event.get("choices", ()))
    assert billed["completion_tokens"] - 1 <= tokens <= billed["completion_tokens"] < 200
    assert_broken_stream(world, asked, tokens, "deadline_exceeded", whole)
    assert models_asked(world.sim, asked) == [asked.name]
    assert_cut_off(world.sim, asked, [asked.name])
    (row,) = rows_of(world.server, asked)
    assert row["status"] == BROKEN and row["input_tokens"] == tokens_of_messages(asked.messages)
    assert row["amount_nusd"] == cost_nusd(PRICE, row["input_tokens"], row["output_tokens"]) and row["output_tokens"]


def assert_stays_broken(world, asked, tokens, reason, is_cut_off=True):
    """Nobody goes on with it. What follows on garbage may have been on its way: then it was not cut off there."""
    assert_broken_stream(world, asked, tokens)
    assert models_asked(world.sim, asked) == [asked.name], "half an answer was joined with another"
    if reason == "no answer in time":
        assert_cut_off(world.sim, asked, [asked.name])
    billed = billed_to(world.sim, asked)[asked.name]
    if is_cut_off:
        assert (billed["completed"], billed["completion_tokens"]) == (False, tokens)
    (row,) = rows_of(world.server, asked)
    assert row["status"] == BROKEN and row["output_tokens"] > 0
    assert row["input_tokens"] == tokens_of_messages(asked.messages)
    assert row["amount_nusd"] == cost_nusd(PRICE, row["input_tokens"], row["output_tokens"])
    assert_failures_logged(world.server, asked, 1, "broken", reason)


def contents(asked):
    """The text of each chunk, and that all chunks are those of one answer."""
    *events, done = asked.events
    chunks = [json.loads(event) for event in events]
    assert done == "[DONE]" and len({(chunk["id"], chunk["model"], chunk["created"]) for chunk in chunks}) == 1
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]]
    assert sum("role" in delta for delta in deltas) == 1
    return [delta.get("content") or "" for delta in deltas]


def assert_resumed(world, asked, said, rows):
    """`said`: for each attempt, how many tokens the client had when it began; rows in the ledger's order."""
    text = full_text(world.sim, asked)
    assert_complete(world.sim, asked)
    assert "".join(contents(asked)) == text
    for request, tokens in zip(requests_of(world.sim, asked), said, strict=True):
        more = [{"role": "assistant", "content": text[:tokens * TOKEN_BYTES]}] if tokens else []
        assert request["body"]["messages"] == asked.messages + more
    *earlier, last = rows
    assert_answered_row(world.sim, asked, last)
    for row in earlier:
        assert row["amount_nusd"] == cost_nusd(PRICE, row["input_tokens"], row["output_tokens"])
    (line,) = log_of(world.server, asked, "request")
    assert line["resumed"] and line["attempts"] == len(rows)
    assert line["tokens_out"] == sum(row["output_tokens"] for row in rows)
    assert len(log_of(world.server, asked, "stream_resumed")) == len(rows) - 1


def assert_another_went_on(world, asked, tokens, reason, other="continues"):
    broken_row, answered = rows = rows_of(world.server, asked)
    assert_resumed(world, asked, [0, tokens], rows)
    assert models_asked(world.sim, asked) == [asked.name, other]
    assert (broken_row["status"], broken_row["is_fallback"], answered["is_fallback"]) == (BROKEN, 0, 1)
    assert broken_row["input_tokens"] == tokens_of_messages(asked.messages) and broken_row["output_tokens"] > 0
    assert billed_to(world.sim, asked)[other]["completion_tokens"] == 60 - tokens
    assert_failures_logged(world.server, asked, 1, "broken", reason)
