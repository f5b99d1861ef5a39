"""The short form of tests/hostile/slow: limits of a second, 200 slow clients of each kind."""
import http.client
import json
import re
import socket
import subprocess
import sys
from pathlib import Path

from conftest import open_sections
from e2e_support import start_server  # noqa: F401
from harness import eventually
from slow_clients import KINDS
from wire import open_to, read_to_end

EACH, SECONDS = 200, 60  # at most; they are let go much sooner
LIMITS = {"head_timeout_ms": 1000, "body_timeout_ms": 1500, "write_timeout_ms": 1500, "keep_alive_ms": 1000}
TURNS = 150


def crowd_of(port, each):
    """Slow clients that stay away once they were closed."""
    command = [sys.executable, str(Path(__file__).with_name("slow_clients.py")), str(port), str(each), str(SECONDS), "--once"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_slow_clients_are_closed_and_the_others_notice_nothing(start_server, sim):  # noqa: F811
    server = start_server(open_sections(sim.url, **LIMITS), scope=None)
    with crowd_of(server.port, EACH) as crowd:
        answered = 0
        while crowd.poll() is None:
            assert server.get("/v1/models").status == 200
            answered += 1
        assert answered > 10
        found = json.loads(crowd.stdout.readlines()[-1])
    for kind in KINDS:
        assert found[kind]["closed"] == EACH and found[kind]["open"] == 0, (kind, found[kind])
    # By the server's own count: only whoever asks is left.
    assert eventually(lambda: b"\nhuntaze_http_connections 1\n" in server.get("/metrics").body)


def test_more_slow_clients_than_connections_leave_the_kept_ones_served(start_server, sim):  # noqa: F811
    server = start_server(open_sections(sim.url, max_connections=40, loops=2, **LIMITS | {"keep_alive_ms": 60000}), scope=None)
    kept = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)

    def ask(path):
        kept.request("GET", path)
        answer = kept.getresponse()
        return answer.status, answer.read().decode()

    assert ask("/livez")[0] == 200
    with crowd_of(server.port, 50) as crowd:
        while crowd.poll() is None:
            assert ask("/v1/models")[0] == 200
        found = json.loads(crowd.stdout.readlines()[-1])
    assert all(found[kind]["closed"] == 50 for kind in KINDS), found
    # At most 39 fitted beside the kept one at any time; the rest was told and closed at once.
    refused = int(re.search(r"^huntaze_http_connections_refused_total (\d+)$", ask("/metrics")[1], re.M)[1])
    assert refused > 0
    assert server.get("/livez").status == 200
    said = [line["refused"] for line in server.logs() if line["event"] == "connections_refused"]
    assert said and sum(said) <= refused
    kept.close()


def test_the_limit_of_connections_holds_for_all_loops_together(start_server, sim):  # noqa: F811
    server = start_server(open_sections(sim.url, max_connections=3, loops=4), scope=None)
    # The check that the server is up may still count.
    assert eventually(lambda: b"\nhuntaze_http_connections 1\n" in server.get("/metrics").body)
    kept = [http.client.HTTPConnection("127.0.0.1", server.port, timeout=30) for _ in range(4)]
    statuses = []
    for connection in kept:
        connection.request("GET", "/livez")
        answer = connection.getresponse()
        answer.read()
        statuses.append(answer.status)
    assert statuses == [200, 200, 200, 503]
    for connection in kept:
        connection.close()


def test_a_client_that_reads_nothing_gets_little_work_done_for_it(start_server, sim):  # noqa: F811
    server = start_server(open_sections(sim.url, loops=1), scope=None)
    other = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        s.connect(("127.0.0.1", server.port))
        s.sendall(b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n" * 2 * TURNS)
        # In each turn of the loop whoever pipelines gets one answer, if there is room for it.
        for _ in range(TURNS):
            other.request("GET", "/livez")
            assert other.getresponse().read()
        other.request("GET", "/metrics")
        text = other.getresponse().read().decode()
    made = int(re.search(r'^huntaze_http_requests_total\{route="/metrics",status="200"\} (\d+)$', text, re.M)[1])
    assert 0 < made < TURNS / 3
    other.close()


def test_one_address_gets_no_more_than_its_share(start_server, sim):  # noqa: F811
    server = start_server(open_sections(sim.url, max_connections_per_address=3), scope=None)
    assert eventually(lambda: b"\nhuntaze_http_connections 1\n" in server.get("/metrics").body)
    kept = [open_to(server.port) for _ in range(3)]
    for s in kept:
        s.sendall(b"GET /livez HTTP/1.1\r\nHost: h\r\n\r\n")
        assert s.recv(4096).startswith(b"HTTP/1.1 200 ")
    with open_to(server.port) as fourth:
        assert read_to_end(fourth).startswith(b"HTTP/1.1 503 ")
    for s in kept:
        s.close()
    assert eventually(lambda: server.get("/livez").status == 200)
