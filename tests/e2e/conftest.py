import csv

import openai
import pytest

import harness
from harness import ROOT, Server
from postgres import Postgres
from simulated import DIALECTS, KnownSim, checked, make_tls, standard_sections

measurements = pytest.StashKey()


@pytest.fixture(scope="session")
def tls(tmp_path_factory):
    return make_tls(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def sim(tmp_path_factory):
    running = KnownSim(tmp_path_factory.mktemp("sim"))
    yield running
    checked(running.stop())


@pytest.fixture(scope="session")
def server(tmp_path_factory, sim):
    """One server for all tests that only call it; at the end it must stop cleanly and verify."""
    running = Server(tmp_path_factory.mktemp("serve"), standard_sections(sim.url))
    yield running
    checked(running.finish())


@pytest.fixture(scope="session")
def tls_server(tmp_path_factory, sim, tls):
    running = Server(tmp_path_factory.mktemp("serve-tls"), standard_sections(sim.url), tls=tls)
    yield running
    checked(running.finish())


@pytest.fixture
def start_server(tmp_path):
    """A server of the test's own: start_server(sections, env=...)."""
    running = []

    def start(sections, **more):
        folder = tmp_path / f"serve-{len(running)}"
        folder.mkdir()
        running.append(Server(folder, sections, **more))
        return running[-1]

    yield start
    checked([fault for server in running for fault in server.finish()])


@pytest.fixture(scope="module")
def postgres():
    running = Postgres()
    yield running
    running.stop()


@pytest.fixture
def start_sim(tmp_path):
    running = []

    def start(**more):
        folder = tmp_path / f"sim-{len(running)}"
        folder.mkdir()
        running.append(KnownSim(folder, **more))
        return running[-1]

    yield start
    checked([fault for sim in running for fault in sim.stop()])


@pytest.fixture(params=DIALECTS)
def dialect(request):
    return request.param


@pytest.fixture(params=["plain", "tls"])
def transport(request):
    return request.param


@pytest.fixture
def make_client(request, transport):
    """The SDK's client as a customer makes it; retries off, so that each test sees what happened."""
    server = request.getfixturevalue("server" if transport == "plain" else "tls_server")
    opened = []

    def make(**options):
        if transport == "tls":
            import ssl
            authority = request.getfixturevalue("tls").authority
            context = ssl.create_default_context(cafile=str(authority))
            options["http_client"] = openai.DefaultHttpxClient(verify=context)
        options = {"api_key": server.key, "base_url": server.base_url, "max_retries": 0, "timeout": 30,
                   **options}
        opened.append(openai.OpenAI(**options))
        return opened[-1]

    make.server = server
    yield make
    for client in opened:
        client.close()


@pytest.fixture
def client(make_client):
    return make_client()


@pytest.fixture(scope="session")
def price_list():
    """(provider, model) -> row of config/prices.csv; prices are dollars per million tokens, as text."""
    with open(ROOT / "config/prices.csv", newline="") as file:
        return {(row["provider"], row["model"]): row for row in csv.DictReader(file)}


@pytest.fixture
def measured(request):
    """measured(what, seconds, limit): reported at the end, never a pass or a failure."""
    found = request.config.stash.setdefault(measurements, {})

    def note(what, seconds, limit):
        found.setdefault((what, limit), []).append(seconds)

    return note


def pytest_report_header(config):
    return f"huntaze: {harness.binary()}"


def pytest_terminal_summary(terminalreporter, config):
    found = config.stash.get(measurements, {})
    for (what, limit), seconds in sorted(found.items()):
        worst = max(seconds)
        verdict = "reached" if worst <= limit else "MISSED"
        terminalreporter.write_line(f"measured: {what}: {worst * 1000:.1f} ms at worst of {len(seconds)}, "
                                    f"wanted {limit * 1000:g} ms: {verdict}")
