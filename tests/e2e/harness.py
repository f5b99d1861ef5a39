"""Starts `huntaze sim` and `huntaze serve` on free ports in a directory of their own, and ends them
the way an operator would: SIGTERM, exit code 0, a sound ledger, nothing on stderr from a sanitizer.
"""
import http.client
import importlib.util
import json
import os
import re
import signal
import socket
import sqlite3
import ssl
import subprocess
import time
from importlib.machinery import SourceFileLoader
from pathlib import Path
from urllib.parse import quote

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 30
STOP_SECONDS = 20
SANITIZER = re.compile(r"(ERROR: \w*Sanitizer|WARNING: \w*Sanitizer|runtime error:|HZ_ASSERT|assertion)", re.I)


def binary():
    path = os.environ.get("HUNTAZE_BIN")
    if path:
        return path
    found = sorted((ROOT / "build/release/src").glob("**/huntaze"))
    if not found:
        raise RuntimeError("no huntaze: run ./run once, or set HUNTAZE_BIN")
    return str(found[0])


def load_script(path):
    """A script, whose name has no .py, as a module: what it defines, not what it does."""
    loader = SourceFileLoader(Path(path).name, str(path))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def is_sanitized():
    return "asan" in binary()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def eventually(probe, seconds=10.0):
    """The first true value of probe(), asked again and again, or its last value at the end."""
    end = time.monotonic() + seconds
    while True:
        value = probe()
        if value or time.monotonic() >= end:
            return value
        time.sleep(0.002)


def environment(extra=None):
    keep = ("PATH", "HOME", "TMPDIR", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LD_LIBRARY_PATH")
    env = {name: os.environ[name] for name in keep if name in os.environ}
    env.update(extra or {})
    return env


def run(*args, cwd, env=None, timeout=60):
    """A command of huntaze to its end."""
    return subprocess.run([binary(), *map(str, args)], cwd=cwd, env=environment(env), text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout)


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        return self.json["error"]

    @property
    def text(self):
        """The first choice's text, of a whole answer or of a stream that ended well."""
        if not self.headers["content-type"].startswith("text/event-stream"):
            return self.json["choices"][0]["message"]["content"]
        events = [line[6:] for line in self.body.decode().split("\n") if line.startswith("data: ")]
        assert events[-1] == "[DONE]", events[-1]
        chunks = [json.loads(event) for event in events[:-1]]
        return "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks if chunk["choices"])

    def __repr__(self):
        return f"{self.status} {self.body[:400]!r}"


def http_call(port, method, path, body=None, headers=None, timeout=30, tls=None):
    """One request over a connection of its own; nothing is added that the test did not say."""
    if tls:
        # Without an authority: a test's own question to a server whose certificate is not valid.
        context = (ssl.create_default_context(cafile=str(tls.authority)) if tls.authority
                   else ssl._create_unverified_context())
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=timeout, context=context)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        names = {name.lower(): value for name, value in answer.getheaders()}
        return Reply(answer.status, names, answer.read())
    finally:
        connection.close()


class Program:
    """A long-running command of huntaze. `port` is where it answers once it is ready."""

    def __init__(self, name, args, cwd, port, ready_path, env=None):
        self.name, self.cwd, self.port = name, Path(cwd), port
        self.out_path = self.cwd / f"{name}.out"
        self.err_path = self.cwd / f"{name}.err"
        self.out, self.err = open(self.out_path, "ab"), open(self.err_path, "ab")
        self.started = time.monotonic()
        self.process = subprocess.Popen([binary(), *map(str, args)], cwd=cwd, env=environment(env),
                                        stdin=subprocess.DEVNULL, stdout=self.out, stderr=self.err)
        self._wait_ready(ready_path)

    def _answers(self, path):
        try:
            return http_call(self.port, "GET", path, timeout=5).status < 500
        except OSError:
            return False

    def _wait_ready(self, path):
        if not eventually(lambda: self.process.poll() is not None or self._accepts(), START_SECONDS):
            self.process.kill()
        elif path and self.process.poll() is None:
            eventually(lambda: self.process.poll() is not None or self._answers(path), START_SECONDS)
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.name} did not start ({self.process.returncode}):\n"
                               + self.stderr() + self.stdout()[-4000:])
        self.ready_seconds = time.monotonic() - self.started

    def _accepts(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            return True
        except OSError:
            return False

    def stdout(self):
        return self.out_path.read_text(errors="replace")

    def stderr(self):
        return self.err_path.read_text(errors="replace")

    def logs(self):
        return [json.loads(line) for line in self.stdout().splitlines() if line.startswith("{")]

    def stop(self, with_signal=signal.SIGTERM):
        """Ends it and returns its faults, one line each; none is what a test wants."""
        faults = []
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)
            code = self.process.wait()
            faults.append(f"{self.name} did not end within {STOP_SECONDS} s")
        self.out.close()
        self.err.close()
        if code != 0:
            faults.append(f"{self.name} ended with {code}:\n{self.stderr()[-4000:]}")
        elif SANITIZER.search(self.stderr()):
            faults.append(f"{self.name} has complaints:\n{self.stderr()[-8000:]}")
        return faults


