"""What providers and clients rarely do, and what it costs."""
import socket
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from harness import eventually
from money import cost_nusd
from simulated import TIMEOUTS, provider

UNKNOWN, COUNTED = 2, 1
CLIENT_GONE = 3
PRICE = {"input": "2.5", "output": "10"}
ROWS = "SELECT * FROM transfer WHERE correlation_id = ? ORDER BY attempt"
FAST = {"connect": 500, "first_content": 500, "idle": 2000, "attempt": 500, "total": 8000}


class Odd(BaseHTTPRequestHandler):
    """A provider whose answer is chosen by the deployment's name."""
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        name = next(n for n in ANSWERS if f'"{n}"'.encode() in body)
        status, kind, text = ANSWERS[name]
        cut = name == "half"
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text) + (100 if cut else 0)))
        self.end_headers()
        self.wfile.write(text.encode())
        self.close_connection = cut

    def log_message(self, *_):
        pass


ANSWERS = {
    "done-only": (200, "text/event-stream", "data: [DONE]\n\n"),
    "two-lines": (500, "application/json", '{"error":{"message":"first\\r\\nX-Evil: 1\\nsecond"}}'),
    "no-credit": (402, "application/json", '{"error":{"message":"Insufficient Balance"}}'),
    "half": (200, "application/json", '{"id":"a","choices":[{"index":0,"message":{"role":"assistant","content":"Ha'),
}


@pytest.fixture(scope="module")
def odd():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Odd)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield "http://127.0.0.1:%d" % server.server_address[1]
    server.shutdown()


@pytest.fixture(scope="module")
def edges(tmp_path_factory, sim, odd):
    from harness import Server
    from simulated import checked
    entry = lambda name, at, deployment: {
        "name": name, "price_usd_per_mtok": PRICE,
        "deployments": [{"provider": at, "deployment": deployment}]}
    running = Server(tmp_path_factory.mktemp("edges"), {
        "providers": [provider("openai", sim.url), provider("openai", odd, name="odd", timeouts_ms=TIMEOUTS),
                      provider("openai", sim.url, name="hasty", timeouts_ms=FAST)],
        "models": [entry(name, "odd", name) for name in ANSWERS] + [
            entry("good", "openai", "gpt-4o"), entry("failing", "openai", "gpt-4o+status=500"),
            entry("late", "openai", "gpt-4o+silent"), entry("silent", "hasty", "gpt-4o+silent")],
        "routes": [{"models": ["good"]}], "fallbacks": [{"from": "*", "to": ["good"]}]})
    yield running
    checked(running.finish())


def test_a_request_near_the_limit_falls_over_like_any_other(edges):
    reply = edges.chat("failing", "x" * ((8 << 20) - 200))
    assert reply.status == 200 and reply.headers["x-huntaze-model"] == "good", reply


def test_a_stream_that_holds_nothing_is_a_failure(edges):
    reply = edges.chat("done-only", "Hello.", stream=True)
    assert reply.status == 200 and reply.headers["x-huntaze-model"] == "good", reply
    assert reply.text.startswith("Simulated answer")


def test_a_stream_carries_the_ids_that_support_asks_for(edges):
    correlation = f"ids-{uuid.uuid4()}"
    for is_stream in (False, True):
        reply = edges.chat("good", "Hello.", {"X-Correlation-ID": correlation}, stream=is_stream)
        assert reply.headers["x-request-id"] == reply.headers["x-correlation-id"] == correlation


def test_a_reason_with_line_breaks_stays_one_header(edges):
    reply = edges.chat("two-lines", "Hello.")
    assert reply.status == 200 and "x-evil" not in reply.headers
    assert "first" in reply.headers["x-huntaze-fallback-reason"]
    assert "second" in reply.headers["x-huntaze-fallback-reason"]


def test_an_empty_account_at_a_provider_is_not_the_callers_mistake(edges):
    reply = edges.chat("no-credit", "Hello.")
    assert reply.status == 200 and reply.headers["x-huntaze-model"] == "good", reply


def test_a_key_is_found_beside_credentials_for_a_proxy(edges):
    body = {"model": "good", "messages": [{"role": "user", "content": "Hello."}]}
    for headers in ({"api-key": edges.key}, {"api-key": edges.key, "Authorization": "Basic eDp5"}):
        assert edges.post("/v1/chat/completions", body, key="", headers=headers).status == 200


def bound_nusd(row):
    return cost_nusd(PRICE, row["input_tokens"], row["output_tokens"])


def test_an_answer_that_nobody_waited_for_is_charged_at_its_bound(edges):
    """The provider finishes and bills it, and nobody saw what it came to."""
    correlation = f"left-{uuid.uuid4()}"
    text = ('{"model":"late","max_tokens":50,"messages":[{"role":"user","content":"%s"}]}' % correlation).encode()
    with socket.create_connection(("127.0.0.1", edges.port)) as s:
        s.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\n"
                  b"X-Correlation-ID: %s\r\nContent-Length: %d\r\n\r\n%s"
                  % (edges.key.encode(), correlation.encode(), len(text), text))
        assert eventually(lambda: b"huntaze_calls_in_flight 1" in edges.get("/metrics").body)
    row = eventually(lambda: edges.query(ROWS, correlation))[0]
    assert (row["status"], row["usage_source"]) == (CLIENT_GONE, UNKNOWN)
    assert row["output_tokens"] == 50 and row["input_tokens"] >= len(correlation)
    assert row["amount_nusd"] == bound_nusd(row) > 0


@pytest.mark.parametrize("name", ["silent", "half"])
def test_an_answer_that_was_cut_off_is_charged_at_its_bound(edges, name):
    correlation = f"cut-{uuid.uuid4()}"
    assert edges.chat(name, "Hello.", {"X-Correlation-ID": correlation}, max_tokens=50).status == 200
    row = eventually(lambda: edges.query(ROWS, correlation))[0]
    assert row["usage_source"] == UNKNOWN and row["amount_nusd"] == bound_nusd(row) > 0


def test_a_silent_stream_costs_what_was_sent(edges):
    correlation = f"quiet-{uuid.uuid4()}"
    assert edges.chat("silent", "Hello.", {"X-Correlation-ID": correlation}, stream=True).status == 200
    row = eventually(lambda: edges.query(ROWS, correlation))[0]
    assert row["usage_source"] == COUNTED and row["output_tokens"] == 0 and row["amount_nusd"] > 0
