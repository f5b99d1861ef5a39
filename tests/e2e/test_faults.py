"""What callers, providers and the ledger see when a provider misbehaves: a scenario for each way.

Each fault has a model of its own with a deployment of its own, so that what one scenario teaches the
server about a deployment says nothing to another. `over-` models fall over to a healthy one; `alone-`
models have nobody else, and the time of calls to `deadline-` models ends: these run side by side, because they wait
for repetitions and limits."""
import json
import math
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace

import pytest

pytest.register_assert_rewrite("seen", "faults")

from faults import (BOTH, BREAKS, FAULTS, STREAM, WHOLE, Models, assert_another_answered, assert_another_went_on,
                    assert_broken_stream, assert_clean_error, assert_cut_off_stream, assert_out_of_time, assert_resumed,
                    assert_stays_broken, first_only, suffix)
from harness import Server, eventually, http_call
from money import cost_nusd, tokens_of_messages
from seen import (BROKEN, CONTENT_FILTER, FAILED, GOOD, OK, UNKNOWN, ask, assert_answered_row, assert_complete,
                  assert_failed_row, assert_failures_logged, billed_to, breaker_changes, breaker_gauge, breaker_of,
                  log_of, metric, models_asked, rows_of, set_script)
from simulated import PRICE, KnownSim, Tls, checked, make_tls, model, provider

# A deployment that answers is never cut off by these, however busy the machine is.
PATIENT = {"connect": 10000, "first_content": 15000, "idle": 15000, "attempt": 20000, "total": 25000}
# Stands for the 8, 20 and 60 seconds of the defaults.
HASTY = PATIENT | {"connect": 400, "first_content": 400, "idle": 400, "attempt": 400}
# Room for one repetition after a second, not for the next after two more.
ONE_REPEAT = 2000
SLACK_SECONDS = 8
# A request whose time would be over with the first limit, or with the second.
ALL_OF_IT = {"connect": 4000, "first_content": 4000, "idle": 4000, "attempt": 4000, "total": 4000}
HALF_OF_IT = ALL_OF_IT | {"connect": 2000, "first_content": 2000, "attempt": 2000}
DRIP = "tokens=200,tps=10"

CASES = [pytest.param(fault, mode, id=f"{fault.name}-{'stream' if mode else 'whole'}")
         for fault in FAULTS for mode in fault.modes]
(SILENT,) = [fault for fault in FAULTS if fault.name == "silent"]


# ---- the world ----

def expired_tls(folder):
    """As make_tls, but the server's certificate ended years ago."""
    made = make_tls(folder)
    (folder / "index").write_text("")
    (folder / "ca.conf").write_text(
        "[ca]\ndefault_ca=own\n[own]\ndatabase=index\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\n"
        "policy=any\nrand_serial=yes\n[any]\ncommonName=supplied\n")
    subprocess.run(["openssl", "ca", "-batch", "-config", "ca.conf", "-cert", "ca.pem", "-keyfile", "ca.key",
                    "-in", "server.csr", "-out", "expired.pem", "-notext", "-extfile", "extensions",
                    "-startdate", "20200101000000Z", "-enddate", "20200201000000Z"],
                   cwd=folder, check=True, capture_output=True)
    return Tls(made.authority, folder / "expired.pem", made.key)


SCRIPT = [rule for mode in BOTH for rule in (
    first_only(f"over-500-once{suffix(mode)}", "status=500"),
    first_only(f"alone-500-once{suffix(mode)}", "status=500"),
    first_only(f"over-429-once{suffix(mode)}", "status=429,retry_after=2"),
    {"match": {"model": f"over-key{suffix(mode)}", "nth": [2, None]}, "do": "status=401"})]
SCRIPT.append(first_only("resume-alone", "cut=40"))


def add_providers(models, expired):
    models.add_provider("expired", PATIENT, expired.url, ca_file=str(expired.tls.authority))
    models.add_provider("unresolved", HASTY, "http://provider.invalid")


