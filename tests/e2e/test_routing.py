"""`auto` and /route: which model is chosen, and what happens when the chosen one fails."""
import uuid

import pytest

from harness import free_port
from simulated import model, provider

# As the default table of the product, over models of the simulator; `first` leads plain chat.
ROUTES = [
    {"feature": "insights", "models": ["mistral"]},
    {"type": ["math", "coding"], "models": ["deepseek"]},
    {"language": "fr", "models": ["mistral"]},
    {"type": "creative", "models": ["mistral"]},
    {"tier": "vip", "models": ["llama"]},
    {"models": ["dear", "phi"], "choose": "cheapest"},
]
CHEAP, DEAR = {"input": "0.1", "output": "0.2"}, {"input": "5", "output": "9"}


@pytest.fixture(scope="module")
def router(tmp_path_factory, sim):
    from harness import Server
    from simulated import checked
    entry = lambda name, deployment, price=DEAR: model(name, "foundry-v1", deployment, price)
    running = Server(tmp_path_factory.mktemp("router"), {
        "providers": [provider("foundry-v1", sim.url)],
        "models": [entry("mistral", "Mistral-Large-3"), entry("deepseek", "DeepSeek-R1"),
                   entry("llama", "Llama-3.3-70B-Instruct"), entry("phi", "Phi-4", CHEAP),
                   entry("dear", "gpt-4o")],
        "routes": ROUTES, "fallbacks": []})
    yield running
    checked(running.finish())


def route(server, prompt="Tell me something.", headers=None, **fields):
    reply = server.post("/route", {"prompt": prompt, **fields}, headers=headers)
    assert reply.status == 200, reply
    return reply.json


CHOICES = [
    ("plain chat goes to the cheapest", {}, {}, "phi"),
    ("type math", {"type_hint": "math"}, {}, "deepseek"),
    ("type coding", {"type_hint": "coding"}, {}, "deepseek"),
    ("type creative", {"type_hint": "creative"}, {}, "mistral"),
    ("language by hint", {"language_hint": "fr"}, {}, "mistral"),
    ("tier vip", {"client_tier": "vip", "type_hint": "chat"}, {}, "llama"),
    ("tier standard", {"client_tier": "standard", "type_hint": "chat"}, {}, "phi"),
    ("type comes before tier", {"client_tier": "vip", "type_hint": "math"}, {}, "deepseek"),
    ("feature comes before type", {"type_hint": "math"}, {"X-Huntaze-Feature": "insights"}, "mistral"),
]


@pytest.mark.parametrize("fields, headers, expected", [row[1:] for row in CHOICES], ids=[row[0] for row in CHOICES])
def test_route_picks_by_the_table(router, fields, headers, expected):
    assert route(router, headers=headers, **fields)["model"] == expected


AUTO = [({"X-Huntaze-Type": "math"}, "deepseek"), ({"X-Huntaze-Language": "fr"}, "mistral"),
        ({"X-Huntaze-Feature": "insights"}, "mistral"), ({"X-Huntaze-Type": "chat"}, "phi")]


@pytest.mark.parametrize("headers, expected", AUTO)
def test_auto_reads_the_headers(router, sim, headers, expected):
    mark = f"auto-{uuid.uuid4()}"
    reply = router.chat("auto", mark, headers)
    assert reply.status == 200, reply
    served = {"deepseek": "DeepSeek-R1", "mistral": "Mistral-Large-3", "phi": "Phi-4"}[expected]
    assert sim.request_with(mark)["body"]["model"] == served


CLASSIFIED = [
    ("Solve the equation x + 7 = 12 for x, please.", "math", "en", "deepseek"),
    ("What is 17 * 23?", "math", None, "deepseek"),
    ("Why does this python function not compile?\n```\ndef f(:\n```", "coding", None, "deepseek"),
    ("Write a poem about the sea.", "creative", None, "mistral"),
    ("Bonjour, je voudrais savoir comment vous allez avec cette chaleur dans la ville.", "chat", "fr", "mistral"),
    ("How was the day for you?", "chat", "en", "phi"),
]


@pytest.mark.parametrize("prompt, type_, language, expected", CLASSIFIED)
def test_without_hints_the_classifier_decides_and_says_so(router, prompt, type_, language, expected):
    answer = route(router, prompt)
    assert (answer["model"], answer["type"]) == (expected, type_)
    if language:
        assert answer["language"] == language