def quoted(text):
    return json.dumps(text)  # a JSON string is a YAML string


def yaml_value(value):
    return json.dumps(value)  # flow style


def write_config(path, sections):
    """One line a list entry, so that messages about it name a line of their own."""
    lines = []
    for name, value in sections.items():
        if isinstance(value, list):
            lines.append(f"{name}:")
            lines += [f"  - {yaml_value(entry)}" for entry in value]
        else:
            lines.append(f"{name}: {yaml_value(value)}")
    Path(path).write_text("\n".join(lines) + "\n")
    return path


class Sim(Program):
    def __init__(self, cwd, key="sim-key", script=None, tls=None, name="sim"):
        port = free_port()
        args = ["sim", "--listen", f"127.0.0.1:{port}"]
        if tls:
            args += ["--tls-cert", tls.certificate, "--tls-key", tls.key]
        self.tls = tls
        if key:
            args += ["--key", key]
        if script:
            path = Path(cwd) / f"{name}-script.json"
            path.write_text(json.dumps(script))
            args += ["--script", path]
        self.key = key
        super().__init__(name, args, cwd, port, None)

    @property
    def url(self):
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def listed(self, path, holding):
        """The entries whose text holds something."""
        return http_call(self.port, "GET", f"{path}?holding={quote(holding)}", tls=self.tls).json

    def requests(self, holding=""):
        return self.listed("/sim/requests", holding)

    def invoice(self, holding=""):
        return self.listed("/sim/invoice", holding)


class Server(Program):
    """`huntaze serve` with a configuration and a key of scope chat."""

    def __init__(self, cwd, sections, env=None, scope="chat", name="serve", tls=None):
        self.cwd = Path(cwd)
        port = free_port()
        self.tls = tls
        # Busy as the machine of the tests may be, nobody is refused for it.
        server = {"listen": f"127.0.0.1:{port}", "region": "eastus2", "shed_delay_ms": 0}
        if tls:
            server |= {"tls_certificate": str(tls.certificate), "tls_key": str(tls.key)}
        sections = {"server": server | sections.get("server", {}),
                    "store": {"url": "sqlite:./data/huntaze.db"} | sections.get("store", {}),
                    **{k: v for k, v in sections.items() if k not in ("server", "store")}}
        self.sections = sections
        self.config = write_config(self.cwd / f"{name}.yaml", sections)
        self.env = {"SIM_KEY": "sim-key"} | (env or {})
        self.key = self.create_key(scope) if scope else ""
        super().__init__(name, ["serve", "--config", self.config], cwd, port,
                         None if tls else "/livez", self.env)

    def create_key(self, scope="chat", *more):
        made = run("keys", "create", "--config", self.config, "--scope", scope, "--quiet", *more,
                   cwd=self.cwd, env=self.env)
        assert made.returncode == 0, made.stderr + made.stdout
        return made.stdout.strip()

    @property
    def url(self):
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def base_url(self):
        return self.url + "/v1"

    def call(self, method, path, body=None, headers=None, key=None, timeout=30):
        given = {} if key == "" else {"Authorization": f"Bearer {key or self.key}"}
        if isinstance(body, (dict, list)):
            given["Content-Type"] = "application/json"
        return http_call(self.port, method, path, body, given | (headers or {}), timeout, self.tls)

    def post(self, path, body=None, **more):
        return self.call("POST", path, body, **more)

    def get(self, path, **more):
        return self.call("GET", path, **more)

    def chat(self, model, prompt="Say something.", headers=None, **fields):
        body = {"model": model, "messages": [{"role": "user", "content": prompt}], **fields}
        return self.post("/v1/chat/completions", body, headers=headers)

    def verify(self):
        return run("verify", "ledger", "--config", self.config, cwd=self.cwd, env=self.env)

    def database(self):
        return self.cwd / "data/huntaze.db"

    def query(self, sql, *values):
        with sqlite3.connect(f"file:{self.database()}?mode=ro", uri=True, timeout=20) as db:
            db.row_factory = sqlite3.Row
            rows = [dict(row) for row in db.execute(sql, values)]
        db.close()
        return rows

    def finish(self):
        """Stops and verifies; the list of faults."""
        faults = self.stop()
        verified = self.verify()
        if verified.returncode != 0:
            faults.append(f"verify ledger: {verified.returncode}\n{verified.stdout}{verified.stderr}")
        return faults
