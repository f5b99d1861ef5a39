"""SIGHUP: configuration and certificates change under a running server, and nobody notices but those who should."""
import http.client
import json
import signal
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest

from harness import Server, eventually, write_config
from simulated import HASTY, Tls, checked, make_tls, model, provider


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


class Stream:
    """A stream that has begun."""

    def __init__(self, server, name):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        body = {"model": name, "stream": True, "messages": [{"role": "user", "content": "Take your time."}]}
        self.connection.request("POST", "/v1/chat/completions", json.dumps(body),
                                {"Authorization": f"Bearer {server.key}", "Content-Type": "application/json"})
        self.answer = self.connection.getresponse()
        self.first = self.answer.readline()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def rest(self):
        text = (self.first + self.answer.read()).decode()
        assert text.rstrip().endswith("data: [DONE]"), text[-300:]
        return text


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
    with Stream(server, "slow") as stream:
        for i in range(3):
            reload(server, providers=[provider("openai", sim.url, name=f"other-{i}")],
                   models=[model("fast", f"other-{i}", "gpt-4o")], routes=[{"models": ["fast"]}])
        assert stream.rest().count('"content"') >= 60
        stream.connection.request("GET", "/v1/models", headers={"Authorization": f"Bearer {server.key}"})
        listed = json.loads(stream.connection.getresponse().read())["data"]
        assert [entry["id"] for entry in listed] == ["fast"]
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


RELOADS, RENEWALS = 30, 10


class Load:
    """Clients that keep their connections, every other one streaming, and one that always connects anew."""

    def __init__(self, server, tls=None):
        self.server, self.context = server, ssl.create_default_context(cafile=str(tls.authority)) if tls else None
        self.stop, self.failures, self.served = threading.Event(), [], 0
        self.threads = [threading.Thread(target=self.ask, args=(i % 2 == 0, i > 0)) for i in range(12)]

    def connect(self):
        if self.context:
            return http.client.HTTPSConnection("localhost", self.server.port, timeout=30, context=self.context)
        return http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)

    def ask(self, is_stream, keeps):
        connection = self.connect()
        body = json.dumps({"model": "m", "stream": is_stream, "messages": [{"role": "user", "content": "Hi"}]})
        headers = {"Authorization": f"Bearer {self.server.key}", "Content-Type": "application/json"}
        while not self.stop.is_set():
            try:
                connection.request("POST", "/v1/chat/completions", body, headers)
                answer = connection.getresponse()
                text = answer.read()
                if answer.status != 200 or answer.will_close or (is_stream and b"[DONE]" not in text):
                    self.failures.append((answer.status, text[:300]))
                self.served += 1
            except OSError as error:
                self.failures.append(repr(error))
            if not keeps:
                connection.close()
        connection.close()

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()
        assert not self.failures, self.failures[:3]
        assert self.served > len(self.threads)


def test_nobody_fails_while_the_configuration_changes_again_and_again(start_server, sim):
    server = start_server(sections(sim, server={"loops": 2}, log={"access": False}))
    with Load(server):
        for i in range(RELOADS):
            beside = [model(f"beside-{i}-{j}", "openai", f"gpt-4o+tokens={j}") for j in range(1, 4)]
            told = reload(server, models=[model("m", "openai", "gpt-4o"), *beside])
            assert [line["changed"] for line in told] == ["models"]
    assert f"beside-{RELOADS - 1}-1" in model_names(server)


def test_nobody_fails_while_the_certificate_changes_again_and_again(start_server, sim, own_tls):
    server = start_server(sections(sim, server={"loops": 2}, log={"access": False}), tls=own_tls)
    with Load(server, own_tls):
        for i in range(RENEWALS):
            renew(own_tls, f"number-{i}")
            assert [line["changed"] for line in hang_up(server)] == ["the certificate"]
    assert shown(server, own_tls) == f"number-{RENEWALS - 1}"


def test_a_process_that_stops_takes_nothing_new(start_server, sim):
    server = start_server(sections(sim, models=[model("slow", "openai", "gpt-4o+tokens=20,tps=40")],
                                   routes=[{"models": ["slow"]}]))
    with Stream(server, "slow") as stream:
        server.process.send_signal(signal.SIGTERM)
        assert eventually(lambda: events(server, "stop"))
        told = reload(server, models=[model("fast", "openai", "gpt-4o")], routes=[{"models": ["fast"]}])
        assert [line.get("error") for line in told] == ["this process is about to end"]
        assert stream.rest().count('"content"') >= 20


def test_a_reload_and_a_stop_at_once_do_no_harm(start_server, sim):
    server = start_server(sections(sim, server={"loops": 2}))
    server.process.send_signal(signal.SIGHUP)
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(20) == 0


# ---- certificates ----

