"""Whatever comes in, the answer says what is wrong and what is allowed; nothing crashes."""
import json
import os
import socket
import stat

import pytest

import harness
from harness import eventually, free_port, run, write_config as write_sections
from simulated import model, provider, standard_sections

JSON = {"Content-Type": "application/json"}
USER = [{"role": "user", "content": "Hi."}]


@pytest.fixture
def transport():
    return "plain"


def is_openai_error(reply, status):
    assert reply.status == status, reply
    error = reply.error
    assert error["message"] and error["type"] and set(error) >= {"message", "type", "param", "code"}
    assert reply.headers["x-correlation-id"]
    assert reply.headers["content-type"].startswith("application/json")
    return error


BODIES = [
    ("not JSON", "{oops", None, "JSON"),
    ("nothing", "", None, ""),
    ("cut short", '{"model": "openai.chat", "messages": [', None, "JSON"),
    ("an array", "[1, 2]", None, "object"),
    ("text", '"hello"', None, "object"),
    ("bad UTF-8", b'{"model": "\xff\xfe", "messages": []}', None, "UTF-8"),
    ("nested too deep", "[" * 1000 + "]" * 1000, None, "deep"),
    ("model twice", '{"model": "openai.chat", "model": "x", "messages": []}', None, "same name"),
    ("model twice, escaped", '{"model": "openai.chat", "mod\\u0065l": "x", "messages": []}', None, "same name"),
    ("model a number", {"model": 7, "messages": USER}, "model", "string"),
    ("no messages", {"model": "openai.chat"}, "messages", "messages"),
    ("messages empty", {"model": "openai.chat", "messages": []}, "messages", "messages"),
    ("messages text", {"model": "openai.chat", "messages": "Hi."}, "messages", "array"),
    ("empty prompt", {"model": "openai.chat", "messages": [{"role": "user", "content": ""}]}, "messages", "empty"),
    ("stream a text", {"model": "openai.chat", "messages": USER, "stream": "yes"}, "stream", "boolean"),
    ("n zero", {"model": "openai.chat", "messages": USER, "n": 0}, "n", "n"),
    ("n a text", {"model": "openai.chat", "messages": USER, "n": "two"}, "n", "n"),
    ("max_tokens negative", {"model": "openai.chat", "messages": USER, "max_tokens": -1}, "max_tokens", "max_tokens"),
]


@pytest.mark.parametrize("body, param, word", [row[1:] for row in BODIES], ids=[row[0] for row in BODIES])
def test_bad_bodies_are_400_and_say_why(server, body, param, word):
    error = is_openai_error(server.post("/v1/chat/completions", body, headers=JSON), 400)
    assert word.lower() in error["message"].lower(), error
    if param:
        assert error["param"] == param


@pytest.mark.parametrize("body", [{"model": "openai.embed"}, {"model": "openai.embed", "input": []},
                                  {"model": "openai.embed", "input": ""}, {"model": "openai.embed", "input": {}}])
def test_bad_embedding_input_is_400(server, body):
    assert is_openai_error(server.post("/v1/embeddings", body), 400)["param"] == "input"


ROUTE = [
    ("empty prompt", {"prompt": ""}, "prompt", "prompt"),
    ("no prompt", {}, "prompt", "prompt"),
    ("prompt a number", {"prompt": 3}, "prompt", "prompt"),
    ("unknown type", {"prompt": "Hi.", "type_hint": "song"}, "type_hint", "chat, math, coding, creative"),
    ("unknown tier", {"prompt": "Hi.", "client_tier": "gold"}, "client_tier", "standard, vip"),
]


@pytest.mark.parametrize("body, param, word", [row[1:] for row in ROUTE], ids=[row[0] for row in ROUTE])
def test_bad_route_requests_are_400_and_list_what_is_allowed(server, body, param, word):
    reply = server.post("/route", body)
    assert reply.status == 400, reply
    assert word in reply.error["message"] and reply.error["param"] == param, reply
    assert reply.error["correlation_id"] == reply.headers["x-correlation-id"]