def add_models(models):
    for fault in FAULTS:
        for mode in fault.modes:
            models.add(f"over-{fault.name}{suffix(mode)}", fault.words, fault.by, ["good"])
            models.add_alone(f"alone-{fault.name}{suffix(mode)}", fault.words, fault.by, ONE_REPEAT)
    for mode in BOTH:
        for name in ("429-once", "500-once", "key"):
            models.add(f"over-{name}{suffix(mode)}", "tokens=60", to=["good"])
        models.add_alone(f"alone-500-once{suffix(mode)}", "tokens=60", "patient", 20000)
        models.add_alone(f"alone-503-long{suffix(mode)}", "status=503", "patient", 20000)
        models.add(f"counted{suffix(mode)}", "status=503", to=["good"])
        models.add(f"deadline-healthy{suffix(mode)}", "silent", "all", ["good"])
        models.add(f"deadline-silent{suffix(mode)}", "silent", "half", [f"also-silent{suffix(mode)}"])
        models.add(f"also-silent{suffix(mode)}", "silent")
        models.add(f"late-in-time{suffix(mode)}", "stall=0,stall_ms=300,tokens=60", to=["good"])
        models.add(f"filter-prompt{suffix(mode)}", "content_filter=prompt", to=["good"])
        models.add(f"filter-answer{suffix(mode)}", "content_filter=answer", to=["good"])
        models.add(f"prefill-503{suffix(mode)}", "status=503", to=["no-prefill"], deployment={"prefill": True})
        models.add(f"prefill-declared{suffix(mode)}", "tokens=60", to=["continues"])
        for to in ("larger", "undeclared", "equal"):
            chain = ["context-equal"] + ([f"context-{to}"] if to != "equal" else [])
            models.add(f"too-long-{to}{suffix(mode)}", "context_length", to=chain, context_tokens=8000)
    for name, words, _, _ in BREAKS:
        models.add(f"break-{name}", words, "hasty" if name == "stall" else "patient", ["good"])
        models.add(f"lonely-{name}", words, "hasty" if name == "stall" else "patient")
        models.add(f"resume-{name}", words, "hasty" if name == "stall" else "patient", ["continues"])
    models.add("deadline-drip-stream", DRIP, "all", ["good"])
    models.add("prefill-cut", "cut=40,tokens=60", to=["no-prefill"])
    models.add("resume-refused", "cut=40,tokens=60", to=["no-prefill", "continues"])
    models.add("resume-down", "cut=40,tokens=60", to=["good", "down-prefill", "continues"])
    models.add("resume-over", "cut=40,tokens=60", to=["good", "down-prefill"])
    models.add("resume-twice", "cut=20,tokens=60", to=["continues-cut", "continues"])
    models.add("resume-thinking", "think=5,cut=20,tokens=60", to=["continues"])
    models.add("resume-never", "cut=20,tokens=60", to=["continues"])
    models.add("resume-begun", "cut=20,tokens=60,prefill=continue", to=["continues"], deployment={"prefill": True})
    models.add("resume-alone", "tokens=60+prefill=continue", deployment={"prefill": True})
    models.add("down-prefill", "status=503", deployment={"prefill": True})
    models.add("continues-cut", "tokens=60,cut=10,prefill=continue", deployment={"prefill": True})
    models.add("no-done", "no_done,tokens=60", to=["good"])
    models.add("no-prefill", "tokens=60+prefill=refuse", deployment={"prefill": True})
    models.add("continues", "tokens=60+prefill=continue", deployment={"prefill": True})
    models.add("context-equal", "tokens=60", context_tokens=8000)
    models.add("context-larger", "tokens=60", context_tokens=32000)
    models.add("context-undeclared", "tokens=60")


@dataclass
class World:
    server: Server
    sim: KnownSim
    early: dict  # model name -> future of an Asked
    expired: KnownSim = None


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    sim = KnownSim(tmp_path_factory.mktemp("sim"), script=SCRIPT)
    folder = tmp_path_factory.mktemp("expired")
    expired = KnownSim(folder, tls=expired_tls(folder), name="expired")
    models = Models(sim.url, healthy=PATIENT, patient=PATIENT, hasty=HASTY, all=ALL_OF_IT, half=HALF_OF_IT)
    add_providers(models, expired)
    add_models(models)
    server = Server(tmp_path_factory.mktemp("serve"), models.sections())
    made = World(server, sim, {}, expired)
    with ThreadPoolExecutor(8) as pool:
        # The longest first: the others end meanwhile.
        for entry in sorted(models.models, key=lambda entry: "503-long" not in entry["name"]):
            name = entry["name"]
            if name.startswith(("alone-", "deadline-")):
                made.early[name] = pool.submit(ask, made, name, name.endswith("-stream"))
        yield made
    checked(server.finish() + sim.stop() + expired.stop())


