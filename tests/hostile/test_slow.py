"""The short form of tests/hostile/slow: limits of a second, 200 slow clients of each kind."""
import asyncio

from conftest import open_sections
from e2e_support import start_server  # noqa: F401
from harness import eventually
from slow_clients import KINDS, trial

EACH, SECONDS = 200, 40  # at most; they are let go much sooner
LIMITS = {"head_timeout_ms": 1000, "body_timeout_ms": 1500, "write_timeout_ms": 1500, "keep_alive_ms": 1000}


def test_slow_clients_are_closed_and_the_others_notice_nothing(start_server, sim):  # noqa: F811
    server = start_server(open_sections(sim.url, **LIMITS), scope=None)
    latencies, faults, found = asyncio.run(trial(server.port, EACH, SECONDS, ends_early=True))
    assert not faults and len(latencies) > 100
    for kind in KINDS:
        assert len(found[kind]) == EACH and None not in found[kind], (kind, found[kind].count(None))
    # By the server's own count: only whoever asks is left.
    assert eventually(lambda: b"\nhuntaze_http_connections 1\n" in server.get("/metrics").body)


def test_one_address_gets_no_more_than_its_share(start_server, sim):  # noqa: F811
    from wire import open_to, read_to_end
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
