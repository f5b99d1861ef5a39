"""How long an attempt may take, what a rest after a 429 means, and what overrides change: against a
provider that is scripted byte by byte."""
import http.client
import json
import socket
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate

import pytest

from simulated import model
from harness import eventually
from scripted import DONE, HEAD, Scripted, chunk, chunked, completion, held, refusal

BOTH = pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
# Never the reason why something ends, however busy the machine is.
PATIENT = {"connect": 10000, "first_content": 60000, "idle": 60000, "attempt": 60000, "total": 120000}
GOOD_STREAM = HEAD + chunk("Hello.") + chunk(finish="stop") + DONE


@pytest.fixture
def raw():
    made = Scripted({"silent": held(), "good": completion()})
    yield made
    made.close()


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


# ---- a probe that takes long ----

def test_a_probe_that_streams_for_long_keeps_nobody_away(start_server, raw):
    end = threading.Event()

    def recovers(connection, nth):
        if nth == 1:
            return refusal(500)
        if nth > 2:
            return GOOD_STREAM
        connection.sendall(HEAD + chunk("Hello"))
        end.wait(20)
        return chunk(".") + chunk(finish="stop") + DONE

    raw.answers["m"] = recovers
    server = start_server(sections(raw, "m", retry={"budget": 0}, breaker={"failures_in_row": 1, "open_ms": 100}))
    assert server.chat("m", stream=True).status == 502
    assert eventually(lambda: server.get("/health").json["providers"][0]["deployments"][0]["state"] != "closed")
    with ThreadPoolExecutor(1) as pool:
        def probe():
            reply = server.chat("m", stream=True)
            return reply if reply.status == 200 else None
        long = pool.submit(lambda: eventually(probe, 20))
        assert eventually(lambda: raw.times("m") == 2, 20)
        assert eventually(lambda: server.chat("m", stream=True).status == 200, 10)
        assert not long.done()
        end.set()
        assert long.result().text == "Hello."


# ---- a provider that does not take the request ----

