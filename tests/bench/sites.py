"""The servers of a run: an origin, nginx as a proxy before it, and huntaze before it.

All speak the same bytes: one chat request with a body of about 1.5 KB, one answer of about 0.8 KB.
"""
import json
import os
import subprocess
from pathlib import Path

from rig import LOAD_CPU, PROXY_CPU, BenchError, Process, free_port

CHAT = "/v1/chat/completions"
EVENTS = 400
INTERVAL_MS = 50

PROMPT = ("You are a helpful assistant for a small business. Answer in two or three short sentences, "
          "name no prices, and ask one question back when the request is not clear. Be friendly and brief, "
          "as the owner of the shop would be, and never promise a day of delivery that nobody has confirmed. "
          "Sign each note with the name of the shop, and leave out what the customer already knows.")
TALK = ("Our shop sells hand made candles and soaps, and many customers ask whether a parcel that was "
        "sent on Monday will arrive before the weekend. Write a friendly note that we can send to them. ")


def chat_body(model, is_stream=False):
    body = {
        "model": model,
        "messages": [
            {"role": "system", "content": PROMPT},
            {"role": "user", "content": TALK * 2},
            {"role": "assistant", "content": "Of course. Which carrier do you use, and from where do you send?"},
            {"role": "user", "content": TALK * 2},
        ],
        "temperature": 0.7,
        "max_tokens": 256,
        "user": "customer-4711",
    }
    if is_stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return json.dumps(body)


def chat_answer():
    return json.dumps({
        "id": "chatcmpl-AbCdEfGhIjKlMnOpQrStUvWx",
        "object": "chat.completion",
        "created": 1760000000,
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": (
                "Thank you for your order! Your parcel left our workshop on Monday, and most parcels arrive "
                "within three working days, so it should be with you before the weekend. Would you like us "
                "to send you the tracking number?"), "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }],
        "usage": {
            "prompt_tokens": 221, "completion_tokens": 48, "total_tokens": 269,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0,
                                          "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0},
        },
        "service_tier": "default",
        "system_fingerprint": "fp_560af6e559",
    })


def request_bytes(body, key, path=CHAT):
    return (f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
            f"Content-Type: application/json\r\nAccept: application/json\r\nUser-Agent: OpenAI/Python 2.0.0\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}").encode()


NGINX = """
daemon off;
worker_processes 1;
worker_rlimit_nofile 65536;
pid {dir}/{name}.pid;
error_log {dir}/{name}.log warn;
events {{ worker_connections 32768; }}
http {{
  client_body_temp_path {dir}/{name}.body;
  proxy_temp_path {dir}/{name}.proxy;
  fastcgi_temp_path {dir}/{name}.fastcgi;
  uwsgi_temp_path {dir}/{name}.uwsgi;
  scgi_temp_path {dir}/{name}.scgi;
  default_type application/json;
  keepalive_timeout 600s;
  keepalive_requests 1000000000;
  ssl_certificate {dir}/tls.pem;
  ssl_certificate_key {dir}/tls.key;
  {http}
}}
"""

# access_log is as huntaze's log: one line a request, written at once.
PROXY_HTTP = """
  upstream chat {{ server 127.0.0.1:{origin}; {kept} }}
  upstream stream {{ server 127.0.0.1:{stream}; {kept} }}
  upstream stream_tls {{ server 127.0.0.1:{stream_tls}; {kept} }}
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_ssl_session_reuse on;
  access_log {dir}/proxy.access;
  server {{ listen 127.0.0.1:{chat_port} backlog=4096; location / {{ proxy_pass http://chat; }} }}
  server {{ listen 127.0.0.1:{silent_port} backlog=4096; access_log off; location / {{ proxy_pass http://chat; }} }}
  server {{ listen 127.0.0.1:{chat_tls_port} ssl backlog=4096; location / {{ proxy_pass http://chat; }} }}
  server {{ listen 127.0.0.1:{stream_port} backlog=4096; proxy_buffering off;
           location / {{ proxy_pass http://stream; }} }}
  server {{ listen 127.0.0.1:{stream_tls_port} ssl backlog=4096; proxy_buffering off;
           location / {{ proxy_pass https://stream_tls; }} }}
"""
KEPT = "keepalive 2048; keepalive_requests 1000000000; keepalive_timeout 600s;"

# Every request is served, however long it waits: what is refused early would make an average cheaper.
HUNTAZE = """
server: {{ listen: "127.0.0.1:{port}", loops: {loops}, keep_alive_ms: 600000, shed_delay_ms: 0{tls} }}
store: {{ url: "sqlite:{dir}/{name}.db" }}
ledger: {{ wait: {wait}, spool: "{dir}/{name}.spool", slots: "{dir}/{name}.slots" }}
providers:
  - {{ name: origin, kind: openai, base_url: "http://127.0.0.1:{origin}/v1", key: "env:BENCH_KEY" }}
  - {{ name: stream, kind: openai, base_url: "{stream}/v1", key: "env:BENCH_KEY" }}
models:
  - {{ name: gpt-4o-mini, deployments: [{{ provider: origin, deployment: gpt-4o-mini }}] }}
  - {{ name: gpt-4o, deployments: [{{ provider: stream, deployment: gpt-4o }}] }}
  - {{ name: o3, deployments: [{{ provider: origin, deployment: o3 }}] }}
routes:
  - {{ feature: insights, models: [gpt-4o] }}
  - {{ type: [math, coding], models: [o3] }}
  - {{ language: fr, models: [gpt-4o] }}
  - {{ tier: vip, models: [gpt-4o] }}
  - {{ models: [gpt-4o-mini] }}
"""