@pytest.fixture(autouse=True)
def healthy_afterwards(request):
    yield
    (name,) = {"world", "outage", "long_rest"} & set(request.fixturenames)
    server = request.getfixturevalue(name).server
    assert server.get("/health").json["status"] == "healthy"
    assert server.chat("good", "And now?").text.startswith("Simulated answer to: And now?")


# ---- before the first content: somebody else answers ----

def name_in_plan(fault, place, mode):
    return f"{place}-{fault.name}{suffix(mode)}"


@pytest.mark.parametrize("fault, mode", CASES)
def test_a_healthy_deployment_answers_in_full(world, fault, mode):
    name = name_in_plan(fault, "over", mode)
    asked = ask(world, name, mode)
    assert_another_answered(world, fault, asked)
    assert asked.seconds < SLACK_SECONDS


@pytest.mark.parametrize("mode", BOTH, ids=["whole", "stream"])
def test_a_fallback_is_counted(world, mode):
    wait(world.early.values())  # their fallbacks are counted, too
    before = metric(world.server, "huntaze_fallbacks_total")
    assert_complete(world.sim, ask(world, f"counted{suffix(mode)}", mode))
    assert metric(world.server, "huntaze_fallbacks_total") == before + 1


# ---- and with nobody else: a clean error, in time, and no hammering ----

@pytest.mark.parametrize("fault, mode", CASES)
def test_alone_it_ends_in_a_clean_error_in_time(world, fault, mode):
    name = name_in_plan(fault, "alone", mode)
    asked = world.early[name].result()
    assert_clean_error(world, fault, asked)
    assert asked.seconds < ONE_REPEAT / 1000 + SLACK_SECONDS


@pytest.mark.parametrize("mode", BOTH, ids=["whole", "stream"])
def test_nothing_is_told_to_a_provider_whose_certificate_has_expired(world, mode):
    assert world.early[f"alone-expired{suffix(mode)}"].result().reply.status == 502
    unverified = replace(world.expired.tls, authority=None)
    assert http_call(world.expired.port, "GET", "/sim/requests", tls=unverified).json == []


@pytest.mark.parametrize("mode", BOTH, ids=["whole", "stream"])
def test_500_once_is_overcome_by_the_same_deployment_if_it_is_the_only_one(world, mode):
    asked = world.early[f"alone-500-once{suffix(mode)}"].result()
    assert_complete(world.sim, asked)
    assert models_asked(world.sim, asked) == [asked.name] * 2
    failed, answered = rows_of(world.server, asked)
    assert_answered_row(world.sim, asked, answered)
    assert (failed["status"], failed["http_status"], failed["amount_nusd"]) == (FAILED, 500, 0)


@pytest.mark.parametrize("mode", BOTH, ids=["whole", "stream"])
def test_503_for_ever_is_asked_four_times_at_most(world, mode):
    asked = world.early[f"alone-503-long{suffix(mode)}"].result()
    assert (asked.reply.status, asked.reply.error["code"]) == (502, "upstream_error")
    assert models_asked(world.sim, asked) == [asked.name] * 4
    assert sum(row["amount_nusd"] for row in rows_of(world.server, asked)) == 0


@pytest.mark.parametrize("mode", BOTH, ids=["whole", "stream"])
def test_500_once_falls_over_once(world, mode):
    """The failed one is asked again by the next caller."""
    name = f"over-500-once{suffix(mode)}"
    first, second = ask(world, name, mode), ask(world, name, mode)
    for asked in (first, second):
        assert_complete(world.sim, asked)
    assert models_asked(world.sim, first) == [name, "good"]
    assert models_asked(world.sim, second) == [name]


def test_a_whole_answer_that_nobody_can_read_is_charged_at_its_bound(world):
    asked = ask(world, "over-garbage-whole", WHOLE)
    garbled, _ = rows_of(world.server, asked)
    billed = billed_to(world.sim, asked)[asked.name]
    assert garbled["usage_source"] == UNKNOWN
    assert garbled["input_tokens"] >= billed["prompt_tokens"] and garbled["output_tokens"] >= billed["completion_tokens"]


