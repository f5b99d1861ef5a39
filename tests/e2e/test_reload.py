"""SIGHUP: configuration and certificates change under a running server, and nobody notices but those who should."""
import http.client
import json
import signal
import socket
import ssl
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from conftest import HASTY, Tls, make_tls, model, provider
from harness import eventually, http_call, write_config


def sections(sim, /, **more):
    return {"providers": [provider("openai", sim.url)], "models": [model("m", "openai", "gpt-4o")],
            "routes": [{"models": ["m"]}], "fallbacks": [], **more}


def events(server, *names):
    return [line for line in server.logs() if line["event"] in names]


def hang_up(server):
    """SIGHUP, and the events of the reload that follows it."""
    seen = len(events(server, "reload", "reload_failed"))
    server.process.send_signal(signal.SIGHUP)
    assert eventually(lambda: len(events(server, "reload", "reload_failed")) > seen)
    return events(server, "reload", "reload_failed")[seen:]


def reload(server, /, **changes):
    """Rewrites sections of the file (None removes one; a map's entries are added) and hangs up."""
    for name, value in changes.items():
        if isinstance(value, dict):
            value = server.sections.get(name, {}) | value
        server.sections = {k: v for k, v in server.sections.items() if k != name}
        if value is not None:
            server.sections[name] = value
    write_config(server.config, server.sections)
    return hang_up(server)


def model_names(server):
    return [entry["id"] for entry in server.get("/v1/models").json["data"]]


def breaker_of(server, deployment):
    for entry in server.get("/health", key="").json["providers"]:
        for known in entry["deployments"]:
            if known["name"] == deployment:
                return known["state"]
    return None


# ---- the configuration ----

def test_a_new_model_answers_and_a_removed_one_is_gone(start_server, sim):
    server = start_server(sections(sim))
    assert server.chat("m").status == 200
    told = reload(server, models=[model("fresh", "openai", "gpt-4o-mini")], routes=[{"models": ["fresh"]}])
    assert [line["event"] for line in told] == ["reload"]
    assert told[0]["changed"] == "models, routes"
    assert model_names(server) == ["fresh"]
    assert server.chat("fresh").status == 200
    assert server.chat("auto").headers["x-huntaze-model"] == "fresh"
    assert server.chat("m").status == 404


def test_an_invalid_file_changes_nothing_and_each_error_is_told(start_server, sim):
    server = start_server(sections(sim))
    told = reload(server, models=[model("fresh", "nobody", "gpt-4o-mini")], retry={"budget": -1})
    assert {line["event"] for line in told} == {"reload_failed"}
    assert eventually(lambda: len(events(server, "reload_failed")) >= 2)
    errors = " / ".join(line["error"] for line in events(server, "reload_failed"))
    assert "retry.budget" in errors and "nobody" in errors, errors
    assert model_names(server) == ["m"] and server.chat("m").status == 200
    Path(server.config).write_text("models: [\n")
    assert hang_up(server)[0]["event"] == "reload_failed"
    Path(server.config).unlink()
    assert hang_up(server)[0]["event"] == "reload_failed"
    assert server.chat("m").status == 200
    told = reload(server, models=[model("m", "openai", "gpt-4o")], retry={"budget": 3})
    assert told[0]["event"] == "reload" and told[0]["changed"] == "retry.budget"


def test_a_reload_without_a_change_says_so(start_server, sim):
    server = start_server(sections(sim))
    assert hang_up(server)[0]["changed"] == "nothing"


def test_what_needs_a_restart_is_named_and_stays(start_server, sim):
    server = start_server(sections(sim))
    before = server.sections
    told = reload(server, server={"listen": "127.0.0.1:1", "region": "westeurope"},
                  store={"url": "sqlite:./data/other.db"})
    assert told[0]["changed"] == "server.region"
    for _ in range(2):
        warned = events(server, "reload_incomplete")[-1]
        assert warned["needs_restart"] == "server.listen, store.url"
        assert hang_up(server)[0]["changed"] == "nothing"
    assert server.chat("m").status == 200
    assert server.get("/health", key="").json["region"] == "westeurope"
    assert not (server.cwd / "data/other.db").exists()
    warnings = len(events(server, "reload_incomplete"))
    assert reload(server, server=before["server"], store=before["store"])[0]["changed"] == "server.region"
    assert len(events(server, "reload_incomplete")) == warnings


def test_a_stream_in_flight_ends_with_what_it_began_with(start_server, sim):
    server = start_server(sections(sim, models=[model("slow", "openai", "gpt-4o+tokens=60,tps=40")],
                                   routes=[{"models": ["slow"]}]))
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    body = {"model": "slow", "stream": True, "messages": [{"role": "user", "content": "Take your time."}]}
    connection.request("POST", "/v1/chat/completions", json.dumps(body),
                       {"Authorization": f"Bearer {server.key}", "Content-Type": "application/json"})
    answer = connection.getresponse()
    first = answer.readline()
    for i in range(3):
        reload(server, providers=[provider("openai", sim.url, name=f"other-{i}")],
               models=[model("fast", f"other-{i}", "gpt-4o")], routes=[{"models": ["fast"]}])
    text = first.decode() + answer.read().decode()
    assert text.rstrip().endswith("data: [DONE]")
    assert text.count('"content"') >= 60
    connection.request("GET", "/v1/models", headers={"Authorization": f"Bearer {server.key}"})
    assert [entry["id"] for entry in json.loads(connection.getresponse().read())["data"]] == ["fast"]
    connection.close()
    row = server.query("SELECT n.text AS provider, status, output_tokens FROM transfer t"
                       " JOIN name n ON n.id = t.provider ORDER BY t.id DESC LIMIT 1")[0]
    assert row["provider"] == "openai" and row["output_tokens"] == 60, row