def test_route_answers_flat_with_everything_a_caller_may_ask(router):
    answer = route(router, type_hint="chat", headers={"X-Correlation-ID": "flat-1"})
    assert answer["output"] and answer["correlation_id"] == "flat-1"
    assert (answer["deployment"], answer["provider"], answer["region"]) == ("Phi-4", "foundry-v1", answer["region"])
    assert answer["usage"]["prompt_tokens"] > 0 and answer["usage"]["completion_tokens"] > 0
    assert answer["cost_usd"] > 0 and answer["latency_ms"] >= 0
    assert answer["fallback_used"] is False and not answer["fallback_reason"]


def test_an_explicit_model_pins_it(router, sim):
    mark = f"pinned-{uuid.uuid4()}"
    assert router.chat("llama", mark, {"X-Huntaze-Type": "math"}).status == 200
    assert sim.request_with(mark)["body"]["model"] == "Llama-3.3-70B-Instruct"


def test_a_vip_account_needs_no_header(router):
    key = router.create_key("chat", "--account", "gold", "--tier", "vip")
    reply = router.post("/route", {"prompt": "Hello there.", "type_hint": "chat"}, key=key)
    assert reply.status == 200 and reply.json["model"] == "llama", reply


# ---- when the first choice fails ----

FAILING = {"reset": "+reset", "500": "+status=500", "503": "+status=503", "429": "+status=429,retry_after=30",
           "silent": "+silent", "empty": "+empty", "html": "+html", "error-in-200": "+error_200",
           "locked": "+status=401", "retired": "+status=404", "refusing": "+status=400",
           "filtered": "+content_filter=prompt"}
FAST = {"connect": 300, "first_content": 400, "idle": 2000, "attempt": 500, "total": 8000}


@pytest.fixture(scope="module")
def failing(tmp_path_factory, sim):
    from harness import Server
    from simulated import checked
    models = [model(name, "openai", "gpt-4o" + words) for name, words in FAILING.items()]
    models += [model("nobody-there", "closed", "gpt-4o"), model("good", "foundry-v1", "gpt-4o")]
    running = Server(tmp_path_factory.mktemp("failing"), {
        "providers": [provider("openai", sim.url, timeouts_ms=FAST),
                      provider("openai", "http://127.0.0.1:%d" % free_port(), name="closed", timeouts_ms=FAST),
                      provider("foundry-v1", sim.url, timeouts_ms=FAST | {"attempt": 5000})],
        "models": models, "routes": [{"models": ["good"]}], "fallbacks": [{"from": "*", "to": ["good"]}]})
    yield running
    checked(running.finish())


FALLS_OVER = ["nobody-there", "reset", "500", "503", "429", "silent", "empty", "html", "error-in-200", "locked", "retired"]


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("name", FALLS_OVER)
def test_the_next_deployment_answers(failing, name, is_stream):
    correlation = f"over-{uuid.uuid4()}"
    reply = failing.chat(name, "Carry on.", {"X-Correlation-ID": correlation}, stream=is_stream)
    assert reply.status == 200, reply
    assert reply.text.startswith("Simulated answer to: Carry on.")
    assert reply.headers["x-huntaze-fallback-reason"].startswith(("openai/", "closed/"))
    assert reply.headers["x-huntaze-provider"] == "foundry-v1"
    assert reply.headers["x-huntaze-region"]
    rows = failing.query("SELECT * FROM transfer WHERE correlation_id = ? ORDER BY attempt", correlation)
    assert [row["is_fallback"] for row in rows][-1] == 1
    assert rows[-1]["status"] == 1 and rows[-1]["amount_nusd"] > 0
    assert sum(row["amount_nusd"] for row in rows[:-1]) == 0 or name == "silent"


@pytest.mark.parametrize("name, code", [("refusing", "invalid_value"), ("filtered", "content_policy_violation")])
def test_a_request_that_the_provider_refuses_goes_nowhere_else(failing, name, code):
    correlation = f"stay-{uuid.uuid4()}"
    reply = failing.chat(name, "No, thanks.", {"X-Correlation-ID": correlation})
    assert (reply.status, reply.error["code"]) == (400, code), reply
    assert len(failing.query("SELECT * FROM transfer WHERE correlation_id = ?", correlation)) == 1