def test_an_unknown_type_in_the_header_is_refused_too(server):
    reply = server.chat("auto", headers={"X-Huntaze-Type": "song"})
    assert reply.status == 400 and "chat, math, coding, creative" in reply.error["message"], reply


def test_an_unknown_model_is_404(server):
    error = is_openai_error(server.chat("gpt-17"), 404)
    assert error["code"] == "model_not_found" and "gpt-17" in error["message"]


def test_chat_with_an_embedding_model_is_refused(server):
    assert server.chat("openai.embed").status in (400, 404)
    assert server.post("/v1/embeddings", {"model": "openai.chat", "input": "x"}).status in (400, 404)


def test_an_unknown_route_is_404(server):
    for path in ("/", "/v2/chat", "/v1/chat", "/v1/chat/completions/", "/v1//models", "/../etc/passwd", "/%2e%2e/x"):
        is_openai_error(server.get(path), 404)


@pytest.mark.parametrize("method, path, allowed", [
    ("GET", "/v1/chat/completions", "POST"), ("DELETE", "/v1/embeddings", "POST"), ("POST", "/v1/models", "GET, HEAD"),
    ("PUT", "/route", "POST"), ("POST", "/health", "GET, HEAD"), ("OPTIONS", "/metrics", "GET, HEAD")])
def test_a_wrong_method_is_405_and_names_the_right_one(server, method, path, allowed):
    reply = server.call(method, path)
    is_openai_error(reply, 405)
    assert reply.headers["allow"] == allowed


def test_without_a_key_no_body_is_read(server):
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nX-Correlation-ID: no-key\r\nContent-Length: 8000000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as s:
        s.sendall(head)  # and nothing of the body
        answer = b""
        while chunk := s.recv(65536):
            answer += chunk
    assert answer.startswith(b"HTTP/1.1 401 Unauthorized\r\n") and b"\r\nConnection: close\r\n" in answer
    assert b'"code":"missing_api_key"' in answer

    def logged():
        return [(line["event"], line["status"]) for line in server.logs() if line.get("correlation_id") == "no-key"]

    assert eventually(logged) == [("request", 401)]  # it may come after the answer


def test_a_missing_and_a_wrong_key_are_401(server):
    assert is_openai_error(server.get("/v1/models", key=""), 401)["code"] == "missing_api_key"
    well_formed = server.create_key()
    forged = well_formed[:-1] + ("a" if well_formed[-1] != "a" else "b")
    for key in ("x", "hz_live_", forged, well_formed.upper(), "a" * 5000):
        error = is_openai_error(server.get("/v1/models", key=key), 401)
        assert error["code"] == "invalid_api_key"
        assert key not in error["message"] or len(key) < 3
    for value in ("Basic abc", "Bearer", "Bearer  ", well_formed + " x"):
        assert server.get("/v1/models", key="", headers={"Authorization": value}).status == 401


def test_both_ways_of_sending_a_key_work(server):
    assert server.get("/v1/models", key="", headers={"api-key": server.key}).status == 200
    assert server.get("/v1/models", key="", headers={"authorization": f"bearer {server.key}"}).status == 200


@pytest.mark.parametrize("names", [("Authorization", "Authorization"), ("Authorization", "api-key"), ("api-key", "Authorization"),
                                   ("api-key", "x-api-key"), ("api-key", "api-key")], ids=" ".join)
@pytest.mark.parametrize("keys", ["own other", "other own"])
def test_two_keys_leave_no_choice_and_are_400(server, names, keys):
    values = {"own": server.key, "other": "hz_live_other"}
    lines = [f"{name}: {'Bearer ' if name == 'Authorization' else ''}{values[key]}" for name, key in zip(names, keys.split())]
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as s:
        s.sendall("\r\n".join(["GET /v1/models HTTP/1.1", "Host: h", "Connection: close", *lines, "", ""]).encode())
        answer = s.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 400 ") and b"invalid_request" in answer
    assert server.key.encode() not in answer


