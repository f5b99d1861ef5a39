"""The same promises on PostgreSQL, and what happens while it is away."""
import uuid

import pytest

from harness import eventually, run
from money import cost_nusd
from postgres import Road
from simulated import PRICE, standard_sections


class Store:
    """A database of its own behind a road of its own."""

    def __init__(self, postgres):
        self.postgres, self.name = postgres, postgres.new_database()
        self.road = Road(postgres.port)
        self.url = f"postgresql://huntaze@127.0.0.1:{self.road.port}/{self.name}"

    def rows(self, correlation):
        return self.postgres.query(f"SELECT * FROM huntaze.transfer WHERE correlation_id = '{correlation}'", self.name)


@pytest.fixture
def store(postgres):
    made = Store(postgres)
    yield made
    made.road.end()


def server_on(start_server, sim, store, **more):
    return start_server({**standard_sections(sim.url), "store": {"url": store.url}, **more})


def ask(server):
    correlation = f"pg-{uuid.uuid4()}"
    return correlation, server.chat("openai.cached", correlation, {"X-Correlation-ID": correlation})


def test_calls_are_booked_to_the_nano_dollar(store, start_server, sim):
    server = server_on(start_server, sim, store)
    for _ in range(5):
        correlation, reply = ask(server)
        assert reply.status == 200, reply
        rows = store.rows(correlation)
        assert len(rows) == 1
        row = {name: value for name, value in rows[0].items()}
        usage = {name: int(row[name]) for name in ("input_tokens", "output_tokens", "cached_tokens")}
        assert int(row["amount_nusd"]) == cost_nusd(PRICE, **usage)
    assert server.get("/readyz", key="").status == 200


def test_two_servers_share_one_database(store, start_server, sim):
    first = server_on(start_server, sim, store)
    second = server_on(start_server, sim, store, ledger={"slots": "./data/second", "spool": "./data/second.db"})
    assert first.key != second.key
    assert first.call("GET", "/v1/models", key=second.key).status == 200
    for server in (first, second):
        correlation, reply = ask(server)
        assert reply.status == 200 and len(store.rows(correlation)) == 1


def test_a_revoked_key_is_refused_soon(store, start_server, sim):
    server = server_on(start_server, sim, store)
    key = server.create_key()
    assert server.get("/v1/models", key=key).status == 200
    ended = run("keys", "revoke", key[len("hz_live_"):][:8], "--config", server.config, cwd=server.cwd, env=server.env)
    assert ended.returncode == 0, ended.stderr
    assert eventually(lambda: server.get("/v1/models", key=key).status == 401)


def test_while_the_database_is_away_rows_wait_and_none_is_lost(store, start_server, sim):
    server = server_on(start_server, sim, store)
    before = [ask(server) for _ in range(3)]
    store.road.close()
    during = [ask(server)]
    assert during[0][1].status == 200, during[0][1]
    assert server.get("/readyz", key="").status == 503
    assert server.get("/livez", key="").status == 200
    health = server.get("/health", key="")
    assert health.status == 200 and health.json["status"] == "degraded"
    assert store.rows(during[0][0]) == []
    store.road.reopen()
    for correlation, reply in before + during:
        assert reply.status == 200
        assert eventually(lambda: store.rows(correlation), 30), "a row of the spool never arrived"
        assert len(store.rows(correlation)) == 1
    assert eventually(lambda: server.get("/readyz", key="").status == 200)
    assert eventually(lambda: server.get("/health", key="").json["status"] == "healthy", 20)


def test_rows_of_the_spool_survive_a_restart(store, start_server, sim):
    from harness import Program
    server = server_on(start_server, sim, store)
    store.road.close()
    correlation, reply = ask(server)
    assert reply.status == 200, reply
    assert server.stop() == []
    store.road.reopen()
    again = Program("again", ["serve", "--config", server.config], server.cwd, server.port, "/livez", server.env)
    assert eventually(lambda: store.rows(correlation), 20)
    assert again.stop() == []


def test_a_database_that_is_not_there_is_a_clear_error(tmp_path, sim, store):
    from harness import free_port, write_config
    store.road.close()
    path = write_config(tmp_path / "huntaze.yaml", {
        **standard_sections(sim.url), "store": {"url": store.url}, "server": {"listen": f"127.0.0.1:{free_port()}"}})
    ended = run("serve", "--config", path, cwd=tmp_path, env={"SIM_KEY": "k"})
    assert ended.returncode == 1 and str(store.road.port) in ended.stdout + ended.stderr, ended.stdout + ended.stderr


def test_the_password_of_the_database_is_never_shown(tmp_path, sim):
    from harness import free_port, write_config
    path = write_config(tmp_path / "huntaze.yaml", {
        **standard_sections(sim.url), "server": {"listen": f"127.0.0.1:{free_port()}"},
        "store": {"url": f"postgresql://huntaze:open-sesame@127.0.0.1:{free_port()}/none"}})
    for command in (["serve"], ["config", "check", "--print"], ["verify", "ledger"], ["keys", "list"]):
        ended = run(*command, "--config", path, cwd=tmp_path, env={"SIM_KEY": "k"})
        assert "open-sesame" not in ended.stdout + ended.stderr, command
