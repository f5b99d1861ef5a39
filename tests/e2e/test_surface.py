"""Health, readiness, metrics, logs, correlation: what operators and their tools look at."""
import json
import signal
import subprocess
import threading
import time
import uuid

import pytest
from prometheus_client.parser import text_string_to_metric_families

import harness
from harness import free_port, http_call
from simulated import DIALECTS, HASTY, model, provider, standard_sections


@pytest.fixture
def transport():
    return "plain"


def metrics(server):
    reply = server.get("/metrics", key="")
    assert reply.status == 200 and reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {family.name: family for family in text_string_to_metric_families(reply.body.decode())}


def sample(server, name, **labels):
    """The sum of the samples of that name whose labels include the given ones."""
    return sum(s.value for family in metrics(server).values() for s in family.samples
               if s.name == name and labels.items() <= s.labels.items())


def test_health_says_healthy_with_the_region(server):
    reply = server.get("/health", key="")
    assert reply.status == 200
    health = reply.json
    assert health["status"] == "healthy" and health["region"] == "eastus2"
    assert health["version"] and health["uptime_s"] >= 0
    assert {provider["name"] for provider in health["providers"]} >= {"openai", "azure-openai"}


def test_health_does_not_wait_for_providers(start_server, sim, measured):
    """All providers hang or are away; /health answers at once."""
    server = start_server({
        "providers": [provider("openai", sim.url), provider("openai", f"http://127.0.0.1:{free_port()}", name="away",
                                                              timeouts_ms=HASTY)],
        "models": [model("hangs", "openai", "gpt-4o+silent"), model("away", "away", "gpt-4o")],
        "routes": [{"models": ["hangs"]}], "fallbacks": []})
    server.chat("away", "Anybody?", {"X-Correlation-ID": "away"})
    began = time.monotonic()
    assert server.get("/health", key="").status == 200
    measured("/health while providers are away", time.monotonic() - began, 1.0)


def test_livez_and_readyz(server):
    assert server.get("/livez", key="").status == 200
    assert server.get("/readyz", key="").status == 200


def test_metrics_parse_and_count(server):
    before = sample(server, "huntaze_ledger_rows_total")
    tokens = sample(server, "huntaze_tokens_total")
    cost = sample(server, "huntaze_cost_nusd_total")
    assert server.chat("openai.chat", "Count this.").status == 200
    assert sample(server, "huntaze_ledger_rows_total") >= before + 1
    assert sample(server, "huntaze_tokens_total") > tokens
    assert sample(server, "huntaze_cost_nusd_total") > cost
    families = metrics(server)
    assert families["huntaze_http_request_seconds"].type == "histogram"
    assert sample(server, "huntaze_start_time_seconds") == pytest.approx(time.time(), abs=24 * 3600)
    assert sample(server, "huntaze_calls_in_flight") == 0


def test_refused_requests_are_counted_too(server):
    before = sample(server, "huntaze_http_requests_total", status="401")
    server.get("/v1/models", key="wrong")
    assert sample(server, "huntaze_http_requests_total", status="401") == before + 1


def test_histograms_add_up(server):
    server.chat("openai.chat", "One more.")
    for family in metrics(server).values():
        if family.type != "histogram":
            continue
        series = {}
        for s in family.samples:
            labels = tuple(sorted((k, v) for k, v in s.labels.items() if k != "le"))
            series.setdefault(labels, {}).setdefault(s.name.rsplit("_", 1)[1], []).append((s.labels.get("le"), s.value))
        for labels, parts in series.items():
            buckets = [value for _, value in parts["bucket"]]
            assert buckets == sorted(buckets), (family.name, labels)
            assert parts["bucket"][-1][0] == "+Inf" and buckets[-1] == parts["count"][0][1], (family.name, labels)


def lines_of(server, correlation):
    def find():
        return [line for line in server.logs() if line.get("correlation_id") == correlation]
    return harness.eventually(find) or []


def test_each_answer_has_a_correlation_id_and_one_log_line(server):
    reply = server.chat("openai.chat", "A line, please.")
    correlation = reply.headers["x-correlation-id"]
    lines = [line for line in lines_of(server, correlation) if line.get("status")]
    assert len(lines) == 1, lines
    line = lines[0]
    assert line["client"] == "127.0.0.1"
    for field in ("time", "level", "event", "account", "tier", "model", "provider", "deployment", "status",
                  "latency_us", "tokens_in", "tokens_out", "cost_usd"):
        assert field in line, (field, line)
    assert line["status"] == 200 and line["model"] == "openai.chat" and line["account"] == "default"
    assert line["cost_usd"] > 0


