"""The corpus through nginx and HAProxy: both ends agree on every request.

The front gives each request that it forwards an id and logs it. A request that the front did not count
would come without such an id, one that we did not count would leave an id over. What we refuse before a
head is read has no id in our log; then the front must have got that refusal and nothing else.
"""
import os
import shutil
import subprocess
from collections import Counter

import pytest

from conftest import open_sections
from corpus import cases
from harness import Server, eventually, free_port
from support_chain import HAPROXY, NGINX, front_lines
from wire import open_to, read_to_end, send
from conftest import checked

LAST = 20
REFUSED_UNREAD = {"400", "408", "413", "414", "417", "431", "501", "505"}


class Front:
    def __init__(self, name, folder, server_port):
        self.name, self.folder, self.port = name, folder, free_port()
        program = {"nginx": "nginx", "haproxy": "haproxy"}[name]
        text = {"nginx": NGINX, "haproxy": HAPROXY}[name]
        user = "user root;" if os.geteuid() == 0 else ""
        (folder / "front.conf").write_text(
            text.replace("@DIR@", str(folder)).replace("@PORT@", str(self.port))
            .replace("@SERVER@", str(server_port)).replace("@USER@", user))
        arguments = {"nginx": ["-e", f"{folder}/error.log", "-c", f"{folder}/front.conf"], "haproxy": ["-db", "-f", f"{folder}/front.conf"]}[name]
        path = os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin"
        with open(folder / "front.log", "wb") as log:
            self.process = subprocess.Popen([shutil.which(program, path=path), *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        assert eventually(self._accepts), (folder / "front.log").read_text()

    def _accepts(self):
        try:
            open_to(self.port).close()
            return True
        except OSError:
            return self.process.poll() is not None

    def stop(self):
        self.process.terminate()
        self.process.wait(10)

    def lines(self):
        return front_lines(self.name, self.folder)


@pytest.fixture(scope="module", params=["nginx", "haproxy"])
def chain(request, tmp_path_factory, sim):
    path = os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin"
    if not shutil.which(request.param, path=path):
        pytest.skip(f"{request.param} is not installed: apt-get install {request.param}")
    server = Server(tmp_path_factory.mktemp("chained"), open_sections(sim.url), scope=None)
    front = Front(request.param, tmp_path_factory.mktemp(request.param), server.port)
    yield front, server
    front.stop()
    checked(server.finish())


def forward_all(front):
    """Sends every case, then half-closes: what the front holds back for want of bytes ends there."""
    for case in cases:
        with open_to(front.port) as s:
            send(s, [case.raw + b"GET /behind HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"])
            try:
                s.shutdown(1)
            except OSError:
                pass
            read_to_end(s)


def test_both_ends_count_the_same_requests(chain):
    front, server = chain
    forward_all(front)
    # A last request through every kept connection's successor: what poisoned one shows here.
    for _ in range(LAST):
        with open_to(front.port) as s:
            send(s, [b"GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"])
            assert b"GET /last;" in read_to_end(s)
    # The front logs a request behind its answer.
    assert eventually(lambda: sum(line["path"] == "/last" for line in front.lines()) == LAST)
    front.stop()
    checked(server.stop())
    forwarded = front.lines()
    handled = [line for line in server.logs() if line["event"] == "request" and line.get("path") != "/livez"]
    ours = {line["correlation_id"]: line for line in handled}
    theirs = {line["id"]: line for line in forwarded if line["path"] != "/livez"}
    assert len(ours) == len(handled) and len(theirs) > 200

    with_id = ours.keys() & theirs.keys()
    differences = [(theirs[key], ours[key]) for key in with_id if theirs[key]["method"] != ours[key].get("method", theirs[key]["method"])]
    differences += [(theirs[key], ours[key]) for key in with_id
                    if theirs[key]["status"] not in (str(ours[key]["status"]), "499", "-1", "-", "400")]
    assert not differences
    refused = Counter(str(line["status"]) for key, line in ours.items() if key not in with_id)
    unmatched = [line for key, line in theirs.items() if key not in with_id]
    assert set(refused) <= REFUSED_UNREAD, [line for key, line in ours.items() if key not in with_id and line["status"] == 404]
    smuggled = [line for key, line in ours.items() if key not in with_id and "method" in line]
    assert not smuggled, smuggled[:5]
    # The front gave up on the rest itself (an unfinished body, a client that left): nothing reached a handler.
    # Its log may call a refusal that met a leaving client by a status of its own, so they are only counted.
    assert sum(refused.values()) <= len(unmatched), (refused, unmatched)
    print(f"{front.name}: {len(cases)} cases, {len(theirs)} forwarded, {len(handled)} arrived, {len(with_id)} handled by both, "
          f"{sum(refused.values())} refused unread, {len(unmatched) - sum(refused.values())} given up by the front, 0 differences")