# ---- the request's own time ----

@pytest.mark.parametrize("mode", BOTH, ids=["whole", "stream"])
def test_the_first_who_is_silent_leaves_time_to_the_next(world, mode):
    """Although the limit of an attempt is as long as the request may take."""
    asked = world.early[f"deadline-healthy{suffix(mode)}"].result()
    assert_another_answered(world, replace(SILENT, by="all"), asked)


@pytest.mark.parametrize("mode", BOTH, ids=["whole", "stream"])
def test_when_its_time_is_over_a_request_ends_in_an_error_that_names_all(world, mode):
    asked = world.early[f"deadline-silent{suffix(mode)}"].result()
    assert_out_of_time(world, asked, [asked.name, f"also-silent{suffix(mode)}"])


def test_a_stream_that_goes_on_for_too_long_is_cut_off_and_says_so(world):
    asked = world.early["deadline-drip-stream"].result()
    assert_cut_off_stream(world, asked, "good+" + DRIP.split(",")[0])


# ---- rate limits ----

@pytest.mark.parametrize("mode", BOTH, ids=["whole", "stream"])
def test_429_once_rests_the_deployment_for_its_retry_after(world, mode):
    name = f"over-429-once{suffix(mode)}"
    begun = time.monotonic()
    first = ask(world, name, mode)
    assert_complete(world.sim, first)
    assert models_asked(world.sim, first) == [name, "good"]
    later = []

    def is_back():
        later.append(ask(world, name, mode))
        return later[-1].reply.headers["x-huntaze-provider"] == "patient"

    assert eventually(is_back, 15), "it never came back"
    assert time.monotonic() - begun >= 2, "it was asked before its time"
    assert_complete(world.sim, later[-1])
    resting = [rows_of(world.server, asked) for asked in later[:-1]]
    assert {tuple(row["model_name"] for row in rows) for rows in resting} <= {("good",)}
    for asked in later[:-1]:
        assert asked.reply.headers["x-huntaze-fallback-reason"].endswith("rate limited")


@pytest.mark.parametrize("mode", BOTH, ids=["whole", "stream"])
def test_429_for_ever_is_asked_ever_more_rarely(world, mode):
    """Without a header the rest is 1, 2, 4 s ...: so many questions in so much time, no more."""
    name = f"over-429{suffix(mode)}"
    before = sum(request["body"].count(name) for request in world.sim.requests())
    begun = time.monotonic()
    for _ in range(25):
        assert_complete(world.sim, ask(world, name, mode))
    seconds = time.monotonic() - begun
    questions = sum(request["body"].count(name) for request in world.sim.requests()) - before
    assert questions <= 1 + math.log2(seconds + 1)


# ---- slow, but in time; odd, but whole ----

@pytest.mark.parametrize("mode", BOTH, ids=["whole", "stream"])
def test_a_first_token_that_is_late_but_in_time_is_waited_for(world, mode):
    asked = ask(world, f"late-in-time{suffix(mode)}", mode)
    assert_complete(world.sim, asked)
    assert models_asked(world.sim, asked) == [asked.name]
    assert_answered_row(world.sim, asked, *rows_of(world.server, asked))


def test_a_complete_stream_without_done_is_a_success(world):
    asked = ask(world, "no-done", STREAM)
    assert_complete(world.sim, asked)
    assert asked.events[-1] == "[DONE]"
    assert models_asked(world.sim, asked) == ["no-done"]
    assert_answered_row(world.sim, asked, *rows_of(world.server, asked))
    assert log_of(world.server, asked, "attempt_failed") == []


# ---- after the first content: never a half answer called success ----

@pytest.mark.parametrize("name, words, tokens, reason", BREAKS, ids=[row[0] for row in BREAKS])
@pytest.mark.parametrize("place", ["break", "lonely"])
def test_a_stream_that_breaks_says_so_in_the_stream(world, place, name, words, tokens, reason):
    """Whether there is a deployment that could have been asked at first, or none."""
    asked = ask(world, f"{place}-{name}", STREAM)
    assert_stays_broken(world, asked, tokens, reason, is_cut_off=name != "garbage")
    assert asked.seconds < SLACK_SECONDS