def test_the_same_key_twice_is_one_key(server):
    headers = {"Authorization": f"Bearer {server.key}", "api-key": server.key}
    assert server.get("/v1/models", key="", headers=headers).status == 200
    assert server.get("/v1/models", key="", headers=headers | {"Authorization": "Basic abc"}).status == 200


def test_a_revoked_key_is_refused_soon(server):
    key = server.create_key()
    assert server.get("/v1/models", key=key).status == 200
    listed = run("keys", "list", "--config", server.config, cwd=server.cwd, env=server.env)
    assert listed.returncode == 0 and key not in listed.stdout
    identity = key[len("hz_live_"):][:8]
    assert identity in listed.stdout
    assert run("keys", "revoke", identity, "--config", server.config, cwd=server.cwd, env=server.env).returncode == 0
    assert harness.eventually(lambda: server.get("/v1/models", key=key).status == 401)


def test_a_body_that_is_too_large_is_413_before_it_is_read(server):
    limit = 8388608
    reply = server.post("/v1/chat/completions", b"{" + b" " * limit + b"}", headers=JSON)
    error = is_openai_error(reply, 413)
    assert str(limit) in error["message"]
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as s:
        s.sendall(f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.key}\r\n"
                  f"Content-Length: {10**12}\r\n\r\n".encode())
        assert s.recv(100).startswith(b"HTTP/1.1 413 ")


def test_headers_that_are_too_large_are_431(server):
    is_openai_error(server.get("/v1/models", headers={"X-Long": "a" * 20000}), 431)
    is_openai_error(server.get("/v1/models", headers={f"X-{i}": "a" for i in range(200)}), 431)


def test_a_target_that_is_too_long_is_414(server):
    is_openai_error(server.get("/v1/models/" + "a" * 10000), 414)


RAW = [
    ("garbage", b"\x00\x01\x02\r\n\r\n", 400),
    ("no version", b"GET /livez\r\n\r\n", 400),
    ("two lengths", b"POST /route HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400),
    ("length and chunks", b"POST /route HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}", 400),
    ("negative length", b"POST /route HTTP/1.1\r\nHost: x\r\nContent-Length: -2\r\n\r\n", 400),
    ("bare line feeds", b"GET /livez HTTP/1.1\nHost: x\n\n", 400),
    ("folded header", b"GET /livez HTTP/1.1\r\nHost: x\r\n  y\r\n\r\n", 400),
    ("space before the colon", b"GET /livez HTTP/1.1\r\nHost : x\r\n\r\n", 400),
    ("no host", b"GET /livez HTTP/1.1\r\n\r\n", 400),
    ("two hosts", b"GET /livez HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
    ("gzip coding", b"POST /route HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
]


@pytest.mark.parametrize("text, status", [row[1:] for row in RAW], ids=[row[0] for row in RAW])
def test_malformed_http_is_answered_and_closed(server, text, status):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as s:
        s.sendall(text)
        answer = b""
        while chunk := s.recv(4096):
            answer += chunk
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer
    assert b"connection: close" in answer.lower()
    json.loads(answer.split(b"\r\n\r\n", 1)[1])


def test_a_chunked_body_is_read_like_any_other(server):
    body = json.dumps({"model": "openai.chat", "messages": USER}).encode()
    pieces = b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + 7]), body[i:i + 7]) for i in range(0, len(body), 7))
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as s:
        s.sendall(f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.key}\r\n"
                  "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n".encode() + pieces + b"0\r\n\r\n")
        answer = b""
        while chunk := s.recv(65536):
            answer += chunk
    assert answer.startswith(b"HTTP/1.1 200 "), answer


# ---- what the operator gets wrong ----

def write_config(path, sections):
    """On a free port, if the test names none."""
    server = {"listen": f"127.0.0.1:{free_port()}"} | sections.get("server", {})
    return write_sections(path, {"server": server} | {k: v for k, v in sections.items() if k != "server"})


