"""What is measured, one function each. A function takes a Bench and adds rows to its report."""
import os
import re
import statistics
import time

import rig
from rig import Load, Process, get, window
from sites import INTERVAL_MS, chat_body, request_bytes

CONNECTIONS = 64
STREAMS = 1000
IDLE = 10000
CROWD = 6000
OVERLOAD_LEAD = 2  # seconds until a server is sure that it is no burst
KIB = 1024


class Bench:
    """The servers of a run, how long each part may take, and the rows found so far."""

    def __init__(self, sites, is_quick):
        self.sites = sites
        self.seconds = 2 if is_quick else 5
        self.pairs = 3 if is_quick else 5
        self.starts = 5 if is_quick else 15
        self.is_quick = is_quick
        self.rows = []

    def add(self, name, value, unit, target=None, reference=None, note="", is_floor=False):
        """`target` is what to reach: at most so much, or with `is_floor` at least."""
        is_reached = None if target is None else (value >= target if is_floor else value <= target)
        self.rows.append({"name": name, "value": value, "unit": unit, "target": target, "is_floor": is_floor,
                          "is_reached": is_reached, "reference": reference, "note": note})


def expect_clean(what, report):
    if report["errors"] or report["reopened"]:
        raise rig.BenchError(f"{what}: {report['errors']} errors, {report['reopened']} connections lost, "
                             f"last bad status {report['last_bad_status']}")


# ---- processor time ----

def cost_once(bench, process, port, per, lead, *options):
    """Microseconds of processor time for each request or event."""
    seconds = bench.seconds
    with Load(bench.sites.load, port, "--seconds", int(lead + seconds + 2), *options) as load:
        found = window(process, load, lead, seconds)
        report = load.finish()
    expect_clean(process.name, report)
    if not found[per]:
        raise rig.BenchError(f"{process.name}: no {per} within {seconds} s")
    return found["cpu_ns"] / found[per] / 1e3, found[per] / found["seconds"], found["busy"]


def cost_pairs(bench, name, target, ours, theirs, per, lead, *options):
    """Huntaze and nginx in turns; the median of the ratios of each turn."""
    ratios, a, b = [], [], []
    for turn in range(bench.pairs):
        # Who goes first changes, so that a machine that slows down is fair to both.
        order = (ours, theirs) if turn % 2 else (theirs, ours)
        found = {side[0].name: cost_once(bench, *side[:2], per, lead, *side[2], *options) for side in order}
        a.append(found[ours[0].name])
        b.append(found[theirs[0].name])
        ratios.append(a[-1][0] / b[-1][0])

    def middle(list_, part):
        return statistics.median(item[part] for item in list_)

    bench.add(f"{name}: ratio to nginx", statistics.median(ratios), "x", target,
              note=f"{min(ratios):.2f} to {max(ratios):.2f} in {len(ratios)} pairs")
    bench.add(f"{name}: processor time", middle(a, 0), "us", reference=middle(b, 0),
              note=f"{middle(a, 1):,.0f}/s, {100 * middle(a, 2):.0f} % of a core busy; "
                   f"nginx {middle(b, 1):,.0f}/s, {100 * middle(b, 2):.0f} %")


def chat_sides(bench, model="auto", nginx_port="chat", **options):
    ours, port, key = bench.sites.huntaze(**options)
    theirs, ports = bench.sites.proxy()
    request = ["--request", bench.sites.request(key, model), "--connections", CONNECTIONS]
    return (ours, port, request), (theirs, ports[nginx_port], request)


def chat_saturated(bench):
    """A call with key check, routing, durable row, metrics and log, 64 connections, as fast as it goes."""
    cost_pairs(bench, "chat, saturated", 1.8, *chat_sides(bench), "requests", 0.5)


def chat_20000(bench):
    """The same at 20,000 a second."""
    cost_pairs(bench, "chat, 20,000/s", None, *chat_sides(bench), "requests", 0.5, "--rate", 20000)


def chat_3000(bench):
    """The same at 3,000 a second."""
    cost_pairs(bench, "chat, 3,000/s", None, *chat_sides(bench), "requests", 0.5, "--rate", 3000)


def chat_named(bench):
    """Saturated, with a model that the caller names: no classifier."""
    cost_pairs(bench, "chat with a named model, saturated", None, *chat_sides(bench, "gpt-4o-mini"), "requests", 0.5)


