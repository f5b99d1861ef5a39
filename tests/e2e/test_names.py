"""A provider whose name stops resolving midway, and one whose TLS handshake never ends. The names come
from a name server of the test's own."""
import pytest

pytest.register_assert_rewrite("seen")

from harness import Server, eventually, run, write_config
from names import MuteListener, NameServer
from postgres import Road
from seen import (FAILED, GOOD, ask, assert_answered_row, assert_complete, assert_failed_row,
                  assert_failures_logged, log_of, models_asked, rows_of)
from simulated import KnownSim, checked, model, provider

BOTH = [pytest.param(False, id="whole"), pytest.param(True, id="stream")]
PATIENT = {"connect": 10000, "first_content": 15000, "idle": 15000, "attempt": 20000, "total": 25000}
CONNECT_MS = 400
HASTY = PATIENT | {"connect": CONNECT_MS}
# No room for a repetition.
ALONE = HASTY | {limit: 700 for limit in ("first_content", "idle", "attempt", "total")}
OPEN_MS = 500
SLACK_SECONDS = 8
ADDRESSES = {"provider.test": "127.0.0.1"}


def mode_name(name, is_stream):
    return f"{name}-{'stream' if is_stream else 'whole'}"


class World:
    def __init__(self, tmp_path_factory):
        self.sim = KnownSim(tmp_path_factory.mktemp("sim"))
        self.road = Road(self.sim.port)
        self.mute = MuteListener()
        self.names = NameServer(dict(ADDRESSES))
        named, tls = f"http://provider.test:{self.road.port}", f"https://127.0.0.1:{self.mute.port}"
        providers = [provider("openai", url, name=name, timeouts_ms=timeouts) for name, url, timeouts in (
            ("healthy", self.sim.url, PATIENT), ("named", named, HASTY), ("named-alone", named, ALONE),
            ("handshake", tls, HASTY), ("handshake-alone", tls, ALONE))]
        names = [mode_name(entry["name"], is_stream) for entry in providers[1:] for is_stream in (False, True)]
        self.server = Server(tmp_path_factory.mktemp("serve"), {
            "net": {"dns_servers": self.names.address}, "providers": providers,
            "models": [model("good", "healthy", GOOD)] +
                      [model(name, name.rsplit("-", 1)[0], name + "+tokens=60") for name in names],
            "routes": [{"models": ["good"]}], "breaker": {"failures_in_row": 3, "open_ms": OPEN_MS},
            "fallbacks": [{"from": name, "to": ["good"]} for name in names if "alone" not in name]})

    def finish(self):
        faults = self.server.finish() + self.sim.stop()
        for part in (self.names, self.mute, self.road):
            part.end()
        return faults


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    made = World(tmp_path_factory)
    yield made
    checked(made.finish())


WAYS = {"unknown": "not found", "mute": "no answer from the name server in time"}


def lose_name(world, way):
    """With it go the connections that were made while it was there."""
    if way == "mute":
        world.names.is_mute = True
    else:
        world.names.addresses = {}
    world.road.close()


def find_name(world):
    world.names.is_mute = False
    world.names.addresses = dict(ADDRESSES)
    world.road.reopen()


def ask_until_it_is_missed(world, name, is_stream, reason):
    """The name server's last answer may be used for a second, and the breaker keeps calls away."""
    asked = []

    def is_missed():
        asked.append(ask(world, name, is_stream))
        return any(reason in line["reason"] for line in log_of(world.server, asked[-1], "attempt_failed"))

    assert eventually(is_missed), asked[-1].reply
    return asked


@pytest.mark.parametrize("is_stream", BOTH)
@pytest.mark.parametrize("way", WAYS)
def test_a_name_that_stops_resolving_midway_costs_no_answer(world, way, is_stream):
    name = mode_name("named", is_stream)
    before = ask(world, name, is_stream)
    assert_complete(world.sim, before)
    assert models_asked(world.sim, before) == [name]
    lose_name(world, way)
    try:
        run = ask_until_it_is_missed(world, name, is_stream, WAYS[way])
    finally:
        find_name(world)
    for asked in run:
        assert_complete(world.sim, asked)
        assert models_asked(world.sim, asked) == ["good"]
    failed, answered = rows_of(world.server, run[-1])
    assert_failed_row(world.sim, run[-1], failed, "connect")
    assert_answered_row(world.sim, run[-1], answered)
    assert_failures_logged(world.server, run[-1], 1, "connect", "provider.test")

    back = []

    def is_back():
        back.append(ask(world, name, is_stream))
        return models_asked(world.sim, back[-1]) == [name]

    assert eventually(is_back), "the provider was not used again"
    for asked in back:
        assert_complete(world.sim, asked)


@pytest.mark.parametrize("is_stream", BOTH)
@pytest.mark.parametrize("way", WAYS)
def test_a_name_that_nobody_knows_ends_in_a_clean_error_in_time(world, way, is_stream):
    lose_name(world, way)
    try:
        run = ask_until_it_is_missed(world, mode_name("named-alone", is_stream), is_stream, WAYS[way])
    finally:
        find_name(world)
    for asked in run:
        assert_clean_error(world, asked)
    message = run[-1].reply.error["message"]
    assert run[-1].name in message and "provider.test" in message


def assert_clean_error(world, asked):
    assert (asked.reply.status, asked.reply.error["code"]) == (502, "upstream_error"), asked.reply
    assert asked.seconds < ALONE["total"] / 1000 + SLACK_SECONDS
    assert models_asked(world.sim, asked) == []
    for row in rows_of(world.server, asked):
        assert (row["status"], row["amount_nusd"]) == (FAILED, 0)


@pytest.mark.parametrize("is_stream", BOTH)
def test_a_tls_handshake_that_never_ends_is_given_up_with_the_connection(world, is_stream):
    """Name, connection and handshake share one limit."""
    name = mode_name("handshake", is_stream)
    asked = ask(world, name, is_stream)
    assert_complete(world.sim, asked)
    assert CONNECT_MS / 1000 <= asked.seconds < CONNECT_MS / 1000 + SLACK_SECONDS
    assert models_asked(world.sim, asked) == ["good"]
    failed, answered = rows_of(world.server, asked)
    assert_failed_row(world.sim, asked, failed, "connect")
    assert_answered_row(world.sim, asked, answered)
    assert_failures_logged(world.server, asked, 1, "connect", "no TLS handshake in time")

    alone = ask(world, mode_name("handshake-alone", is_stream), is_stream)
    assert_clean_error(world, alone)
    assert "no TLS handshake in time" in alone.reply.error["message"]


def test_name_servers_that_are_no_addresses_stop_the_start(tmp_path, sim):
    config = write_config(tmp_path / "serve.yaml", {
        "server": {"listen": "127.0.0.1:0"}, "net": {"dns_servers": "ns.example.com"},
        "providers": [provider("openai", sim.url)], "models": [model("any", "openai", GOOD)],
        "routes": [{"models": ["any"]}], "fallbacks": []})
    ended = run("serve", "--config", config, cwd=tmp_path, env={"SIM_KEY": "sim-key"})
    assert ended.returncode != 0
    assert "net.dns_servers" in ended.stderr + ended.stdout