@pytest.fixture
def own_tls(tmp_path):
    """Certificates that a test may replace."""
    folder = tmp_path / "certificates"
    folder.mkdir()
    return make_tls(folder)


def renew(tls, name="localhost", key=True):
    """Another certificate in the place of the server's, with a key of its own unless told otherwise."""
    folder = tls.certificate.parent
    made = issue(folder, "renewed", "DNS:localhost,IP:127.0.0.1", name=name)
    made.certificate.replace(tls.certificate)
    if key:
        made.key.replace(tls.key)


def connect(server, tls, session=None, version=None, shows=None):
    """A TLS connection; `shows`: the client's own certificate."""
    context = session[0] if session else ssl.create_default_context(cafile=str(tls.authority))
    if version:
        context.minimum_version = context.maximum_version = version
    if shows:
        context.load_cert_chain(shows.certificate, shows.key)
    raw = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    try:
        return context.wrap_socket(raw, server_hostname="localhost", session=session and session[1])
    except OSError:
        raw.close()
        raise


def ask_over(connection):
    connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
    answer = http.client.HTTPResponse(connection)
    answer.begin()
    answer.read()
    return answer.status


def shown(server, tls):
    with connect(server, tls) as s:
        assert ask_over(s) == 200
        return dict(pair[0] for pair in s.getpeercert()["subject"])["commonName"]


def test_a_renewed_certificate_is_shown_and_open_connections_go_on(start_server, sim, own_tls):
    server = start_server(sections(sim), tls=own_tls)
    with connect(server, own_tls) as kept:
        assert ask_over(kept) == 200 and shown(server, own_tls) == "localhost"
        renew(own_tls, "renewed")
        assert hang_up(server)[0]["changed"] == "the certificate"
        assert shown(server, own_tls) == "renewed"
        assert ask_over(kept) == 200
        assert hang_up(server)[0]["changed"] == "nothing"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_of_before_is_resumed(start_server, sim, own_tls, version):
    server = start_server(sections(sim), tls=own_tls)
    with connect(server, own_tls, version=version) as first:
        assert ask_over(first) == 200
        session = (first.context, first.session)
    renew(own_tls)
    hang_up(server)
    with connect(server, own_tls, session) as second:
        assert ask_over(second) == 200 and second.session_reused


def test_a_certificate_that_does_not_fit_its_key_changes_nothing(start_server, sim, own_tls):
    server = start_server(sections(sim), tls=own_tls)
    renew(own_tls, "stranger", key=False)
    told = reload(server, models=[model("fresh", "openai", "gpt-4o")], routes=[{"models": ["fresh"]}])
    assert told[0]["event"] == "reload_failed" and "key" in told[0]["error"]
    assert shown(server, own_tls) == "localhost" and model_names(server) == ["m"]
    own_tls.certificate.write_text("no certificate")
    assert hang_up(server)[0]["event"] == "reload_failed"
    assert shown(server, own_tls) == "localhost"


def test_tls_is_turned_on_and_off_while_connections_stay(start_server, sim, own_tls):
    server = start_server(sections(sim))
    plain = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    plain.connect()
    assert ask_over(plain.sock) == 200
    reload(server, server={"tls_certificate": str(own_tls.certificate), "tls_key": str(own_tls.key)})
    with connect(server, own_tls) as secure:
        assert ask_over(secure) == 200 and ask_over(plain.sock) == 200
        reload(server, server={"tls_certificate": "", "tls_key": ""})
        assert server.get("/livez", key="").status == 200
        assert ask_over(secure) == 200 and ask_over(plain.sock) == 200
    plain.close()


# ---- mutual TLS ----

ID = "spiffe://example.org/creator/backend"


def issue(folder, file, names, name="client", by="ca", days="30", extensions=""):
    """A certificate of an authority in the folder, made by openssl."""
    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True)

    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}",
            "-keyout", f"{file}.key", "-out", f"{file}.csr")
    (folder / f"{file}.ext").write_text((f"subjectAltName={names}\n" if names else "") + extensions)
    openssl("x509", "-req", "-in", f"{file}.csr", "-CA", f"{by}.pem", "-CAkey", f"{by}.key", "-CAcreateserial",
            "-days", days, "-extfile", f"{file}.ext", "-out", f"{file}.pem")
    return Tls(folder / f"{by}.pem", folder / f"{file}.pem", folder / f"{file}.key")