def test_a_breaker_stays_open_over_a_reload_and_goes_with_its_deployment(start_server, sim):
    broken = model("broken", "openai", "gpt-4o+status=401")
    server = start_server(sections(sim, models=[model("m", "openai", "gpt-4o"), broken]))
    assert server.chat("broken").status == 502
    assert breaker_of(server, "gpt-4o+status=401") == "open"
    reload(server, models=[model("more", "openai", "gpt-4o-mini"), broken, model("m", "openai", "gpt-4o")])
    assert breaker_of(server, "gpt-4o+status=401") == "open"
    asked = len(sim.requests("Once more."))
    assert server.chat("broken", "Once more.").status >= 500
    assert len(sim.requests("Once more.")) == asked
    reload(server, models=[model("m", "openai", "gpt-4o")])
    assert breaker_of(server, "gpt-4o+status=401") is None
    assert not [line for line in server.get("/metrics", key="").body.decode().splitlines()
                if line.startswith("huntaze_breaker_state") and not line.endswith(" 0")]


def test_a_wait_after_a_429_goes_on_over_a_reload(start_server, sim):
    limited = model("limited", "openai", "gpt-4o+status=429,retry_after=30")
    server = start_server(sections(sim, models=[limited], routes=[{"models": ["limited"]}],
                                   providers=[provider("openai", sim.url, timeouts_ms=HASTY)]))
    assert server.chat("limited").status == 429
    reload(server, retry={"budget": 5})
    refused = server.chat("limited", "Still waiting?")
    assert refused.status == 429 and 0 < int(refused.headers["retry-after"]) <= 30
    assert not sim.requests("Still waiting?")


def test_limits_keys_and_the_log_change_at_once(start_server, sim, tmp_path):
    key = tmp_path / "provider.key"
    key.write_text("wrong")
    server = start_server(sections(sim, providers=[provider("openai", sim.url, key=f"file:{key}")]))
    assert server.chat("m").status == 502
    key.write_text("sim-key")
    told = reload(server, auth={"required": False}, server={"max_body_bytes": 2048}, breaker={"open_ms": 100},
                  log={"access": False})
    assert told[0]["changed"] == ("server.max_body_bytes, auth.required, breaker.open_ms, log.access, providers")
    assert eventually(lambda: server.post("/v1/chat/completions", key="", body={
        "model": "m", "messages": [{"role": "user", "content": "Who am I?"}]}).status == 200)
    assert server.chat("m", "x" * 3000).status == 413
    lines = len(events(server, "request"))
    server.get("/v1/models")
    hang_up(server)
    assert len(events(server, "request")) == lines


def test_the_simulator_inside_keeps_its_place(start_server):
    server = start_server({})
    for _ in range(2):
        assert server.chat("phi-4").headers["x-huntaze-simulated"] == "true"
        assert hang_up(server)[0]["changed"] == "nothing"
    assert server.chat("phi-4").status == 200


def test_nobody_fails_while_the_configuration_changes_again_and_again(start_server, sim):
    """Kept connections, whole and streaming, over models that come and go beside theirs."""
    server = start_server(sections(sim, server={"loops": 2}, log={"access": False}))
    stop, failures, served = threading.Event(), [], []

    def ask(is_stream):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        body = json.dumps({"model": "m", "stream": is_stream, "messages": [{"role": "user", "content": "Hi"}]})
        headers = {"Authorization": f"Bearer {server.key}", "Content-Type": "application/json"}
        while not stop.is_set():
            try:
                connection.request("POST", "/v1/chat/completions", body, headers)
                answer = connection.getresponse()
                text = answer.read()
                if answer.status != 200 or answer.will_close or (is_stream and b"[DONE]" not in text):
                    failures.append((answer.status, text[:300]))
                served.append(1)
            except OSError as error:
                failures.append(repr(error))
        connection.close()

    threads = [threading.Thread(target=ask, args=(i % 2 == 0,)) for i in range(12)]
    for thread in threads:
        thread.start()
    for i in range(30):
        beside = [model(f"beside-{i}-{j}", "openai", f"gpt-4o+tokens={j}") for j in range(1, 4)]
        assert reload(server, models=[model("m", "openai", "gpt-4o"), *beside])[0]["event"] == "reload"
    stop.set()
    for thread in threads:
        thread.join()
    assert not failures, failures[:3]
    assert len(served) > 12
    assert f"beside-29-1" in model_names(server)


# ---- certificates ----

def connect(server, tls, session=None, **files):
    """A TLS connection; `files`: the client's own certificate and key."""
    context = ssl.create_default_context(cafile=str(tls.authority))
    context.maximum_version = files.pop("version", ssl.TLSVersion.MAXIMUM_SUPPORTED)
    if files:
        context.load_cert_chain(files["certificate"], files["key"])
    raw = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    return session.context.wrap_socket(raw, server_hostname="localhost", session=session) if session else \
        context.wrap_socket(raw, server_hostname="localhost")


def ask_over(connection, path="/livez"):
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    answer.read()
    return answer.status


def shown(server, tls):
    with connect(server, tls) as s:
        return s.getpeercert()["serialNumber"]