def config_of(sim, **change):
    return {"providers": [provider("openai", sim.url)],
            "models": [model("m", "openai", "gpt-4o")], "routes": [{"models": ["m"]}], "fallbacks": [], **change}


WRONG = [
    ("a port that is none", {"server": {"listen": "127.0.0.1:99999"}}, ["server.listen"]),
    ("an unknown key", {"server": {"listne": "127.0.0.1:8080"}}, ["listne", "listen"]),
    ("a word that is not allowed", {"routes": [{"tier": "gold", "models": ["m"]}]}, ["standard, vip"]),
    ("a type that is not allowed", {"routes": [{"type": "song", "models": ["m"]}]}, ["chat, math, coding, creative"]),
    ("a model that is not declared", {"routes": [{"models": ["nobody"]}]}, ["nobody"]),
    ("a provider that is not declared", {"models": [model("m", "nowhere", "x")]}, ["nowhere"]),
    ("a negative price", {"models": [model("m", "openai", "gpt-4o", {"input": "-1", "output": "1"})]}, ["input"]),
    ("a number that is text", {"server": {"loops": "many"}}, ["loops"]),
    ("a key in the file itself", {"providers": [{"name": "openai", "kind": "openai", "key": "sk-oops"}]}, ["env:"]),
    ("a kind that is not there", {"providers": [{"name": "openai", "kind": "oracle"}]}, ["azure-foundry"]),
]