class Sites:
    """Starts servers when they are first asked for; stops all of them at the end."""

    def __init__(self, directory, program, tools):
        self.dir = Path(directory)
        self.program = program
        self.load = tools / "load"
        self.upstream = tools / "upstream"
        self.running = []
        self.cache = {}
        self.env = {"PATH": os.environ["PATH"], "HUNTAZE_ENV": "production", "BENCH_KEY": "sk-bench-upstream",
                    "SSL_CERT_FILE": str(self.dir / "tls.pem")}
        self.make_certificate()

    def make_certificate(self):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
             "-keyout", self.dir / "tls.key", "-out", self.dir / "tls.pem", "-days", "2", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
            check=True, capture_output=True)
        os.chmod(self.dir / "tls.key", 0o600)

    def start(self, process, port):
        self.running.append(process)
        return process.wait_port(port)

    def stop(self, process):
        process.stop()
        self.running.remove(process)

    def stop_all(self):
        while self.running:
            self.running.pop().stop()

    def once(self, name, make):
        if name not in self.cache:
            self.cache[name] = make()
        return self.cache[name]

    def nginx(self, name, http, port, cpu):
        path = self.dir / f"{name}.conf"
        path.write_text(NGINX.format(dir=self.dir, name=name, http=http))
        return self.start(Process(name, ["nginx", "-c", path, "-p", self.dir], self.dir, cpu), port)

    def origin(self):
        """nginx that answers each request with the same completion."""
        def make():
            port = free_port()
            answer = chat_answer()
            if "'" in answer or "$" in answer:
                raise BenchError("the answer does not fit into an nginx string")
            self.nginx("origin", f"access_log off; server {{ listen 127.0.0.1:{port} backlog=4096; "
                                 f"location / {{ return 200 '{answer}'; }} }}", port, LOAD_CPU)
            return port
        return self.once("origin", make)

    def stream_origin(self, is_tls=False):
        def make():
            port = free_port()
            tls = ["--certificate", "tls.pem", "--key", "tls.key"] if is_tls else []
            command = [self.upstream, "--events", EVENTS, "--interval-ms", INTERVAL_MS, "--seconds", 7200, *tls,
                       f"127.0.0.1:{port}"]
            self.start(Process(f"stream{is_tls:d}", command, self.dir, LOAD_CPU), port)
            return port
        return self.once(f"stream{is_tls}", make)

    def proxy(self, name="proxy", cpu=PROXY_CPU):
        """nginx before the origins: (process, ports by name)."""
        def make():
            names = ("chat", "silent", "chat_tls", "stream", "stream_tls")
            ports = {port: free_port() for port in names}
            http = PROXY_HTTP.format(
                dir=self.dir, kept=KEPT, origin=self.origin(), stream=self.stream_origin(),
                stream_tls=self.stream_origin(True), **{f"{port}_port": ports[port] for port in names})
            return self.nginx(name, http, ports["chat"], cpu), ports
        return self.once(name, make)

    def config(self, name, wait=True, loops=1, is_tls=False):
        port = free_port()
        stream = f"https://localhost:{self.stream_origin(True)}" if is_tls else \
                 f"http://127.0.0.1:{self.stream_origin()}"
        tls = f', tls_certificate: "{self.dir}/tls.pem", tls_key: "{self.dir}/tls.key"' if is_tls else ""
        path = self.dir / f"{name}.yaml"
        path.write_text(HUNTAZE.format(dir=self.dir, name=name, port=port, loops=loops, tls=tls,
                                       wait=str(wait).lower(), origin=self.origin(), stream=stream))
        return path, port

    def command(self, *words):
        done = subprocess.run([self.program, *words], cwd=self.dir, env=self.env, capture_output=True, text=True)
        if done.returncode:
            raise BenchError(f"huntaze {' '.join(map(str, words))}: {done.stderr or done.stdout}")
        return done.stdout.strip()

    def huntaze(self, name="huntaze", cpu=PROXY_CPU, **options):
        """(process, port, key)"""
        def make():
            path, port = self.config(name, **options)
            key = self.command("keys", "create", "--config", path, "--scope", "chat", "--quiet")
            process = Process(name, [self.program, "serve", "--config", path, "--quiet"], self.dir, cpu, self.env)
            return self.start(process, port), port, key
        return self.once(name, make)

    def request(self, key, model="auto", is_stream=False):
        """A file with one request."""
        def make():
            path = self.dir / f"request.{len(self.cache)}"
            path.write_bytes(request_bytes(chat_body(model, is_stream), key))
            return path
        return self.once(("request", key, model, is_stream), make)

    def forget(self, name):
        """Stops a huntaze or nginx of that name."""
        found = self.cache.pop(name)
        self.stop(found[0])
