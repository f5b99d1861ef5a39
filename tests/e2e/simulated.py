"""Providers, models and prices as tests configure them in front of the simulator, and what its journal
knows of a call. Needs nothing but Python's own library, so that scripts may use it, too."""
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from harness import Sim

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


def checked(faults):
    assert not faults, "\n".join(faults)
