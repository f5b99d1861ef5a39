"""No descriptor left: clients are closed instead of left waiting, calls fail cleanly and are recorded, and
service returns with the descriptors."""
import http.client
import json
import os
import resource
from pathlib import Path

from conftest import open_sections
from e2e_support import start_server  # noqa: F401
from harness import eventually
from wire import RESET, open_to, read_to_end

CROWD = 60
ATTEMPTS = 8
CHAT = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


def open_count(server):
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def allow(server, more):
    """The server may open so many descriptors beyond those that it has."""
    hard = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)[1]
    highest = max(int(name) for name in os.listdir(f"/proc/{server.process.pid}/fd"))
    # Numbers below the highest may be free, too.
    free = highest + 1 - open_count(server)
    limit = hard if more is None else highest + 1 + max(0, more - free)
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (limit, hard))


def is_asleep(server):
    """All threads wait, as often as one looks: a loop that runs in circles is seen running."""
    tasks = f"/proc/{server.process.pid}/task"
    states = {Path(f"{tasks}/{task}/stat").read_text().rpartition(")")[2].split()[0]
              for _ in range(50) for task in os.listdir(tasks)}
    return states == {"S"}


def is_served(s):
    s.sendall(b"GET /livez HTTP/1.1\r\nHost: h\r\n\r\n")
    return s.recv(4096).startswith(b"HTTP/1.1 200 ")


def test_clients_beyond_the_descriptors_are_closed_and_the_others_are_served(start_server, sim):  # noqa: F811
    server = start_server(open_sections(sim.url, loops=1), scope=None)
    kept = open_to(server.port)
    assert is_served(kept)
    allow(server, 20)
    crowd = [open_to(server.port) for _ in range(CROWD)]
    served = []
    for s in crowd:
        try:
            if is_served(s):
                served.append(s)
        except (ConnectionResetError, BrokenPipeError):
            pass
    assert 10 <= len(served) <= 20
    assert is_served(kept)
    with open_to(server.port) as s:
        assert read_to_end(s) in (b"", RESET)
    assert eventually(lambda: is_asleep(server))
    failures = [line for line in server.logs() if line["event"] == "accept_failed"]
    assert failures and "ulimit" in failures[0]["advice"]
    for s in crowd:
        s.close()
    assert eventually(lambda: open_count(server) < 20 + CROWD and is_served(kept))

    def fresh():
        with open_to(server.port) as s:
            try:
                return is_served(s)
            except ConnectionError:
                return False
    assert eventually(fresh)


def test_a_call_without_a_descriptor_for_its_provider_fails_cleanly_and_blames_nobody(start_server, sim):  # noqa: F811
    server = start_server(open_sections(sim.url, loops=1), scope=None)
    kept = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)

    def chat():
        kept.request("POST", "/v1/chat/completions", json.dumps(CHAT), {"Content-Type": "application/json"})
        answer = kept.getresponse()
        return answer.status, json.loads(answer.read()), answer

    kept.request("GET", "/livez")
    assert kept.getresponse().read()
    allow(server, 0)
    for _ in range(ATTEMPTS):
        status, body, answer = chat()
        assert status == 503 and body["error"]["code"] == "overloaded", body
        assert "Too many open files" in body["error"]["message"]
        assert answer.headers["Retry-After"] == "1"
    # More than open the breaker: had they counted, the provider would be kept away now.
    allow(server, None)
    assert chat()[0] == 200
    rows = server.query("select operation_id, attempt, amount_nusd, status from transfer order by id")
    assert len(rows) == ATTEMPTS + 1 and all(row["attempt"] == 1 for row in rows)
    assert [row["amount_nusd"] > 0 for row in rows] == [False] * ATTEMPTS + [True]
    assert len({row["operation_id"] for row in rows}) == ATTEMPTS + 1
    kept.close()
