"""SIGUSR2: another process takes over. What happens under load is tests/fault/restart's."""
import http.client
import os
import shutil
import signal
import socket
import time
from pathlib import Path

import pytest

import harness
from harness import eventually, free_port, http_call, write_config
from simulated import model, provider


@pytest.fixture
def sections(sim):
    return {"providers": [provider("openai", sim.url)], "models": [model("m", "openai", "gpt-4o")],
            "routes": [{"models": ["m"]}], "fallbacks": []}


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class Restarts:
    """Of one server; each looks only at what the log has got since the one before."""

    def __init__(self, server):
        self.server, self.successors = server, []
        self.seen = len(server.logs())

    def event(self, *names):
        """The next of these; what stands before it is forgotten."""
        def look():
            for number, line in enumerate(self.server.logs()[self.seen:]):
                if line["event"] in names:
                    self.seen += number + 1
                    return line
            return None
        found = eventually(look, 30)
        assert found, self.server.stdout()[-2000:] + self.server.stderr()[-2000:]
        return found

    def begin(self):
        os.kill(self.server.process.pid, signal.SIGUSR2)
        begun = self.event("restart_begun", "restart_failed")
        if begun["event"] == "restart_begun":
            self.successors.append(begun["successor"])
        return begun

    def end(self):
        for pid in filter(is_alive, self.successors):
            os.kill(pid, signal.SIGTERM)
        for pid in self.successors:
            assert eventually(lambda pid=pid: not is_alive(pid), 20), f"process {pid} has not ended"


@pytest.fixture
def restarts(start_server):
    made = []

    def make(server):
        made.append(Restarts(server))
        return made[-1]

    yield make
    for one in made:
        one.end()