# ---- after the first content: somebody else goes on with it ----

@pytest.mark.parametrize("name, words, tokens, reason", BREAKS, ids=[row[0] for row in BREAKS])
def test_a_stream_that_breaks_goes_on_at_another_deployment(world, name, words, tokens, reason):
    asked = ask(world, f"resume-{name}", STREAM)
    assert_another_went_on(world, asked, tokens, reason)


def test_a_stream_may_break_and_go_on_twice(world):
    asked = ask(world, "resume-twice", STREAM)
    rows = rows_of(world.server, asked)
    assert_resumed(world, asked, [0, 20, 30], rows)
    assert models_asked(world.sim, asked) == [asked.name, "continues-cut", "continues"]
    assert [row["status"] for row in rows] == [BROKEN, BROKEN, OK]


def test_a_stream_goes_on_past_deployments_that_refuse_or_are_down(world):
    asked = ask(world, "resume-refused", STREAM)
    rows = rows_of(world.server, asked)
    assert_resumed(world, asked, [0, 40, 40], rows)
    assert [(row["status"], row["http_status"]) for row in rows] == [(BROKEN, 200), (FAILED, 400), (OK, 200)]
    assert rows[1]["amount_nusd"] == 0


def test_a_stream_goes_on_only_at_those_that_declare_it(world):
    """Those that are passed over take none of the three places."""
    asked = ask(world, "resume-down", STREAM)
    rows = rows_of(world.server, asked)
    assert_resumed(world, asked, [0, 40, 40], rows)
    assert models_asked(world.sim, asked) == [asked.name, "down-prefill", "continues"]


def test_a_stream_that_nobody_else_declares_to_go_on_with_stays_broken(world):
    asked = ask(world, "resume-over", STREAM)
    assert_broken_stream(world, asked, 40)
    assert models_asked(world.sim, asked) == [asked.name, "down-prefill"]


def test_a_stream_goes_on_at_its_own_deployment_if_it_is_the_only_one(world):
    asked = ask(world, "resume-alone", STREAM)
    rows = rows_of(world.server, asked)
    assert_resumed(world, asked, [0, 40], rows)
    assert [row["is_fallback"] for row in rows] == [0, 0]


def test_usage_of_a_stream_that_went_on_is_the_sum_of_its_rows(world):
    asked = ask(world, "resume-cut", STREAM, stream_options={"include_usage": True})
    (usage,) = [chunk["usage"] for chunk in map(json.loads, asked.events[:-1]) if chunk.get("usage")]
    rows = rows_of(world.server, asked)
    assert len(rows) == 2
    assert usage["prompt_tokens"] == sum(row["input_tokens"] for row in rows)
    assert usage["completion_tokens"] == sum(row["output_tokens"] for row in rows)
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}


@pytest.mark.parametrize("name, fields", [
    ("resume-never", {"tools": [TOOL], "tool_choice": "none"}), ("resume-never", {"tools": [TOOL]}),
    ("resume-never", {"n": 2}), ("resume-never", {"response_format": {"type": "json_object"}}),
    ("resume-begun", {"more": [{"role": "assistant", "content": "Well,"}]}), ("resume-thinking", {}),
], ids=["tools", "tool-call", "n", "json", "prefill", "reasoning"])
def test_what_is_more_than_text_stays_broken(world, name, fields):
    asked = ask(world, name, STREAM, **fields)
    assert asked.reply.status == 200 and asked.finish_reasons == []
    assert json.loads(asked.events[-1])["error"]["code"] == "upstream_broken"
    assert models_asked(world.sim, asked) == [name]
    assert [row["status"] for row in rows_of(world.server, asked)] == [BROKEN]


def test_a_fallback_that_rejects_prefill_leaves_a_broken_stream_broken(world):
    asked = ask(world, "prefill-cut", STREAM)
    assert_broken_stream(world, asked, 40)
    assert models_asked(world.sim, asked) == ["prefill-cut", "no-prefill"]
    rows = rows_of(world.server, asked)
    assert rows[0]["status"] == BROKEN and rows[0]["amount_nusd"] > 0
    assert [(row["status"], row["amount_nusd"]) for row in rows[1:]] == [(FAILED, 0)]
    last = json.loads(asked.events[-1])["error"]["message"]
    assert "prefill-cut" in last and "no-prefill" in last


