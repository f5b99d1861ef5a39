"""Above capacity: a share is refused, cheaply and in good form; the rest is served; then all is as before."""
import json
from collections import Counter

from conftest import open_sections
from e2e_support import start_server  # noqa: F401
from harness import eventually
from wire import open_to

PIPELINES, PIECE, ROUNDS_MAX = 128, 300, 4000
ASK = b"GET /v1/models HTTP/1.1\r\nHost: h\r\n\r\n"
POST = (b"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
        b"Content-Length: 20\r\n\r\n{\"not\": \"looked at\"}")
LAST = b"GET /livez HTTP/1.1\r\nHost: h\r\nX-Correlation-ID: the-last\r\n\r\n"


class Pipeline:
    """A client that asks far ahead. It only counts answers while it runs, so that the server has more to
    do than the client has; they are looked at in the end."""

    def __init__(self, port):
        self.socket = open_to(port)
        self.socket.setblocking(False)
        self.unsent, self.read, self.asked, self.seen = b"", [], 0, 0

    def pump(self):
        if self.asked - self.seen < PIECE:
            self.unsent += (ASK + POST) * (PIECE // 2)
            self.asked += PIECE
        try:
            self.unsent = self.unsent[self.socket.send(self.unsent):] if self.unsent else b""
        except BlockingIOError:
            pass
        try:
            self.read.append(self.socket.recv(1 << 20))
            assert self.read[-1], "the server closed a kept connection"
            self.seen += self.read[-1].count(b"HTTP/1.1 ")
        except BlockingIOError:
            pass

    def finish(self):
        """All answers: (status, headers, body)."""
        self.socket.settimeout(60)
        self.unsent += LAST
        while self.unsent or b"the-last" not in b"".join(self.read[-2:]):
            if self.unsent:
                self.unsent = self.unsent[self.socket.send(self.unsent[:1 << 14]):]
            self.socket.setblocking(not self.unsent)
            try:
                self.read.append(self.socket.recv(1 << 20))
                assert self.read[-1], "the server closed a kept connection"
            except BlockingIOError:
                pass
        self.socket.close()
        return list(answers(b"".join(self.read)))


def answers(raw):
    at = 0
    while at < len(raw):
        end = raw.index(b"\r\n\r\n", at)
        lines = raw[at:end].split(b"\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in lines[1:])
        at = end + 4 + int(fields[b"content-length"])
        assert at <= len(raw)
        yield int(lines[0].split(b" ")[1]), fields, raw[end + 4:at]


def metric(server, name):
    line = next(line for line in server.get("/metrics").body.decode().splitlines() if line.startswith(name + " "))
    return int(line.split()[1])


def test_above_capacity_a_share_is_refused_and_afterwards_nothing(start_server, sim):  # noqa: F811
    server = start_server(open_sections(sim.url, shed_delay_ms=1, loops=1), scope=None)
    pipelines = [Pipeline(server.port) for _ in range(PIPELINES)]
    for i in range(ROUNDS_MAX):
        for p in pipelines:
            p.pump()
        if i % 10 == 9 and metric(server, "huntaze_http_shed_total") >= 100:
            break
        for vital in ("/livez", "/readyz", "/health") if i % 10 == 0 else ():
            assert server.get(vital).status == 200
    found = [p.finish() for p in pipelines]
    # One answer for each request. The posts are no chat requests: 400 when they are looked at.
    assert [len(f) for f in found] == [p.asked + 1 for p in pipelines]
    statuses = Counter(status for f in found for status, _, _ in f)
    assert set(statuses) == {200, 400, 503}, statuses
    assert statuses[503] == metric(server, "huntaze_http_shed_total") >= 100

    fields, body = next((fields, json.loads(body)) for f in found for status, fields, body in f if status == 503)
    assert fields[b"retry-after"] == b"1" and fields[b"content-type"] == b"application/json"
    assert b"x-correlation-id" in fields and b"connection" not in fields
    assert body["error"]["code"] == "over_capacity" and body["error"]["type"] == "server_error"

    assert eventually(lambda: metric(server, "huntaze_http_connections") == 1)
    assert all(server.get("/v1/models").status == 200 for _ in range(20))
    lines = server.logs()
    assert not [line for line in lines if line["event"] == "request" and line["status"] == 503]
    said = [line for line in lines if line["event"] == "overload"]
    assert said and sum(line["refused"] for line in said) <= statuses[503]