def kept_connection(server):
    """One that has had an answer and now rests."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request("GET", "/livez")
    assert connection.getresponse().read()
    return connection


def test_a_kept_connection_has_one_last_answer_of_the_old_process(start_server, restarts, sections):
    server = start_server(sections)
    again = restarts(server)
    kept = kept_connection(server)
    assert again.begin()["event"] == "restart_begun"
    again.event("retiring")
    assert server.chat("m").status == 200
    assert server.process.poll() is None
    kept.request("GET", "/livez")
    last = kept.getresponse()
    assert last.status == 200 and last.getheader("Connection") == "close"
    assert server.process.wait(20) == 0
    assert server.chat("m").status == 200
    assert len(server.query("SELECT 1 FROM transfer")) == 2


def test_a_configuration_that_is_wrong_changes_nothing(start_server, restarts, sections):
    server = start_server(sections)
    again = restarts(server)
    whole = server.config.read_text()
    server.config.write_text(whole + "nonsense: true\n")
    again.begin()
    assert again.event("restart_failed", "retiring")["exit_code"] == 1
    assert "nonsense" in server.stderr()
    assert server.chat("m").status == 200 and server.process.poll() is None
    server.config.write_text(whole)
    again.begin()
    again.event("retiring")
    assert server.process.wait(20) == 0
    assert server.chat("m").status == 200


def test_a_process_that_hangs_at_its_start_is_ended_and_the_next_restart_works(start_server, restarts, sections):
    server = start_server(sections | {"server": {"restart_ms": 300}})
    again = restarts(server)
    whole = server.config.read_text()
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"postgresql://u@127.0.0.1:{deaf.getsockname()[1]}/d"
        write_config(server.config, server.sections | {"store": {"url": url}})
        begun = again.begin()
        assert again.event("restart_late", "restart_failed", "retiring")["event"] == "restart_late"
        ended = again.event("restart_failed")
        assert (ended["successor"], ended["signal"]) == (begun["successor"], signal.SIGKILL)
    assert server.chat("m").status == 200
    server.config.write_text(whole)
    again.begin()
    again.event("retiring")
    assert server.process.wait(20) == 0
    assert server.chat("m").status == 200


def test_a_process_that_serves_is_not_ended_because_the_old_one_stood_still(postgres, start_server, restarts, sections):
    """With PostgreSQL, where the new one needs no answer of the old one."""
    limit_ms = 1500
    server = start_server(sections | {"server": {"restart_ms": limit_ms}, "store": {"url": postgres.url}})
    again = restarts(server)
    old = server.process.pid
    again.begin()
    begun = time.monotonic()
    os.kill(old, signal.SIGSTOP)
    try:
        again.event("start")
        assert eventually(lambda: server.chat("m").status == 200)  # accepted by the new one: the old one stands still
        assert eventually(lambda: time.monotonic() > begun + limit_ms / 1000)
    finally:
        os.kill(old, signal.SIGCONT)
    assert again.event("restart_late", "retiring")["event"] == "retiring"
    assert server.process.wait(20) == 0
    assert server.chat("m").status == 200


def test_a_process_that_fails_behind_the_barrier_gives_the_ledger_back(start_server, restarts, sections):
    server = start_server(sections)
    again = restarts(server)
    moved = dict(server.sections["server"], listen="192.0.2.1:1")  # not an address of this machine
    write_config(server.config, server.sections | {"server": moved})
    again.begin()
    again.event("ledger_handed_over")
    assert server.chat("m").status == 200
    assert again.event("restart_failed", "retiring")["event"] == "restart_failed"
    assert server.chat("m").status == 200
    assert eventually(lambda: server.get("/health").json["status"] == "healthy")
    assert len(server.query("SELECT 1 FROM transfer")) == 2
    assert not (server.cwd / "spool.db").exists()


def test_a_process_that_dies_when_it_serves_is_replaced_by_the_one_before(start_server, restarts, sections):
    server = start_server(sections)
    again = restarts(server)
    kept = kept_connection(server)
    again.begin()
    again.event("retiring")
    assert server.chat("m").status == 200
    os.kill(again.successors[-1], signal.SIGKILL)
    assert again.event("restart_failed")["signal"] == signal.SIGKILL
    assert server.chat("m").status == 200
    kept.request("GET", "/livez")
    answer = kept.getresponse()
    assert answer.read() and answer.getheader("Connection") is None
    kept.close()
    assert len(server.query("SELECT 1 FROM transfer")) == 2


def test_the_service_manager_is_told_which_process_is_the_main_one(start_server, restarts, sections, tmp_path):
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(20)
        server = start_server(sections, env={"NOTIFY_SOCKET": str(path)})
        assert manager.recv(200).decode() == f"READY=1\nMAINPID={server.process.pid}\n"
        again = restarts(server)
        again.begin()
        assert manager.recv(200).decode() == f"READY=1\nMAINPID={again.successors[-1]}\n"


def test_a_new_address_is_listened_at_and_the_old_one_left(start_server, restarts, sections):
    server = start_server(sections)
    again = restarts(server)
    port = free_port()
    write_config(server.config, server.sections
                 | {"server": dict(server.sections["server"], listen=f"127.0.0.1:{port}")})
    again.begin()
    again.event("retiring")
    assert server.process.wait(20) == 0
    assert http_call(port, "GET", "/livez").status == 200
    with pytest.raises(ConnectionRefusedError):
        server.get("/livez")


def test_a_replaced_program_is_started_and_one_that_is_none_is_not(start_server, restarts, sections, tmp_path,
                                                                    monkeypatch):
    program = tmp_path / "huntaze"
    shutil.copy(harness.binary(), program)
    with monkeypatch.context() as patch:
        patch.setenv("HUNTAZE_BIN", str(program))
        server = start_server(sections)
    again = restarts(server)
    program.rename(tmp_path / "old")
    program.write_text("This is no program.\n")
    program.chmod(0o755)
    assert again.begin()["event"] == "restart_failed"
    assert server.chat("m").status == 200
    program.unlink()
    shutil.copy(harness.binary(), program)
    again.begin()
    again.event("retiring")
    assert os.readlink(f"/proc/{again.successors[-1]}/exe") == str(program)


def test_only_one_restart_at_a_time_and_a_stop_ends_both(start_server, restarts, sections):
    server = start_server(sections)
    again = restarts(server)
    kept = kept_connection(server)
    again.begin()
    again.event("retiring")
    os.kill(server.process.pid, signal.SIGUSR2)
    again.event("restart_refused")
    os.kill(again.successors[-1], signal.SIGTERM)
    assert eventually(lambda: not server._accepts())
    assert server.process.poll() is None  # it has a connection yet
    kept.close()
    assert server.process.wait(20) == 0