@pytest.mark.parametrize("mode", BOTH, ids=["whole", "stream"])
def test_a_fallback_that_rejects_the_callers_prefill_ends_in_its_error(world, mode):
    asked = ask(world, f"prefill-503{suffix(mode)}", mode, more=[{"role": "assistant", "content": "Well,"}])
    assert asked.reply.status == 400 and asked.reply.error["type"] == "invalid_request_error", asked.reply
    assert models_asked(world.sim, asked) == [asked.name, "no-prefill"]
    rows = rows_of(world.server, asked)
    assert [(row["status"], row["http_status"], row["amount_nusd"]) for row in rows] == \
        [(FAILED, 503, 0), (FAILED, 400, 0)]


@pytest.mark.parametrize("mode", BOTH, ids=["whole", "stream"])
def test_the_callers_prefill_goes_to_those_that_declare_it(world, mode):
    asked = ask(world, f"prefill-declared{suffix(mode)}", mode, more=[{"role": "assistant", "content": "Simulated"}])
    assert asked.reply.status == 200 and asked.reply.text.startswith(" answer to"), asked.reply
    assert models_asked(world.sim, asked) == ["continues"]
    assert "x-huntaze-fallback-reason" not in asked.reply.headers


# ---- the request itself ----

@pytest.mark.parametrize("mode", BOTH, ids=["whole", "stream"])
@pytest.mark.parametrize("to", ["larger", "undeclared"])
def test_a_prompt_that_is_too_long_goes_only_where_it_may_fit(world, to, mode):
    asked = ask(world, f"too-long-{to}{suffix(mode)}", mode)
    assert_complete(world.sim, asked)
    assert models_asked(world.sim, asked) == [asked.name, f"context-{to}"]
    failed, answered = rows_of(world.server, asked)
    assert_failed_row(world.sim, asked, failed, "context_length")
    assert_answered_row(world.sim, asked, answered)
    assert_failures_logged(world.server, asked, 1, "context_length", "too long")


@pytest.mark.parametrize("mode", BOTH, ids=["whole", "stream"])
def test_a_prompt_that_is_too_long_for_all_gets_the_providers_error(world, mode):
    asked = ask(world, f"too-long-equal{suffix(mode)}", mode)
    assert (asked.reply.status, asked.reply.error["code"]) == (400, "context_length_exceeded"), asked.reply
    assert models_asked(world.sim, asked) == [asked.name]
    assert [row["amount_nusd"] for row in rows_of(world.server, asked)] == [0]


@pytest.mark.parametrize("mode", BOTH, ids=["whole", "stream"])
def test_a_filtered_prompt_is_refused_once_and_billed(world, mode):
    asked = ask(world, f"filter-prompt{suffix(mode)}", mode)
    assert asked.reply.status == 400, asked.reply
    assert asked.reply.error["code"] in ("content_filter", "content_policy_violation")
    assert models_asked(world.sim, asked) == [asked.name]
    assert billed_to(world.sim, asked)[asked.name]["prompt_tokens"] > 0
    (row,) = rows_of(world.server, asked)
    assert (row["status"], row["output_tokens"]) == (CONTENT_FILTER, 0)
    assert row["amount_nusd"] == cost_nusd(PRICE, tokens_of_messages(asked.messages), 0) > 0


@pytest.mark.parametrize("mode", BOTH, ids=["whole", "stream"])
def test_a_filtered_answer_is_an_answer_and_billed(world, mode):
    asked = ask(world, f"filter-answer{suffix(mode)}", mode)
    assert asked.reply.status == 200 and asked.finish_reasons == ["content_filter"]
    if mode == STREAM:
        assert asked.events[-1] == "[DONE]"
    assert models_asked(world.sim, asked) == [asked.name]
    billed = billed_to(world.sim, asked)[asked.name]
    (row,) = rows_of(world.server, asked)
    assert row["status"] == CONTENT_FILTER
    assert (row["input_tokens"], row["output_tokens"]) == (billed["prompt_tokens"], billed["completion_tokens"])
    assert row["amount_nusd"] == cost_nusd(PRICE, row["input_tokens"], row["output_tokens"])


