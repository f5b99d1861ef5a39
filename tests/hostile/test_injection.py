"""Line ends and control characters of clients, of providers and of the configuration reach neither our
headers nor our log as they are."""
import json

import pytest

from harness import Server
from scripted import DONE, END, HEAD, Scripted, chunk, event, whole
from simulated import PRICE, checked
from wire import open_to, read_to_end, send, split_replies

CONTROLS = "\r\nX-Injected: yes\r\n\r\n{\"event\":\"forged\"}\n\x00\x1b[31m\x7f"


def raw(server, text):
    with open_to(server.port) as s:
        send(s, [text if isinstance(text, bytes) else text.encode("latin-1")])
        return read_to_end(s)


def check_log(server):
    for line in server.stdout().split("\n"):
        if line.startswith("{"):
            assert json.loads(line)["event"] != "forged"
        assert not any(ord(c) < 32 or ord(c) == 127 for c in line), line


def check(server, data):
    for reply in split_replies(data):
        assert "x-injected" not in reply.headers
        for name, value in reply.headers.items():
            assert all(31 < ord(c) < 127 for c in name + value), (name, value)
    check_log(server)


@pytest.mark.parametrize("value", ["a\rb", "a\nb", "a\r\nX-Injected: yes", "a\x00b", "a\x1b[0m", "a\x7f", "a b", "a\tb", "\"a", "a\\", "\xe9", "a" * 200, "a%0d%0ab", "<a>"])
@pytest.mark.parametrize("name", ["X-Correlation-ID", "X-Request-ID", "traceparent", "X-Huntaze-Type", "X-Huntaze-Feature", "User-Agent", "Authorization"])
def test_headers(open_server, name, value):
    data = raw(open_server, f"GET /v1/models HTTP/1.1\r\nHost: h\r\n{name}: {value}\r\nConnection: close\r\n\r\n")
    check(open_server, data)
    for reply in split_replies(data):
        assert reply.headers["x-correlation-id"] != value


@pytest.mark.parametrize("path", ["/%0d%0aX-Injected:%20yes", "/%00", "/%1b[31m", "/v1/models/%0d%0aX-Injected:%20yes", "/v1/models/%0a%7f", "/\"}", "/\\", "/%e9%ff"])
def test_paths(open_server, path):
    check(open_server, raw(open_server, f"GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"))


@pytest.mark.parametrize("field", ["model", "user", "prompt_cache_key", "unknown\r\nfield"])
def test_members_of_a_body(open_server, field):
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi."}], field: CONTROLS}
    reply = open_server.post("/v1/chat/completions", body)
    assert "x-injected" not in reply.headers and json.loads(reply.body)
    assert all(31 < ord(c) < 127 for value in reply.headers.values() for c in value)
    check_log(open_server)


@pytest.mark.parametrize("field", ["prompt", "type_hint", "language_hint", "client_tier"])
def test_members_of_a_route_request(open_server, field):
    reply = open_server.post("/route", {"prompt": "Hi.", field: CONTROLS})
    assert "x-injected" not in reply.headers and json.loads(reply.body)
    check_log(open_server)


# ---- what providers send, and names in the configuration ----

# No character outside of the basic plane: in YAML those have no escapes of JSON's kind.
ODD = "a\u00e9\u65e5\u2028" + CONTROLS
NAME = ODD.replace("\0", "")  # the configuration refuses NUL
LONG = "a" + "\u00e9\u65e5\U0001f600" * 200  # cut somewhere, whatever the limit
FINISH = event({"id": ODD, "object": "chat.completion.chunk", "created": 1, "model": ODD,
                "choices": [{"index": 0, "delta": {"content": "Hi."}, "finish_reason": ODD}]})
