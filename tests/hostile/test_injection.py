"""Line ends and control characters of clients reach neither our headers nor our log as they are."""
import json

import pytest

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