# ---- deployments that fail for a while, or until somebody acts ----

@pytest.mark.parametrize("mode", BOTH, ids=["whole", "stream"])
def test_after_its_key_was_revoked_another_provider_answers(world, mode):
    name = f"over-key{suffix(mode)}"
    before, after = ask(world, name, mode), ask(world, name, mode)
    assert_complete(world.sim, before)
    assert models_asked(world.sim, before) == [name]
    assert_complete(world.sim, after)
    assert models_asked(world.sim, after) == [name, "good"]
    assert_failures_logged(world.server, after, 1, "credentials", "status 401")

    # Somebody must act: until then it is out of rotation.
    assert breaker_of(world.server, name) == "open"
    later = ask(world, name, mode)
    assert_complete(world.sim, later)
    assert models_asked(world.sim, later) == ["good"]
    assert later.reply.headers["x-huntaze-fallback-reason"].endswith("its circuit breaker is open")


OPEN_MS = 1000
FAILURES_IN_ROW = 5
RETRY_BUDGET = 10  # the default


@pytest.fixture(scope="module")
def outage(tmp_path_factory):
    """Like world, with breakers that open for a second instead of 30."""
    sim = KnownSim(tmp_path_factory.mktemp("sim"))
    providers = [provider("openai", sim.url, name=name, timeouts_ms=PATIENT) for name in ("primary", "healthy")]
    providers.append(provider("openai", sim.url, name="down", timeouts_ms={limit: ONE_REPEAT for limit in PATIENT}))
    models = [model(f"outage{suffix(mode)}", "primary", f"outage{suffix(mode)}+tokens=60") for mode in BOTH]
    models += [model(f"down{suffix(mode)}", "down", f"down{suffix(mode)}+status=503") for mode in BOTH]
    models += [model(f"down-{place}", "down", f"down-{place}+status=503") for place in ("alone", "over")]
    server = Server(tmp_path_factory.mktemp("serve"), {
        "providers": providers, "models": models + [model("good", "healthy", GOOD)],
        "routes": [{"models": ["good"]}], "breaker": {"failures_in_row": FAILURES_IN_ROW, "open_ms": OPEN_MS},
        "fallbacks": [{"from": name, "to": ["good"]} for name in ("outage-whole", "outage-stream", "down-over")]})
    yield World(server, sim, {})
    checked(server.finish() + sim.stop())


@pytest.mark.parametrize("mode", BOTH, ids=["whole", "stream"])
def test_an_outage_in_a_run_of_20_costs_a_few_questions_and_no_answer(outage, mode):
    name = f"outage{suffix(mode)}"
    deployment = f"{name}+tokens=60"
    run = [ask(outage, name, mode) for _ in range(5)]
    set_script(outage.sim, [{"match": {"model": name}, "do": "status=503"}])
    begun = time.monotonic()
    run += [ask(outage, name, mode) for _ in range(10)]
    seconds = time.monotonic() - begun
    assert breaker_of(outage.server, name) in ("open", "half_open")
    assert breaker_gauge(outage.server, deployment) == 1
    set_script(outage.sim, [])
    recovery = []

    def is_back():
        recovery.append(ask(outage, name, mode))
        return recovery[-1].reply.headers["x-huntaze-provider"] == "primary"

    assert eventually(is_back, OPEN_MS / 1000 + SLACK_SECONDS), "the primary was not used again"
    run += [ask(outage, name, mode) for _ in range(5)]

    for asked in run:
        assert_complete(outage.sim, asked)
    asked_models = [models_asked(outage.sim, asked) for asked in run]
    assert asked_models[:5] == asked_models[15:] == [[name]] * 5
    questions = sum(models.count(name) for models in asked_models[5:15])
    assert FAILURES_IN_ROW <= questions <= FAILURES_IN_ROW + 1 + seconds * 1000 / OPEN_MS
    assert all(models[-1] == "good" for models in asked_models[5:15])
    assert {models_asked(outage.sim, asked)[0] for asked in recovery[:-1]} <= {"good"}
    for asked in recovery[:-1]:
        assert asked.reply.headers["x-huntaze-fallback-reason"].endswith("its circuit breaker is open")

    assert breaker_of(outage.server, name) == "closed"
    assert breaker_gauge(outage.server, deployment) == 0
    changes = breaker_changes(outage.server, deployment)
    assert changes[0] == ("closed", "open") and changes[-1] == ("half_open", "closed")
    failed = [row for asked in run for row in rows_of(outage.server, asked) if row["status"] == FAILED]
    assert len(failed) == questions and sum(row["amount_nusd"] for row in failed) == 0