def narrow():
    """A provider's socket that holds little of what nobody reads."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    return listening


def url_of(listening):
    return f"http://127.0.0.1:{listening.getsockname()[1]}/v1"


@BOTH
def test_a_request_that_is_not_taken_in_time_is_silence_and_costs_nothing(start_server, raw, is_stream):
    if is_stream:
        raw.answers["good"] = GOOD_STREAM
    with narrow() as deaf:  # the kernel accepts, nobody reads
        limit = {"first_content": 500} if is_stream else {"connect": 500, "first_content": 500, "attempt": 500}
        server = start_server(sections(raw, "good") | {
            "providers": [entry(raw), entry(raw, "deaf", **limit) | {"base_url": url_of(deaf)}],
            "models": [model("unread", "deaf", "unread"), model("good", "p", "good")],
            "routes": [{"models": ["unread", "good"]}]})
        reply, failed = ask(server, messages=[{"role": "user", "content": "x" * (7 << 20)}], stream=is_stream)
    assert reply.status == 200 and reply.text == "Hello.", reply
    assert [(line["provider"], line["outcome"]) for line in failed] == [("deaf", "silent")]
    assert "sending the request" in failed[0]["reason"]
    assert server.query("SELECT amount_nusd FROM transfer WHERE attempt = 1") == [{"amount_nusd": 0}]


@BOTH
def test_who_refuses_a_request_without_taking_all_of_it_is_not_silent(start_server, raw, is_stream):
    body = b'{"error": {"message": "too much", "type": "invalid_request_error"}}'
    with narrow() as curt:
        kept = []

        def refuse():
            kept.append(curt.accept()[0])
            kept[0].recv(100)
            kept[0].sendall(b"HTTP/1.1 413 Too Large\r\nContent-Type: application/json\r\n"
                            b"Content-Length: %d\r\n\r\n%s" % (len(body), body))

        threading.Thread(target=refuse, daemon=True).start()
        server = start_server(sections(raw, "curt", breaker={"failures_in_row": 1}) | {
            "providers": [entry(raw, "p", connect=500, first_content=500, attempt=500) | {"base_url": url_of(curt)}]})
        reply, failed = ask(server, messages=[{"role": "user", "content": "x" * (7 << 20)}], stream=is_stream)
        for one in kept:
            one.close()
    assert (reply.status, reply.error["message"]) == (413, "too much"), reply
    assert [line["outcome"] for line in failed] == ["refused"]
    assert health_of(server, "curt")[1]["state"] == "closed"
    assert server.query("SELECT amount_nusd, http_status FROM transfer") == [{"amount_nusd": 0, "http_status": 413}]


# ---- a route's total below the provider's attempt ----

@BOTH
def test_a_short_total_still_lets_a_second_deployment_answer(start_server, raw, is_stream):
    if is_stream:
        raw.answers["good"] = GOOD_STREAM
    server = start_server(sections(raw, "silent", "good", breaker={"failures_in_row": 1},
                                   routes=[{"models": ["silent", "good"], "timeouts_ms": {"total": 4000}}]))
    reply, failed = ask(server, stream=is_stream)
    assert reply.status == 200 and reply.text == "Hello.", reply
    assert [(line["deployment"], line["outcome"]) for line in failed] == [("silent", "silent")]
    provider, deployment = health_of(server, "silent")
    assert (provider["failures"], deployment["state"]) == (1, "open")


@BOTH
def test_when_a_short_total_ends_all_that_were_asked_are_named(start_server, raw, is_stream):
    raw.answers["mute"] = held()
    server = start_server(sections(raw, "silent", "mute", routes=[
        {"models": ["silent", "mute"], "timeouts_ms": {"total": 1000}}]))
    reply, failed = ask(server, stream=is_stream)
    assert (reply.status, reply.error["code"]) == (504, "upstream_silent"), reply
    assert "p/silent: " in reply.error["message"] and "p/mute: " in reply.error["message"]
    assert [(line["deployment"], line["outcome"]) for line in failed] == [("silent", "silent"), ("mute", "silent")]


def test_who_is_the_last_that_will_be_asked_gets_all_of_the_total(start_server, raw):
    """Here because an override lets nobody follow."""
    server = start_server(sections(raw, "silent", "good", failures=[{"outcome": "silent", "next": "no"}], routes=[
        {"models": ["silent", "good"], "timeouts_ms": {"total": 1000}}]))
    begun = time.monotonic()
    reply, failed = ask(server)
    assert time.monotonic() - begun >= 0.99
    assert reply.status == 504 and [line["outcome"] for line in failed] == ["silent"], reply


# ---- what each limit means ----

def pings(raw, connection):
    """Comments until the other side has had enough."""
    while not raw.closing.wait(0.05):
        connection.sendall(chunked(b": OPENROUTER PROCESSING\n\n"))


def test_a_comment_is_no_content(start_server, raw):
    def processing(connection, nth):
        connection.sendall(HEAD)
        pings(raw, connection)

    raw.answers |= {"processing": processing, "good": GOOD_STREAM}
    server = start_server(sections(raw, "processing", "good", providers=[entry(raw, first_content=500)]))
    reply, failed = ask(server, stream=True)
    assert reply.status == 200 and reply.text == "Hello.", reply
    assert [(line["deployment"], line["outcome"]) for line in failed] == [("processing", "silent")]


def test_a_comment_does_not_keep_a_stalled_stream_alive(start_server, raw):
    def stalled(connection, nth):
        connection.sendall(HEAD + chunk("Hel"))
        pings(raw, connection)

    raw.answers["stalled"] = stalled
    server = start_server(sections(raw, "stalled", providers=[entry(raw, idle=500)]))
    reply, failed = ask(server, stream=True)
    assert reply.status == 200 and b'"upstream_broken"' in reply.body, reply
    assert [line["outcome"] for line in failed] == ["broken"]


@BOTH
def test_the_attempt_ends_a_silent_stream_like_a_whole_answer(start_server, raw, is_stream):
    if is_stream:
        raw.answers["good"] = GOOD_STREAM
    server = start_server(sections(raw, "silent", "good", routes=[
        {"models": ["silent", "good"], "timeouts_ms": {"attempt": 500}}]))
    reply, failed = ask(server, stream=is_stream)
    assert reply.status == 200 and reply.text == "Hello.", reply
    assert [line["outcome"] for line in failed] == ["silent"]


def test_the_attempt_does_not_end_a_stream_that_goes_on(start_server, raw):
    def slow(connection, nth):
        connection.sendall(HEAD)
        for _ in range(30):
            connection.sendall(chunk("word "))
            raw.closing.wait(0.1)
        return chunk(finish="stop") + DONE

    raw.answers["slow"] = slow
    server = start_server(sections(raw, "slow", providers=[entry(raw, connect=2000, first_content=2000, attempt=2000)]))
    reply, failed = ask(server, stream=True)
    assert reply.text == "word " * 30 and failed == []


@pytest.mark.parametrize("status", [200, 503])
def test_a_whole_answer_that_stops_within_is_ended_by_idle(start_server, raw, status):
    said = completion() if status == 200 else refusal(503)
    raw.answers["halting"] = held(said[:-10])
    server = start_server(sections(raw, "halting", "good", providers=[entry(raw, idle=500)]))
    reply, failed = ask(server)
    assert reply.status == 200 and reply.headers["x-huntaze-deployment"] == "good", reply
    assert [line["outcome"] for line in failed] == ["silent" if status == 200 else "server_error"]


# ---- after a 429 ----

def in_seconds(seconds):
    return b"Retry-After: " + formatdate(time.time() + seconds, usegmt=True).encode()


@pytest.mark.parametrize("headers, shortest, longest", [
    ([b"Retry-After: -5"], 1, 1), ([b"Retry-After: soon"], 1, 1), ([b"Retry-After: 0"], 1, 1), ([], 1, 1),
    ([b"Retry-After: 30"], 1, 30), ([b"Retry-After: 30", b"Retry-After: 1"], 2, 30),
    ([b"Retry-After: 99999999999"], 3000, 3600), ([b"retry-after-ms: 9999999999"], 3000, 3600),
    ([b"Retry-After: 1800"], 1500, 1800),
    ([lambda: in_seconds(600)], 300, 601), ([lambda: in_seconds(-600)], 1, 1),
], ids=["negative", "no-number", "zero", "none", "seconds", "two", "centuries", "months", "half-an-hour", "date", "past"])
def test_a_429_rests_for_what_it_states(start_server, raw, headers, shortest, longest):
    raw.answers["limited"] = refusal(429, *(line() if callable(line) else line for line in headers))
    server = start_server(sections(raw, "limited"))
    reply, failed = ask(server)
    assert reply.status == 429, reply
    assert shortest <= int(reply.headers["retry-after"]) <= longest
    assert [line["outcome"] for line in failed] == ["limited"]


def test_a_burst_of_429s_is_one_rest(start_server, raw):
    beside = 7
    together = threading.Barrier(beside)

    def burst(connection, nth):
        together.wait(20)
        return refusal(429)

    raw.answers["burst"] = burst
    # One loop: two see the end of a rest a moment apart, so that 1.001 s may be left, which is told as 2.
    server = start_server(sections(raw, "burst", server={"loops": 1}))
    with ThreadPoolExecutor(beside) as pool:
        replies = list(pool.map(lambda _: server.chat("burst"), range(beside)))
    assert {(reply.status, reply.headers["retry-after"]) for reply in replies} == {(429, "1")}


def test_a_later_429_without_a_time_does_not_end_a_longer_rest(start_server, raw):
    """Of two that are in flight at once, the second answer says less."""
    both, first_is_read = threading.Barrier(2), threading.Event()

    def short(connection, nth):
        both.wait(20)
        if nth == 1:
            return refusal(429, b"Retry-After: 600")
        first_is_read.wait(20)
        return refusal(429)

    raw.answers["short"] = short
    server = start_server(sections(raw, "short"))
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(server.chat, "short") for _ in range(2)]
        assert eventually(lambda: any(future.done() for future in asked), 20)
        first_is_read.set()
        waits = [int(future.result().headers["retry-after"]) for future in asked]
    assert min(waits) > 300, waits


def test_who_began_to_rest_since_the_plan_was_made_is_passed_over(start_server, raw):
    release = threading.Event()

    def slow(connection, nth):
        release.wait(20)
        return refusal(503)

    raw.answers |= {"slow": slow, "limited": refusal(429, b"Retry-After: 600")}
    server = start_server(sections(raw, "slow", "limited", "good"))
    with ThreadPoolExecutor(1) as pool:
        planned = pool.submit(ask, server)
        assert eventually(lambda: raw.times("slow") == 1, 20)
        assert server.chat("limited").status == 429
        release.set()
        reply, failed = planned.result()
    assert reply.status == 200 and reply.headers["x-huntaze-deployment"] == "good", reply
    assert raw.times("limited") == 1 and [line["deployment"] for line in failed] == ["slow"]


def test_an_override_repeats_a_429_but_not_before_its_time(start_server, raw):
    asked = []

    def limited_once(connection, nth):
        asked.append(time.monotonic())
        return refusal(429, b"Retry-After: 3") if nth == 1 else completion()

    raw.answers["once"] = limited_once
    server = start_server(sections(raw, "once", failures=[{"outcome": "limited", "again": "repeat"}]))
    reply, failed = ask(server)
    assert reply.status == 200, reply
    assert [line["outcome"] for line in failed] == ["limited"]
    assert asked[1] - asked[0] >= 2.9


# ---- overrides ----

def test_an_override_changes_what_follows_and_hides_nothing(start_server, raw):
    raw.answers["bad"] = refusal(503)
    server = start_server(sections(raw, "bad", "good", failures=[
        {"provider": "p", "outcome": "server_error", "next": "no"}, {"outcome": "server_error", "again": "never"}]))
    reply, failed = ask(server)
    assert reply.status == 502 and "p/bad: status 503" in reply.error["message"], reply
    assert [(line["level"], line["outcome"]) for line in failed] == [("warn", "server_error")]
    provider, _ = health_of(server, "bad")
    assert (provider["attempts"], provider["failures"]) == (1, 1)


def test_of_two_overrides_only_the_first_that_matches_counts(start_server, raw):
    raw.answers["bad"] = refusal(503)
    server = start_server(sections(raw, "bad", "good", failures=[
        {"provider": "p", "outcome": "server_error", "again": "never"}, {"outcome": "server_error", "next": "no"}]))
    reply, failed = ask(server)
    assert reply.status == 200 and reply.headers["x-huntaze-deployment"] == "good", reply
    assert [line["outcome"] for line in failed] == ["server_error"]


def test_an_override_may_send_elsewhere_what_was_refused(start_server, raw):
    raw.answers["picky"] = refusal(400)
    server = start_server(sections(raw, "picky", "good", failures=[{"outcome": "refused", "next": "at_once"}]))
    assert ask(server)[0].status == 200


# ---- the log tells of each attempt that failed ----

@pytest.mark.parametrize("status, code, outcome", [
    (400, "invalid_value", "refused"), (422, "invalid_value", "refused"), (400, "content_filter", "content_filter")])
def test_a_refusal_has_its_line(start_server, raw, status, code, outcome):
    raw.answers["refusing"] = refusal(status, code=code)
    server = start_server(sections(raw, "refusing", "good"))
    reply, failed = ask(server)
    assert reply.status == status, reply
    assert [(line["level"], line["outcome"], line["upstream_status"]) for line in failed] == [("info", outcome, status)]
    assert health_of(server, "refusing")[0]["failures"] == 0


def talks(raw, connection):
    connection.sendall(HEAD)
    while not raw.closing.wait(0.05):
        connection.sendall(chunk("word "))


def test_a_stream_that_its_deadline_ends_has_its_line(start_server, raw):
    raw.answers["talking"] = lambda connection, nth: talks(raw, connection)
    server = start_server(sections(raw, "talking", routes=[{"models": ["talking"], "timeouts_ms": {"total": 2000}}]))
    reply, failed = ask(server, stream=True)
    assert reply.status == 200 and b'"deadline_exceeded"' in reply.body, reply
    assert [(line["level"], line["outcome"]) for line in failed] == [("info", "stopped")]
    assert "deadline" in failed[0]["reason"]
    assert health_of(server, "talking")[1]["state"] == "closed"


@pytest.mark.parametrize("name", ["silent", "talking"])
def test_a_client_that_leaves_has_its_line(start_server, raw, name):
    raw.answers["talking"] = lambda connection, nth: talks(raw, connection)
    server = start_server(sections(raw, name))
    mark = f"left-{uuid.uuid4()}"
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    client.request("POST", "/v1/chat/completions", headers={
        "Authorization": f"Bearer {server.key}", "X-Correlation-ID": mark}, body=json.dumps({
            "model": name, "stream": name == "talking", "messages": [{"role": "user", "content": "Hi."}]}))
    assert eventually(lambda: raw.times(name) == 1, 20)
    client.close()
    (line,) = eventually(lambda: failures(server, mark), 20)
    assert (line["level"], line["outcome"], line["deployment"]) == ("info", "stopped", name)
    assert "client has left" in line["reason"]


def test_a_call_that_a_shutdown_ends_has_its_line(start_server, raw):
    server = start_server(sections(raw, "silent", server={"shutdown_ms": 0}))
    mark = f"shut-{uuid.uuid4()}"
    with ThreadPoolExecutor(1) as pool:
        pool.submit(server.chat, "silent", headers={"X-Correlation-ID": mark})
        assert eventually(lambda: raw.times("silent") == 1, 20)
        assert server.stop() == []
    (line,) = failures(server, mark)
    assert (line["level"], line["outcome"]) == ("info", "stopped")
    assert "shutting down" in line["reason"]


# ---- nobody is left ----

def test_without_fallback_an_open_breaker_and_a_rest_still_name_provider_and_reason(start_server, raw):
    raw.answers |= {"bad": refusal(503), "limited": refusal(429, b"Retry-After: 600")}
    server = start_server(sections(raw, "bad", "limited", "good", breaker={"failures_in_row": 1},
                                   retry={"budget": 0}, fallback={"enabled": False}))
    for name, status, first, then in (
            ("bad", 502, "p/bad: status 503", "p/bad: its circuit breaker is open (last failure: server_error)"),
            ("limited", 429, "p/limited: status 429", "p/limited: rate limited")):
        for expected in (first, then):
            reply, _ = ask(server, name)
            assert reply.status == status and expected in reply.error["message"], reply
            assert "fallback is disabled" in reply.error["message"]
        assert raw.times(name) == 1 and int(reply.headers["retry-after"]) >= 1