def test_a_given_correlation_id_is_kept_everywhere(server, sim):
    correlation = f"trace-{uuid.uuid4()}"
    reply = server.chat("openai.chat", correlation, {"X-Correlation-ID": correlation})
    assert reply.headers["x-correlation-id"] == correlation
    assert lines_of(server, correlation)
    assert server.query("SELECT 1 FROM transfer WHERE correlation_id = ?", correlation)


def test_traceparent_is_taken_as_correlation(server):
    trace = uuid.uuid4().hex
    reply = server.get("/v1/models", headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
    assert reply.headers["x-correlation-id"] == trace


@pytest.mark.parametrize("form, is_valid", [
    ("00-{trace}-00f067aa0ba902b7-01", True), ("cc-{trace}-00f067aa0ba902b7-01-what-the-future-holds", True),
    ("00-{zeros}-00f067aa0ba902b7-01", False), ("00-{trace}-0000000000000000-01", False),
    ("ff-{trace}-00f067aa0ba902b7-01", False), ("00-{upper}-00f067aa0ba902b7-01", False),
    ("00-{trace}-00f067aa0ba902b7-01-more", False), ("00-{trace}-00f067aa0ba902b7", False),
    ("0-{trace}-00f067aa0ba902b7-01", False), ("00-{trace}g-00f067aa0ba902b7-01", False), ("00-{trace}", False)])
def test_a_traceparent_that_is_invalid_is_ignored(server, form, is_valid):
    trace = "abcdef" + uuid.uuid4().hex[6:]
    value = form.format(trace=trace, upper=trace.upper(), zeros="0" * 32)
    given = server.get("/v1/models", headers={"traceparent": value}).headers["x-correlation-id"]
    assert (given == trace) == is_valid and given.lower() not in ("0" * 32, "" if is_valid else trace)


@pytest.mark.parametrize("value", ["a" * 1000, "sp ace", "quo\"te", "", "ünicode".encode().decode("latin-1"), "semi;colon<x>"])
def test_a_correlation_id_that_is_unfit_is_replaced(server, value):
    reply = server.get("/v1/models", headers={"X-Correlation-ID": value})
    assert reply.status == 200
    given = reply.headers["x-correlation-id"]
    assert given and len(given) <= 128 and all(c.isalnum() or c in "-_.:/+=" for c in given), given


def test_rejected_requests_are_logged_too(server):
    for reply in (server.get("/v1/models", key="wrong"), server.get("/nowhere"), server.chat("no-such-model"),
                  server.post("/v1/chat/completions", "{oops", headers={"Content-Type": "application/json"})):
        lines = [line for line in lines_of(server, reply.headers["x-correlation-id"]) if line.get("status")]
        assert [line["status"] for line in lines] == [reply.status]


def test_the_first_line_tells_what_was_started(server):
    started = [line for line in server.logs() if line.get("version")]
    assert len(started) == 1, started
    line = started[0]
    assert line["region"] == "eastus2" and "sqlite" in json.dumps(line["store"])
    assert line["loops"] >= 1 and "providers" in line


def test_every_log_line_is_json_and_no_secret_ever_stands_there(server):
    mark = uuid.uuid4().hex
    secrets = [f"prompt{mark}", f"system{mark}", f"user{mark}"]
    bodies = [
        {"model": "openai.chat", "user": f"user{mark}", "messages": [
            {"role": "system", "content": f"system{mark}"}, {"role": "user", "content": f"prompt{mark}"}]},
        {"model": "openai.refused", "messages": [{"role": "user", "content": f"prompt{mark}"}]},
        {"model": "openai.cut", "stream": True, "messages": [{"role": "user", "content": f"prompt{mark}"}]},
        {"model": "openai.chat", "messages": f"prompt{mark}"},
    ]
    answers = [server.post("/v1/chat/completions", body) for body in bodies]
    server.post("/v1/chat/completions", f'{{"prompt{mark}": ', headers={"Content-Type": "application/json"})
    server.post("/route", {"prompt": f"prompt{mark}"})
    server.get("/v1/models", key=f"hz_live_{mark}")
    assert lines_of(server, answers[-1].headers["x-correlation-id"])
    text = server.stdout() + server.stderr()
    for secret in [*secrets, f"hz_live_{mark}", server.key, "sim-key", "Simulated answer"]:
        assert secret not in text, secret
    for line in server.stdout().splitlines():
        json.loads(line)


def test_keys_are_not_stored(server):
    assert server.key.encode() not in server.database().read_bytes()


def test_head_and_options_do_no_harm(server):
    assert server.call("HEAD", "/health", key="").status in (200, 405)
    assert server.call("OPTIONS", "/v1/models").status in (200, 204, 405)


def test_a_kept_connection_serves_many_requests(server):
    import http.client
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    for _ in range(20):
        connection.request("GET", "/v1/models", headers={"Authorization": f"Bearer {server.key}"})
        answer = connection.getresponse()
        assert answer.status == 200 and answer.read()
    connection.close()


def test_without_required_keys_everybody_may_come_in_and_the_log_says_so(start_server, sim):
    server = start_server({**standard_sections(sim.url), "auth": {"required": False}})
    assert http_call(server.port, "GET", "/v1/models").status == 200
    assert any("auth" in json.dumps(line) and line["level"] == "warn" for line in server.logs()), server.stdout()


def test_the_products_router_key_is_accepted(start_server, sim):
    server = start_server(standard_sections(sim.url), env={"AI_ROUTER_API_KEY": "the-products-own-key"})
    assert server.chat("openai.chat").status == 200
    assert server.post("/route", {"prompt": "Hi."}, key="the-products-own-key").status == 200
    assert server.post("/route", {"prompt": "Hi."}, key="another-key-entirely").status == 401


def test_without_a_configuration_the_simulator_answers_and_says_so(tmp_path):
    """What ./run gives on a fresh machine: a key in data/admin.key, `auto`, embeddings."""
    port = free_port()
    program = harness.Program("bare", ["serve", "--port", port], tmp_path, port, "/livez")
    key = (tmp_path / "data/admin.key").read_text().strip()
    assert (tmp_path / "data/admin.key").stat().st_mode & 0o777 == 0o600
    bearer = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    chat = http_call(port, "POST", "/v1/chat/completions",
                     {"model": "auto", "messages": [{"role": "user", "content": "Hi."}]}, bearer)
    assert chat.status == 200 and chat.json["simulated"] is True, chat
    vector = http_call(port, "POST", "/v1/embeddings", {"model": "text-embedding-3-small", "input": "Hi."}, bearer)
    assert vector.status == 200 and len(vector.json["data"][0]["embedding"]) == 1536
    names = {m["id"] for m in http_call(port, "GET", "/v1/models", headers=bearer).json["data"]}
    assert {"deepseek-r1", "mistral-large", "llama-3.3-70b", "phi-4", "gpt-4o", "gpt-4o-mini"} <= names
    said = program.stderr()
    assert f"http://127.0.0.1:{port}" in said and key in said
    pasted = said[said.index("curl "):said.index("Ctrl-C")]
    curl = subprocess.run(["bash", "-c", pasted], capture_output=True, text=True, timeout=30)
    assert json.loads(curl.stdout)["choices"][0]["message"]["content"], (pasted, curl)
    began = time.monotonic()
    assert program.stop(signal.SIGINT) == []
    assert time.monotonic() - began < 5


def test_requests_in_flight_end_well_when_it_is_told_to_stop(start_server, sim):
    """SIGTERM during a call: the answer still arrives whole, and its row is there."""
    sections = {"providers": [provider("openai", sim.url)],
                "models": [model("slowly", "openai", "gpt-4o+delay=700")], "routes": [{"models": ["slowly"]}],
                "fallbacks": []}
    server = start_server(sections)
    mark = f"stop-{uuid.uuid4()}"
    replies = []
    thread = threading.Thread(target=lambda: replies.append(server.chat("slowly", mark, {"X-Correlation-ID": mark})))
    thread.start()
    assert harness.eventually(lambda: sim.request_with(mark))
    server.process.send_signal(signal.SIGTERM)
    thread.join(20)
    assert replies and replies[0].status == 200, replies
    assert len(server.query("SELECT * FROM transfer WHERE correlation_id = ?", mark)) == 1


def test_providers_test_prints_a_table_of_what_came_back(tmp_path, sim):
    models = [model(f"{name}-good", name, "gpt-4o") for name in DIALECTS] + \
        [model("locked", "openai", "gpt-4o+status=401"), model("embed", "openai", "text-embedding-3-small")]
    path = harness.write_config(tmp_path / "huntaze.yaml", {
        "providers": [provider(name, sim.url) for name in DIALECTS], "models": models,
        "routes": [{"models": ["locked"]}], "fallbacks": []})
    ended = harness.run("providers", "test", "--config", path, cwd=tmp_path, env={"SIM_KEY": "sim-key"})
    lines = {name: next((line for line in ended.stdout.splitlines() if name in line and "gpt-4o" in line), "")
             for name in DIALECTS}
    assert all("200" in line for line in lines.values()), ended.stdout + ended.stderr
    assert "401" in ended.stdout and "Access was denied" in ended.stdout + ended.stderr
    assert ended.returncode == 1, "one of them failed"
    assert "sim-key" not in ended.stdout + ended.stderr