@pytest.mark.parametrize("mode", BOTH, ids=["whole", "stream"])
def test_a_provider_that_is_down_gets_hardly_more_questions_than_the_load(outage, mode):
    """With nobody else: repeats are paid from a budget, and the breaker ends them."""
    name, load = f"down{suffix(mode)}", 30
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: ask(outage, name, mode), range(load)))
    for asked in answers:
        assert asked.reply.status == 502 and asked.reply.error["code"] == "upstream_error", asked.reply
        assert asked.seconds < ONE_REPEAT / 1000 + SLACK_SECONDS
    questions = sum(len(models_asked(outage.sim, asked)) for asked in answers)
    assert 0 < questions <= 1.1 * load
    refused = [asked for asked in answers if not models_asked(outage.sim, asked)]
    assert refused, "the breaker never opened"
    for asked in refused:
        assert 1 <= int(asked.reply.headers["retry-after"]) <= math.ceil(OPEN_MS / 1000)
        assert "circuit breaker" in asked.reply.error["message"]


@pytest.mark.parametrize("place, status, asked_once", [("alone", 502, 1 + RETRY_BUDGET), ("over", 200, 1)])
def test_under_load_a_provider_that_is_down_gets_a_few_questions_and_probes(outage, place, status, asked_once):
    """Calls side by side may have been sent before the breaker opened; later there is one probe at a time."""
    name, load, beside = f"down-{place}", 600, 4
    begun = time.monotonic()
    with ThreadPoolExecutor(beside) as pool:
        replies = list(pool.map(lambda i: outage.server.chat(name, "Go on.", stream=i % 2 == 1), range(load)))
    seconds = time.monotonic() - begun
    assert {reply.status for reply in replies} == {status}
    questions = len(outage.sim.requests(name))
    probes = seconds * 1000 / OPEN_MS + 1
    assert FAILURES_IN_ROW <= questions <= FAILURES_IN_ROW + beside + asked_once - 1 + probes
    assert questions <= 1.1 * load


LONG_REST_SECONDS = 600
SILENT_MS = 1500


@pytest.fixture(scope="module")
def long_rest(tmp_path_factory):
    """Breakers that open for the longest time that may be set."""
    sim = KnownSim(tmp_path_factory.mktemp("sim"))
    models = Models(sim.url, healthy=PATIENT, mute=dict.fromkeys(PATIENT, SILENT_MS) | {"total": 25000})
    for mode in BOTH:
        models.add(f"mute{suffix(mode)}", "silent", "mute")
    server = Server(tmp_path_factory.mktemp("serve"), models.sections() | {
        "breaker": {"failures_in_row": FAILURES_IN_ROW, "open_ms": LONG_REST_SECONDS * 1000}})
    yield World(server, sim, {})
    checked(server.finish() + sim.stop())


@pytest.mark.parametrize("mode", BOTH, ids=["whole", "stream"])
def test_of_a_breakers_time_counts_how_long_the_provider_was_silent(long_rest, mode):
    """Else a provider that is back would wait for its next chance longer than the breaker is open."""
    name = f"mute{suffix(mode)}"
    with ThreadPoolExecutor(FAILURES_IN_ROW) as pool:
        answers = list(pool.map(lambda _: ask(long_rest, name, mode), range(FAILURES_IN_ROW)))
    assert [asked.reply.status for asked in answers] == [504] * FAILURES_IN_ROW
    refused = ask(long_rest, name, mode)
    assert refused.reply.status == 502 and "circuit breaker" in refused.reply.error["message"], refused.reply
    assert int(refused.reply.headers["retry-after"]) <= LONG_REST_SECONDS - SILENT_MS // 1000