@pytest.mark.parametrize("change, words", [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_a_bad_configuration_is_named_with_file_and_line(tmp_path, sim, change, words):
    sections = config_of(sim, **change)
    path = write_config(tmp_path / "huntaze.yaml", sections)
    for command in (["config", "check"], ["serve"]):
        ended = run(*command, "--config", path, cwd=tmp_path, env={"SIM_KEY": "k"})
        said = ended.stdout + ended.stderr
        assert ended.returncode in (1, 2), said
        assert "huntaze.yaml:" in said and all(word in said for word in words), said


def test_all_errors_of_a_configuration_come_at_once(tmp_path, sim):
    path = write_config(tmp_path / "huntaze.yaml", config_of(sim, server={"loops": "many", "keep_alive_ms": -1},
                                                             routes=[{"models": ["nobody"]}]))
    ended = run("config", "check", "--config", path, cwd=tmp_path, env={"SIM_KEY": "k"})
    said = ended.stdout + ended.stderr
    assert all(word in said for word in ("loops", "keep_alive_ms", "nobody")), said


def test_configurations_that_are_no_yaml_or_not_there(tmp_path):
    (tmp_path / "broken.yaml").write_text("server: [unclosed\n")
    ended = run("config", "check", "--config", "broken.yaml", cwd=tmp_path)
    assert ended.returncode in (1, 2) and "broken.yaml:" in ended.stdout + ended.stderr
    ended = run("serve", "--config", "absent.yaml", cwd=tmp_path)
    assert ended.returncode in (1, 2) and "absent.yaml" in ended.stdout + ended.stderr


def test_a_secret_that_is_missing_is_named_and_never_shown(tmp_path, sim):
    path = write_config(tmp_path / "huntaze.yaml", config_of(sim))
    ended = run("config", "check", "--config", path, cwd=tmp_path)
    assert ended.returncode in (1, 2) and "SIM_KEY" in ended.stdout + ended.stderr
    ended = run("config", "check", "--print", "--config", path, cwd=tmp_path, env={"SIM_KEY": "very-secret-key"})
    assert ended.returncode == 0 and "very-secret-key" not in ended.stdout + ended.stderr


def test_a_good_configuration_passes_the_check(tmp_path, sim):
    path = write_config(tmp_path / "huntaze.yaml", standard_sections(sim.url))
    ended = run("config", "check", "--config", path, cwd=tmp_path, env={"SIM_KEY": "k"})
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_a_model_without_a_price_is_warned_of_and_refused(start_server, sim):
    nameless = {"name": "m", "deployments": [{"provider": "openai", "deployment": "gpt-unheard-of"}]}
    server = start_server(config_of(sim, models=[nameless]))
    assert any("price" in line.get("warning", "") for line in server.logs())
    reply = server.chat("m")
    assert reply.status == 400 and "price" in reply.error["message"], reply


def test_two_servers_never_share_one_embedded_database(start_server, sim):
    """The second one would take the calls in flight of the first for the leavings of a crash."""
    import threading
    first = start_server(config_of(sim, models=[model("m", "openai", "gpt-4o+delay=1500")]))
    thread = threading.Thread(target=first.chat, args=("m", "in flight"))
    thread.start()
    assert harness.eventually(lambda: sim.request_with("in flight"))
    second = write_config(first.cwd / "second.yaml", first.sections | {"server": {}})
    try:
        ended = run("serve", "--config", second, cwd=first.cwd, env=first.env, timeout=20)
        said = ended.stdout + ended.stderr
        assert ended.returncode == 1 and "in use" in said, said
    finally:
        thread.join()
    assert first.query("SELECT count(*) AS n FROM transfer WHERE status = 6") == [{"n": 0}]


def test_a_port_in_use_is_a_clear_error(tmp_path, server, sim):
    path = write_config(tmp_path / "huntaze.yaml", config_of(sim, server={"listen": f"127.0.0.1:{server.port}"}))
    ended = run("serve", "--config", path, cwd=tmp_path, env={"SIM_KEY": "k"})
    said = ended.stdout + ended.stderr
    assert ended.returncode == 1 and str(server.port) in said and "in use" in said, said


def test_a_database_that_cannot_be_written_is_a_clear_error(tmp_path, sim):
    (tmp_path / "file").write_text("not a directory")
    path = write_config(tmp_path / "huntaze.yaml", config_of(sim, store={"url": "sqlite:./file/huntaze.db"}))
    ended = run("serve", "--config", path, cwd=tmp_path, env={"SIM_KEY": "k"})
    assert ended.returncode == 1 and "huntaze.db" in ended.stdout + ended.stderr, ended.stdout + ended.stderr


def test_a_read_only_database_is_a_clear_error(tmp_path, sim):
    if os.geteuid() == 0:
        pytest.skip("root may write everything")
    path = write_config(tmp_path / "huntaze.yaml", config_of(sim))
    (tmp_path / "data").mkdir()
    (tmp_path / "data").chmod(stat.S_IRUSR | stat.S_IXUSR)
    ended = run("serve", "--config", path, cwd=tmp_path, env={"SIM_KEY": "k"})
    assert ended.returncode == 1 and "huntaze.db" in ended.stdout + ended.stderr


def test_a_foreign_or_damaged_database_is_refused(tmp_path, sim):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/huntaze.db").write_bytes(b"this is no database, but long enough to look into " * 100)
    path = write_config(tmp_path / "huntaze.yaml", config_of(sim))
    ended = run("serve", "--config", path, cwd=tmp_path, env={"SIM_KEY": "k"})
    assert ended.returncode == 1 and "huntaze.db" in ended.stdout + ended.stderr, ended.stdout + ended.stderr


@pytest.mark.parametrize("arguments", [[], ["dance"], ["serve", "--dance"], ["serve", "--port", "x"], ["keys"],
                                       ["keys", "create", "--scope", "everything"], ["verify"], ["config"]])
def test_wrong_commands_say_how_they_are_used(tmp_path, arguments):
    ended = run(*arguments, cwd=tmp_path)
    said = ended.stdout + ended.stderr
    assert ended.returncode in (1, 2), (ended.returncode, said)
    assert "huntaze" in said or "allowed" in said, said


def test_help_and_version(tmp_path):
    ended = run("--help", cwd=tmp_path)
    assert ended.returncode == 0
    for command in ("serve", "sim", "keys", "config", "providers", "verify"):
        assert command in ended.stdout
    ended = run("--version", cwd=tmp_path)
    assert ended.returncode == 0 and ended.stdout.strip()
