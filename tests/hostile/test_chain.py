"""The corpus through nginx and HAProxy: both ends agree on every request.

The front gives each request that it forwards an id and logs it, with the id of the answer that it got. A
request of ours is one of the front's by the id that it came with, or, where it was refused before its head
was read and so has an id of our own, by the id of that refusal. A request that the front did not count
would be ours alone. The front's alone are only those that it gave up itself: see GIVEN_UP and TUNNELLED.
"""
import os
import re
import shutil
import subprocess
from collections import Counter, defaultdict

import pytest

from conftest import open_sections
from corpus import cases
from harness import Server, eventually, free_port
from simulated import checked
from support_chain import HAPROXY, NGINX, front_lines
from wire import open_to, read_to_end, send

LAST = 20
LENGTH = re.compile(rb"^content-length: *(\d+)", re.I | re.M)
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


def gives_up(case):
    """GIVEN_UP: its client announces more bytes than it sends, and then ends its side. The front sends on what
    came and closes the connection to us as soon as it sees that end: before we have read the head, while we
    do, or when our refusal of the length is on its way. So it may have no answer to such a request; we may not
    have counted it, or by a refusal with an id that the front never heard of."""
    lengths = [int(digits) for digits in LENGTH.findall(case.raw)]
    return case.is_cut or case.refused == 413 or any(length > len(case.raw) for length in lengths)


def ends_at_once(line):
    """TUNNELLED: HAProxy passes the end of its client's side on behind a CONNECT. Whoever ends its side counts as
    gone with us: if that comes together with the head, there is no answer, and the front makes a 502."""
    return line["method"] == "CONNECT" and line["status"] == "502" and line["answered"] == "-"


def forward_all(front):
    """Sends every case, then half-closes: what the front holds back for want of bytes ends there. Returns the
    cases that came from each port."""
    by_port = defaultdict(list)
    for case in cases:
        with open_to(front.port) as s:
            by_port[s.getsockname()[1]].append(case)
            send(s, [case.raw + b"GET /behind HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"])
            try:
                s.shutdown(1)
            except OSError:
                pass
            read_to_end(s)
    return by_port


def pair(ours, theirs):
    """The front's line -> ours, as pairs; and the front's lines that have none."""
    pairs, alone = [], []
    for line in theirs.values():
        own = ours.get(line["id"]) or ours.get(line["answered"])
        if own:
            pairs.append((line, own))
        else:
            alone.append(line)
    return pairs, alone


def agree(line, own):
    """The same request? Without an answer the front cannot tell what it would have been."""
    is_same_status = line["status"] in (str(own["status"]), "-")
    return is_same_status and line["method"] == own.get("method", line["method"])


def test_both_ends_count_the_same_requests(chain):
    front, server = chain
    by_port = forward_all(front)
    # A last request through every kept connection's successor: what poisoned one shows here.
    for _ in range(LAST):
        with open_to(front.port) as s:
            send(s, [b"GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"])
            assert b"GET /last;" in read_to_end(s)
    # The front logs a request behind its answer.
    assert eventually(lambda: sum(line["path"] == "/last" for line in front.lines()) == LAST)
    front.stop()
    checked(server.stop())
    handled = [line for line in server.logs() if line["event"] == "request" and line.get("path") != "/livez"]
    ours = {line["correlation_id"]: line for line in handled}
    theirs = {line["id"]: line for line in front.lines() if line["path"] != "/livez"}
    assert len(ours) == len(handled) and len(theirs) > 200

    pairs, alone = pair(ours, theirs)
    assert [(line, own) for line, own in pairs if not agree(line, own)] == []
    times = Counter(own["correlation_id"] for _, own in pairs)
    assert max(times.values()) == 1
    unheard = [line for key, line in ours.items() if not times[key]]
    assert [line for line in unheard if "method" in line or line["status"] not in (400, 413)] == [], "a request that the front did not count"
    given_up = [line for line in alone if line["status"] == "-" and any(gives_up(case) for case in by_port[line["port"]])]
    given_up += [line for line in alone if ends_at_once(line)]
    assert [line for line in alone if line not in given_up] == [], "a request of the front's that never arrived"
    assert len(unheard) <= len(given_up) and len(theirs) - len(given_up) == len(ours) - len(unheard)
    unread = sum("method" not in own for _, own in pairs)
    assert {str(own["status"]) for _, own in pairs if "method" not in own} <= REFUSED_UNREAD
    print(f"{front.name}: {len(cases)} cases, {len(theirs)} forwarded, {len(ours)} arrived ({unread} refused unread), "
          f"{len(given_up)} given up by the front, {len(unheard)} of them answered in vain, 0 differences")
