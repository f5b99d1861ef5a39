import csv
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import openai
import pytest

import harness
from harness import ROOT, Server, Sim

measurements = pytest.StashKey()

# How each dialect is configured; the name of a model is DIALECT.BEHAVIOUR.
PROVIDERS = {
    "openai": {"kind": "openai", "path": "/v1"},
    "azure-openai": {"kind": "azure-openai", "path": ""},
    "foundry-v1": {"kind": "azure-foundry", "path": ""},
    "foundry-models": {"kind": "azure-foundry", "path": "", "api": "models"},
}
DIALECTS = list(PROVIDERS)
# What the simulator is asked to do, in the words of docs/simulator.md.
CHAT = {
    "chat": "",
    "slow": "+tokens=400,tps=20",
    "cached": "+cached=1024,tokens=40",
    "reasoning": "+think=30,tokens=12",
    "no-usage": "+no_usage,tokens=25",
    "long": "+tokens=60",
    "stall": "+stall=7,tokens=60",
    "reset": "+reset",
    "cut": "+cut=5,tokens=60",
    "error-event": "+error_event=5,tokens=60",
    "garbage": "+garbage=5,tokens=60",
    "refused": "+status=400",
    "unprocessable": "+status=422",
    "locked": "+status=401",
    "limited": "+status=429,retry_after=1",
    "failing": "+status=500",
    "silent": "+silent",
    "filtered-prompt": "+content_filter=prompt",
    "filtered-answer": "+content_filter=answer",
    "too-long": "+context_length",
}
# Per million tokens, in dollars: odd on purpose, so that rounding shows.
PRICE = {"input": "2.5001", "output": "10.0007", "cached": "1.2503"}
EMBEDDING_PRICE = {"input": "0.0200001", "output": "0"}
TIMEOUTS = {"connect": 2000, "first_content": 8000, "idle": 5000, "attempt": 20000, "total": 25000}
# Of a second provider in each dialect, for models that keep nobody waiting for long; its total leaves
# no room for a repetition.
HASTY = {"connect": 500, "first_content": 300, "idle": 1000, "attempt": 600, "total": 700}
HASTY_MODELS = ("failing", "silent", "reset")


def provider(dialect, sim_url, **more):
    kind = PROVIDERS[dialect]
    entry = {"name": dialect, "kind": kind["kind"], "base_url": sim_url + kind["path"], "key": "env:SIM_KEY",
             "region": "eastus2", "timeouts_ms": TIMEOUTS}
    if "api" in kind:
        entry["api"] = kind["api"]
    return entry | more


def model(name, provider_name, deployment, price=None, **more):
    return {"name": name, "price_usd_per_mtok": price or PRICE,
            "deployments": [{"provider": provider_name, "deployment": deployment}], **more}


def standard_sections(sim_url):
    """A provider a dialect, and for each the models of CHAT and one for embeddings."""
    models = []
    for dialect in DIALECTS:
        models += [model(f"{dialect}.{name}", dialect + ("-hasty" if name in HASTY_MODELS else ""), "gpt-4o" + words)
                   for name, words in CHAT.items()]
        models.append(model(f"{dialect}.embed", dialect, "text-embedding-3-small", EMBEDDING_PRICE))
    hasty = [provider(name, sim_url, name=name + "-hasty", timeouts_ms=HASTY) for name in DIALECTS]
    return {"providers": [provider(name, sim_url) for name in DIALECTS] + hasty, "models": models,
            "routes": [{"models": ["openai.chat"]}],
            "fallbacks": [{"from": f"{dialect}.reset", "to": [f"{dialect}.chat"]} for dialect in DIALECTS]}


class KnownSim(Sim):
    def requests_with(self, mark):
        """Requests whose body holds the text, oldest first: `raw` as sent, `body` parsed."""
        found = []
        for request in self.requests(mark):
            if mark in request["body"]:
                found.append(request | {"raw": request["body"], "body": json.loads(request["body"])})
        return found

    def request_with(self, mark):
        found = self.requests_with(mark)
        return found[-1] if found else {}

    def was_left(self, mark):
        """Did the gateway end that call before its answer was complete?"""
        return self.request_with(mark).get("client_left", False)


@dataclass
class Tls:
    authority: Path
    certificate: Path
    key: Path


def make_tls(folder):
    """An authority, and a certificate of it for localhost and 127.0.0.1."""
    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True)

    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *new_key, "-days", "30", "-subj", "/CN=Test authority", "-keyout", "ca.key",
            "-out", "ca.pem", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    openssl("req", *new_key, "-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr")
    (folder / "extensions").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", "30", "-extfile", "extensions", "-out", "server.pem")
    return Tls(folder / "ca.pem", folder / "server.pem", folder / "server.key")


@pytest.fixture(scope="session")
def tls(tmp_path_factory):
    return make_tls(tmp_path_factory.mktemp("tls"))


def checked(faults):
    assert not faults, "\n".join(faults)


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