CLIENTS = {
    # name: (names of the certificate, how it is made, why it is refused: None when it is not)
    "listed": (f"URI:{ID}", {}, None),
    "listed-beside-a-host": (f"DNS:backend,URI:{ID}", {}, None),
    "another": ("URI:spiffe://example.org/creator/other", {}, "/creator/other' is not on the list"),
    "a-longer-path": (f"URI:{ID}/more", {}, "is not on the list"),
    "another-domain": ("URI:spiffe://example.com/creator/backend", {}, "is not on the list"),
    "a-host-of-that-name": (f"DNS:example.org,URI:{ID.replace('spiffe', 'https')}", {}, "is not on the list"),
    "two-ids": (f"URI:{ID},URI:spiffe://example.org/other", {}, "exactly one URI"),
    "no-id": ("DNS:backend", {}, "exactly one URI"),
    "no-names": ("", {}, "exactly one URI"),
    "expired": (f"URI:{ID}", {"days": "-1"}, "certificate has expired"),
    "another-authority": (f"URI:{ID}", {"by": "foreign"}, "unable to get local issuer certificate"),
    "an-authority": (f"URI:{ID}", {"extensions": "basicConstraints=critical,CA:TRUE\n"}, "one of an authority"),
    "a-signer": (f"URI:{ID}", {"extensions": "keyUsage=critical,digitalSignature,keyCertSign\n"},
                 "one of an authority"),
    "for-servers": (f"URI:{ID}", {"extensions": "extendedKeyUsage=serverAuth\n"}, "unsuitable certificate purpose"),
}


@pytest.fixture(scope="module")
def clients(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clients")
    make_tls(folder)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "30", "-subj", "/CN=Test authority", "-keyout", "foreign.key", "-out", "foreign.pem"],
                   cwd=folder, check=True, capture_output=True)
    made = {name: issue(folder, name, names, **how) for name, (names, how, _) in CLIENTS.items()}
    return made | {"authority": folder / "ca.pem", "none": None}


@pytest.fixture(scope="module")
def mutual_server(tmp_path_factory, sim, tls, clients):
    listed = ["spiffe://example.org/first", ID]
    running = Server(tmp_path_factory.mktemp("mutual"), tls=tls, scope=None, sections=sections(sim, server={
        "tls_client_ca": str(clients["authority"]), "tls_client_ids": listed}))
    yield running
    checked(running.finish())


def is_let_in(server, tls, shows, version=None):
    """With TLS 1.3 a client learns of its refusal only when it reads."""
    try:
        with connect(server, tls, version=version, shows=shows) as s:
            return ask_over(s) == 200
    except (OSError, http.client.HTTPException):
        return False


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("name", CLIENTS)
def test_only_a_client_with_a_listed_id_is_let_in(mutual_server, tls, clients, name, version):
    why = CLIENTS[name][2]
    seen = len(events(mutual_server, "client_refused"))
    assert is_let_in(mutual_server, tls, clients[name], version) == (why is None)
    if why:
        assert eventually(lambda: len(events(mutual_server, "client_refused")) > seen)
        refused = events(mutual_server, "client_refused")[seen]
        assert why in refused["reason"], refused
        assert refused["peer"].startswith("127.0.0.1:")


def test_a_client_without_a_certificate_is_refused(mutual_server, tls):
    seen = len(events(mutual_server, "client_refused"))
    assert not is_let_in(mutual_server, tls, None)
    assert eventually(lambda: len(events(mutual_server, "client_refused")) > seen)
    assert "did not return a certificate" in events(mutual_server, "client_refused")[seen]["reason"]


def test_a_client_that_is_let_in_is_not_resumed(mutual_server, tls, clients):
    """A session would outlive the certificate, and the list."""
    with connect(mutual_server, tls, version=ssl.TLSVersion.TLSv1_2, shows=clients["listed"]) as first:
        assert ask_over(first) == 200
        session = (first.context, first.session)
    with connect(mutual_server, tls, session) as second:
        assert ask_over(second) == 200 and not second.session_reused


def test_the_list_of_clients_changes_with_a_reload(start_server, sim, tls, clients):
    server = start_server(sections(sim), tls=tls)
    assert is_let_in(server, tls, None)
    with connect(server, tls) as kept:
        assert ask_over(kept) == 200
        reload(server, server={"tls_client_ca": str(clients["authority"]), "tls_client_ids": ID})
        assert not is_let_in(server, tls, None) and not is_let_in(server, tls, clients["another"])
        assert is_let_in(server, tls, clients["listed"])
        told = reload(server, server={"tls_client_ids": ["spiffe://example.org/creator/other"]})
        assert told[0]["changed"] == "server.tls_client_ids"
        assert is_let_in(server, tls, clients["another"]) and not is_let_in(server, tls, clients["listed"])
        told = reload(server, server={"tls_client_ids": ["https://example.org/x"]})
        assert told[0]["event"] == "reload_failed" and "SPIFFE id" in told[0]["error"]
        assert is_let_in(server, tls, clients["another"])
        reload(server, server={"tls_client_ids": []})
        assert is_let_in(server, tls, clients["no-id"]) and not is_let_in(server, tls, clients["another-authority"])
        assert not is_let_in(server, tls, None)
        assert ask_over(kept) == 200