def chat_silent(bench):
    """Saturated, against nginx without a log."""
    cost_pairs(bench, "chat, saturated, nginx without log", None, *chat_sides(bench, nginx_port="silent"),
               "requests", 0.5)


def stream_event(bench):
    """A relayed event: 1,000 open streams, 20 events a second each."""
    ours, port, key = bench.sites.huntaze()
    theirs, ports = bench.sites.proxy()
    request = ["--request", bench.sites.request(key, "gpt-4o", True), "--connections", STREAMS, "--sse"]
    cost_pairs(bench, "stream event", 1.3, (ours, port, request), (theirs, ports["stream"], request), "events", 3)


# ---- latency ----

def latency(bench):
    """What a proxy adds at half of the rate that huntaze sustains, for whoever waits for the commit and not."""
    sites = bench.sites
    waits, port, key = sites.huntaze()
    _, fast_port, fast_key = sites.huntaze("huntaze_nowait", wait=False)
    _, ports = sites.proxy()
    request = ["--request", sites.request(key), "--connections", CONNECTIONS]
    _, full, _ = cost_once(bench, waits, port, "requests", 0.5, *request)
    rate = int(full / 2)
    ways = {
        "direct": (sites.origin(), request),
        "nginx": (ports["chat"], request),
        "huntaze": (fast_port, ["--request", sites.request(fast_key), "--connections", CONNECTIONS]),
        "huntaze, durable": (port, request),
    }
    found = {name: [] for name in ways}
    for _ in range(bench.pairs):
        for name, (to, options) in ways.items():
            with Load(sites.load, to, *options, "--rate", rate, "--seconds", bench.seconds) as load:
                load.ready()
                report = load.finish()
            expect_clean(name, report)
            found[name].append(report["latency_us"])
    for part in ("p50", "p99"):
        base = statistics.median(turn[part] for turn in found["direct"])
        adds = {name: [a[part] - d[part] for a, d in zip(found[name], found["direct"])] for name in ways}
        added = {name: statistics.median(adds[name]) for name in ways}
        ratios = [ours / theirs for ours, theirs in zip(adds["huntaze"], adds["nginx"]) if theirs > 0]
        ratio = statistics.median(ratios) if ratios else float("inf")
        bench.add(f"added latency, {part}: ratio to nginx, ledger.wait false", ratio, "x",
                  1.2 if part == "p50" else None, note=f"{len(ratios)} turns")
        bench.add(f"added latency, {part}: ledger.wait false", added["huntaze"], "us", reference=added["nginx"],
                  note=f"at {rate:,}/s; direct {base:,.0f} us")
        bench.add(f"added latency, {part}: ledger.wait true", added["huntaze, durable"], "us",
                  reference=added["nginx"], note="with the commit")


# ---- overload ----

def overloaded(bench, port, key, rate):
    """(good answers a second, report) after the first moments."""
    with Load(bench.sites.load, port, "--request", bench.sites.request(key), "--connections", CROWD, "--rate", rate,
              "--refusals", "--lead", OVERLOAD_LEAD, "--seconds", OVERLOAD_LEAD + bench.seconds + 1) as load:
        load.ready()
        time.sleep(OVERLOAD_LEAD)
        first = load.mark()
        time.sleep(bench.seconds)
        last = load.mark()
        report = load.finish()
    if report["errors"]:
        raise rig.BenchError(f"overload: {report['errors']} errors, last bad status {report['last_bad_status']}")
    return (last["requests"] - first["requests"]) / (last["ns"] - first["ns"]) * 1e9, report


def overload(bench):
    """Twice as many requests as can be served, as they come: what is served and when, with shedding and without."""
    sites = bench.sites
    _, port, key = sites.huntaze("overload")
    # What other programs take away meanwhile is no capacity of ours: the best of three.
    full = max(cost_once(bench, *sites.huntaze("overload")[:2], "requests", 0.5, "--request", sites.request(key),
                         "--connections", CONNECTIONS)[1] for _ in range(3))
    sites.env["HUNTAZE_SERVER_SHED_DELAY_MS"] = "25"
    _, shed_port, shed_key = sites.huntaze("shedding")
    del sites.env["HUNTAZE_SERVER_SHED_DELAY_MS"]
    rate = int(2 * full)
    ways = {"shedding": (shed_port, shed_key), "all served": (port, key)}
    found = {name: [] for name in ways}
    for _ in range(bench.pairs):
        for name, where in ways.items():
            found[name].append(overloaded(bench, *where, rate))
    for name, turns in found.items():
        good = statistics.median(goodput for goodput, _ in turns)
        bench.add(f"overload, {name}: goodput of what was served at saturation", 100 * good / full, "%",
                  note=f"{good:,.0f}/s of {full:,.0f}/s, {rate:,}/s asked, {CROWD:,} connections")
        for what, kind in (("served", "latency_us"), ("refused", "refusal_us")):
            if not turns[0][1][kind]["count"]:
                continue
            p50, p99 = (statistics.median(report[kind][part] for _, report in turns) / 1000 for part in ("p50", "p99"))
            bench.add(f"overload, {name}: time until {what}, p99", p99, "ms", 50 if what == "refused" else None,
                      note=f"p50 {p50:,.1f} ms")
    sites.forget("overload")
    sites.forget("shedding")