ANSWER = {"id": ODD, "object": "chat.completion", "created": 1, "model": ODD, "system_fingerprint": ODD,
          "choices": [{"index": 0, "finish_reason": ODD, "message": {"role": "assistant", "content": "Hi."}}],
          "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}
# What a header's value may be on the wire, and what it may not: such an answer must be refused as a whole.
REGIONS = {"latin": b"r\xe9\xff", "tab": b"r\tr", "quotes": b"\"r\\", "utf-8": "\u65e5".encode(), "high": b"\x80\x9f",
           "cr": b"r\rX-Injected: yes", "lf": b"r\nX-Injected: yes", "nul": b"r\x00", "escape": b"r\x1b[31m", "delete": b"r\x7f"}


def error_body(text):
    return json.dumps({"error": {"message": text, "type": text, "code": text, "param": text}}, ensure_ascii=False).encode()


def provider_answers():
    answers = {"good": whole(200, ANSWER | {"model": "x"})}
    for name, text in (("odd", ODD), ("long", LONG), ("bytes", "\xff\xfe\xc3")):
        body = error_body(text) if name != "bytes" else b'{"error":{"message":"\xff\xfe\xc3"}}'
        for status in (400, 401, 429, 503):
            answers[f"{status}-{name}"] = whole(status, body)
        answers[f"event-{name}"] = HEAD + event(json.loads(error_body(text))) + END
        answers[f"late-event-{name}"] = HEAD + chunk("Hi.") + event(json.loads(error_body(text))) + END
    for name, value in REGIONS.items():
        headers = (b"x-ms-region: " + value, b"x-request-id: " + value, b"retry-after: " + value)
        answers[f"region-{name}"] = whole(200, ANSWER, *headers)
        answers[f"region-503-{name}"] = whole(503, error_body("down"), *headers)
    return answers | {"answer": whole(200, ANSWER), "stream": HEAD + FINISH + DONE}


@pytest.fixture(scope="module")
def evil():
    made = Scripted(provider_answers() | {NAME: whole(503, error_body("down"))})
    yield made
    made.close()


@pytest.fixture(scope="module")
def behind(tmp_path_factory, evil):
    """Models by the names of the answers, each also "over-" with a fallback that answers; `odd-names`: all names
    in the configuration are odd."""
    def of(name, deployment, provider="p"):
        return {"name": name, "price_usd_per_mtok": PRICE, "deployments": [{"provider": provider, "deployment": deployment}]}

    entry = {"kind": "openai-compatible", "base_url": evil.url}
    names = [name for name in evil.answers if name != NAME]
    models = [of(name, name) for name in names] + [of("over-" + name, name) for name in names]
    models += [of("odd-names", NAME, NAME), of("over-odd-names", NAME, NAME)]
    sections = {"auth": {"required": False}, "models": models, "routes": [{"models": ["good"]}],
                "providers": [entry | {"name": "p"}, entry | {"name": NAME, "region": NAME}],
                "breaker": {"failures_in_row": 100}, "retry": {"budget": 0},
                "fallbacks": [{"from": m["name"], "to": ["good"]} for m in models if m["name"].startswith("over-")]}
    made = Server(tmp_path_factory.mktemp("behind"), sections, scope=None)
    yield made
    checked(made.finish())


def ask(server, name, **fields):
    body = json.dumps({"model": name, "messages": [{"role": "user", "content": "Hi."}], **fields}).encode()
    lines = ["POST /v1/chat/completions HTTP/1.1", "Host: h", "Connection: close", f"Content-Length: {len(body)}", "", ""]
    data = raw(server, "\r\n".join(lines).encode() + body)
    check(server, data)
    (reply,) = split_replies(data)
    text = reply.body.decode("utf-8")
    for piece in [text] if not fields else [line[6:] for line in text.split("\n") if line.startswith("data: {")]:
        json.loads(piece)
    server.out_path.read_bytes().decode("utf-8")
    return reply


@pytest.mark.parametrize("over", ["", "over-"], ids=["alone", "over"])
@pytest.mark.parametrize("name", [name for name in provider_answers() if "event" not in name and name != "stream"] + ["odd-names"])
def test_what_a_provider_answers(behind, name, over):
    reply = ask(behind, over + name)
    assert reply.status == 200 or not over or name.startswith("400"), reply
    has_fallen_back = name != "good" and reply.headers["x-huntaze-deployment"] == "good"
    assert reply.status != 200 or has_fallen_back == bool(reply.headers.get("x-huntaze-fallback-reason"))


@pytest.mark.parametrize("over", ["", "over-"], ids=["alone", "over"])
@pytest.mark.parametrize("name", [name for name in provider_answers() if "event" in name] + ["stream", "503-odd", "odd-names"])
def test_what_a_provider_streams(behind, name, over):
    ask(behind, over + name, stream=True)