def test_a_rate_limited_deployment_is_left_alone_meanwhile(failing, sim):
    failing.chat("429", "First.")
    mark = f"limited-{uuid.uuid4()}"
    assert failing.chat("429", mark).status == 200
    asked = [request["body"]["model"] for request in sim.requests_with(mark)]
    assert asked == ["gpt-4o"], "it was asked again before its time"


def test_with_fallback_disabled_the_error_names_provider_and_reason(start_server, sim):
    server = start_server({
        "providers": [provider("openai", sim.url, timeouts_ms=FAST | {"total": 2000}), provider("foundry-v1", sim.url)],
        "models": [model("bad", "openai", "gpt-4o+silent"), model("good", "foundry-v1", "gpt-4o")],
        "routes": [{"models": ["bad"]}], "fallbacks": [{"from": "*", "to": ["good"]}],
        "fallback": {"enabled": False}})
    reply = server.chat("bad", "Alone.")
    assert reply.status == 504, reply
    assert "openai" in reply.error["message"]


def test_the_product_switch_disables_fallback_too(start_server, sim):
    server = start_server({
        "providers": [provider("openai", sim.url, timeouts_ms=FAST | {"total": 2000}), provider("foundry-v1", sim.url)],
        "models": [model("bad", "openai", "gpt-4o+silent"), model("good", "foundry-v1", "gpt-4o")],
        "routes": [{"models": ["bad"]}], "fallbacks": [{"from": "*", "to": ["good"]}]},
        env={"AI_FALLBACK_ENABLED": "false"})
    assert server.chat("bad", "Alone.").status == 504


def test_when_nothing_is_left_the_answer_names_all_that_were_tried(start_server, sim):
    server = start_server({
        "providers": [provider("openai", sim.url, timeouts_ms=FAST), provider("foundry-v1", sim.url, timeouts_ms=FAST)],
        "models": [model("one", "openai", "gpt-4o+silent"), model("other", "foundry-v1", "gpt-4o+silent")],
        "routes": [{"models": ["one"]}], "fallbacks": [{"from": "one", "to": ["other"]}]})
    reply = server.chat("one", "Anybody?")
    assert reply.status == 504, reply
    assert "openai" in reply.error["message"] and "foundry-v1" in reply.error["message"]
    assert reply.headers["x-should-retry"] == "false"


def test_all_limited_is_429_with_the_shortest_wait(start_server, sim):
    server = start_server({
        "providers": [provider("openai", sim.url), provider("foundry-v1", sim.url)],
        "models": [model("one", "openai", "gpt-4o+status=429,retry_after=20"),
                   model("other", "foundry-v1", "gpt-4o+status=429,retry_after=40")],
        "routes": [{"models": ["one"]}], "fallbacks": [{"from": "one", "to": ["other"]}]})
    for _ in range(2):  # learnt from the providers, then known
        reply = server.chat("one", "Now?")
        assert reply.status == 429, reply
        assert 1 <= float(reply.headers["retry-after"]) <= 20


def test_a_deployment_of_weight_zero_stands_in_only_when_others_fail(start_server, sim):
    entry = {"name": "m", "price_usd_per_mtok": DEAR, "deployments": [
        {"provider": "foundry-v1", "deployment": "gpt-4o+tokens=3", "weight": 0},
        {"provider": "openai", "deployment": "gpt-4o"}]}
    server = start_server({"providers": [provider("openai", sim.url), provider("foundry-v1", sim.url)],
                           "models": [entry], "routes": [{"models": ["m"]}], "fallbacks": []})
    assert {server.chat("m").headers["x-huntaze-provider"] for _ in range(20)} == {"openai"}


def test_an_only_deployment_that_breaks_once_is_tried_again(start_server, start_sim):
    """The script fails the first call and lets later ones pass; without a second deployment the
    same one is asked again after a second."""
    flaky = start_sim(script=[{"match": {"model": "flaky", "nth": 1}, "do": "reset"}])
    server = start_server({
        "providers": [provider("openai", flaky.url)], "models": [model("flaky", "openai", "flaky")],
        "routes": [{"models": ["flaky"]}], "fallbacks": []})
    reply = server.chat("flaky", "Twice.")
    assert reply.status == 200, reply