# ---- start ----

def first_answer(command, cwd, env, port, asks):
    """Milliseconds from the start of the process to each first 200."""
    began = time.monotonic()
    process = Process("start", command, cwd, None, env)
    try:
        times = []
        for ask in asks:
            while not ask(port):
                if process.popen.poll() is not None or time.monotonic() > began + rig.START_SECONDS:
                    raise rig.BenchError(f"no first answer: {process.last_words()}")
                time.sleep(0.0002)
            times.append((time.monotonic() - began) * 1e3)
        return times
    finally:
        process.stop()


def start(bench):
    """From exec to the first answers of a server whose database exists."""
    sites = bench.sites
    config, port = sites.config("start")
    key = sites.command("keys", "create", "--config", config, "--scope", "chat", "--quiet")
    chat = request_bytes(chat_body("auto"), key)
    command = [sites.program, "serve", "--config", config, "--quiet"]
    asks = [lambda p: rig.asks_ok(p, b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n"), lambda p: rig.asks_ok(p, chat)]
    found = [first_answer(command, sites.dir, sites.env, port, asks) for _ in range(bench.starts)]
    for part, name in enumerate(("first answer on /livez", "first chat answer")):
        list_ = [turn[part] for turn in found]
        bench.add(f"start: {name}", statistics.median(list_), "ms", 50,
                  note=f"{min(list_):.1f} to {max(list_):.1f} in {len(list_)} starts")


# ---- memory ----

def settle(process):
    """Memory once it no longer changes."""
    before = -1
    for _ in range(20):
        now = process.private_bytes()
        if now == before:
            break
        before = now
        time.sleep(0.1)
    return now


def memory_idle(bench):
    """Private memory after start and one answer, and after load."""
    sites = bench.sites
    ours, port, key = sites.huntaze("memory_idle", cpu=None)
    theirs, ports = sites.proxy("memory_nginx", cpu=None)
    request = sites.request(key)
    for to in (port, ports["chat"]):
        with Load(sites.load, to, "--request", request, "--requests", 1) as load:
            expect_clean("one request", load_report(load))
    idle = settle(ours) / KIB / KIB
    bench.add("memory, idle", idle, "MiB", 8, settle(theirs) / KIB / KIB)
    for to in (port, ports["chat"]):
        with Load(sites.load, to, "--request", request, "--connections", CONNECTIONS, "--seconds", bench.seconds) as l:
            expect_clean("load", load_report(l))
    bench.add("memory, after load has ended", settle(ours) / KIB / KIB, "MiB", None, settle(theirs) / KIB / KIB,
              note=f"{CONNECTIONS} connections, {bench.seconds} s")
    sites.forget("memory_idle")
    sites.forget("memory_nginx")


def load_report(load):
    load.ready()
    return load.finish()


def await_flow(load, per_second):
    """Until events come at half their pace, so that streams are measured and not their handshakes."""
    events = load.mark()["events"]
    for _ in range(20):
        time.sleep(1)
        before, events = events, load.mark()["events"]
        if events - before > per_second / 2:
            return
    raise rig.BenchError("the streams do not flow")


def grown(process, sites, port, count, request, *options):
    """Bytes that each of so many connections costs while it is open."""
    before = settle(process)
    with Load(sites.load, port, "--connections", count, "--request", request, *options) as load:
        ready = load.ready()
        if "--sse" in options:
            await_flow(load, count * 1000 / INTERVAL_MS)
            ready = load.mark()
        if ready["open"] != count or ready["errors"]:
            raise rig.BenchError(f"{process.name}: only {ready['open']} of {count} connections are open")
        after = process.private_bytes()
        load.finish()
    return (after - before) / count


def memory_pair(bench, name, target, ours, theirs, count, *options):
    (a, a_port, a_request), (b, b_port, b_request) = ours, theirs
    mine = grown(a, bench.sites, a_port, count, a_request, *options)
    other = grown(b, bench.sites, b_port, count, b_request, *options)
    bench.add(name, mine / KIB, "KiB", target, other / KIB, note=f"{count:,} open")


def fresh_pair(bench, is_tls, model, is_stream):
    """Servers that have served nothing yet, so that no earlier peak hides what is measured."""
    ours, port, key = bench.sites.huntaze("memory", cpu=None, is_tls=is_tls)
    theirs, ports = bench.sites.proxy("memory_nginx", cpu=None)
    request = bench.sites.request(key, model, is_stream)
    theirs_port = ports[("stream" if is_stream else "chat") + ("_tls" if is_tls else "")]
    return (ours, port, request), (theirs, theirs_port, request)


def memory_connections(bench):
    """10,000 kept connections that have each had one chat answer and now rest."""
    for is_tls, target in ((False, 1), (True, 16)):
        options = ["--idle", "--seconds", 120] + (["--tls"] if is_tls else [])
        name = "memory, idle connection" + (", TLS" if is_tls else "")
        memory_pair(bench, name, target, *fresh_pair(bench, is_tls, "auto", False), IDLE, *options)
        bench.sites.forget("memory")
        bench.sites.forget("memory_nginx")


def memory_streams(bench):
    """1,000 streams in the middle; with TLS on both sides."""
    for is_tls, target in ((False, 24), (True, 80)):
        options = ["--sse", "--seconds", 60] + (["--tls"] if is_tls else [])
        name = "memory, open stream" + (", TLS on both sides" if is_tls else "")
        memory_pair(bench, name, target, *fresh_pair(bench, is_tls, "gpt-4o", True), STREAMS, *options)
        bench.sites.forget("memory")
        bench.sites.forget("memory_nginx")


# ---- ledger ----

def histogram(text, name):
    """(upper bound in seconds, count up to it) of one Prometheus histogram."""
    found = re.findall(rf'^{name}_bucket{{[^}}]*le="([^"]+)"}} (\d+)$', text, re.M)
    return [(float("inf") if le == "+Inf" else float(le), int(count)) for le, count in found]


def quantile(before, after, share):
    """The bound of the bucket that holds this share of what came between."""
    counts = [(le, b - a) for (le, b), (_, a) in zip(after, before or [(le, 0) for le, _ in after])]
    total = counts[-1][1] if counts else 0
    return next((le for le, count in counts if total and count >= share * total), float("nan"))


def counter(text, name):
    return sum(int(value) for value in re.findall(rf"^{name}(?:{{[^}}]*}})? (\d+)$", text, re.M))


def ledger(bench):
    """Durable rows a second of a server on both cores with 1,000 callers, and the time of a commit."""
    sites = bench.sites
    name = "ledger"
    process, port, key = sites.huntaze(name, cpu=None, loops=min(2, os.cpu_count()))
    with Load(sites.load, port, "--connections", 1000, "--request", sites.request(key, "gpt-4o-mini"), "--seconds",
              bench.seconds + 3) as load:
        load.ready()
        time.sleep(1)
        began, before = time.monotonic(), get(port, "/metrics")[1].decode()
        time.sleep(bench.seconds)
        ended, after = time.monotonic(), get(port, "/metrics")[1].decode()
        report = load.finish()
    expect_clean(name, report)
    rows, batches = (counter(after, m) - counter(before, m)
                     for m in ("huntaze_ledger_rows_total", "huntaze_ledger_batches_total"))
    commit = [histogram(text, "huntaze_ledger_commit_seconds") for text in (before, after)]
    bench.add("ledger: durable rows", rows / (ended - began), "rows/s", 20000, is_floor=True,
              note=f"whole calls over HTTP, load and origin on the same cores; {rows / max(batches, 1):.0f} rows a commit")
    bench.add("ledger: commit, p99", quantile(*commit, 0.99) * 1e3, "ms", 15,
              note="bound of the bucket; 1,000 concurrent calls")
    sites.forget(name)
    sites.command("verify", "ledger", "--config", sites.dir / f"{name}.yaml")


MEASURES = [chat_saturated, chat_20000, chat_3000, chat_named, chat_silent, stream_event, latency, overload, start, memory_idle,
            memory_connections, memory_streams, ledger]
