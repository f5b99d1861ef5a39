"""60 s of outage in a run of 20 requests, in several ways and at several moments."""
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from clocks import ATTEMPT, DEFAULTS, FAILURES_IN_ROW, FIRST_CONTENT, OPEN, questions_of, wait_until
from faults import BOTH, STREAM, WHOLE, suffix
from seen import (OK, assert_complete, assert_failed_row, breaker_changes, breaker_gauge, breaker_of, rows_of,
                  set_script)

BEGINS, ENDS = 5, 65  # seconds
CALLS, PAUSE = 20, 0.2


def late_probe(seconds_to_know):
    """The breaker opens when its probe will come right before the provider is back: the longest way to it."""
    opens = 34.2 - seconds_to_know
    before = tuple(opens - 5 * number for number in reversed(range(FAILURES_IN_ROW)))
    between = tuple(opens + 2.7 * number for number in range(1, 8))
    return (0, 1, 2, *before, *between, 64.5)


@dataclass(frozen=True)
class Kind:
    """How the provider is away: it answers 503, it closes each connection, or it says nothing."""
    name: str
    outcome: str
    waits: dict  # mode -> seconds until an attempt is given up
    begin: object
    end: object


def scripted(words):
    return lambda ways, sim: set_script(sim, [{"match": {"model": "outage*"}, "do": words}])


def healed(_, sim):
    set_script(sim, [])


def closed(ways, _):
    ways.road.close()


def reopened(ways, _):
    ways.road.reopen()


KINDS = [
    Kind("503", "server_error", {WHOLE: 0, STREAM: 0}, scripted("status=503"), healed),
    Kind("closed", "reset", {WHOLE: 0, STREAM: 0}, closed, reopened),
    Kind("mute", "silent", {WHOLE: ATTEMPT, STREAM: FIRST_CONTENT}, scripted("silent"), healed),
]
SCHEDULES = {"even": range(0, ENDS, 4), "late-probe": late_probe(0), "late-failure": late_probe(FIRST_CONTENT)}


def cases_of(kind):
    """A silent provider is known to fail late, so that one more schedule is the worst for it; to a whole answer it
    may be silent as long as the outage lasts."""
    if kind.name == "mute":
        return [("even", WHOLE)] + [(schedule, STREAM) for schedule in SCHEDULES]
    return [(schedule, mode) for schedule in ("even", "late-probe") for mode in BOTH]


def models_for(kind):
    def make(models, ways):
        models.add_provider("first", DEFAULTS, f"http://127.0.0.1:{ways.road.port}" if kind.name == "closed" else None)
        for schedule, mode in cases_of(kind):
            models.add(f"outage-{schedule}{suffix(mode)}", "tokens=60", "first", ["good"])
        return []

    return make


class Outage:
    """One run: calls at the times of a schedule until the provider is back, then one upon the other until it is
    used, and on until all have their answers; 20 at least."""

    def __init__(self, kind, schedule, mode):
        self.kind, self.mode = kind, mode
        self.name = f"outage-{schedule}{suffix(mode)}"
        self.what = f"{kind.name} for 60 s: {schedule}{suffix(mode)}"
        self.waits = kind.waits[mode]
        self.times = [at for at in SCHEDULES[schedule] if at < ENDS]

    def follow(self, report, world):
        with ThreadPoolExecutor(len(self.times) + 1) as pool:
            watcher = pool.submit(self.watch, world)
            calls = []
            for at in self.times:
                wait_until(world.begun + at)
                calls.append(pool.submit(world.ask, self.name, self.mode))
            wait_until(world.begun + ENDS + 0.05)
            back = self.until_back(world)
            later = []
            while len(calls) + len(later) < CALLS or not all(one.done() for one in calls):
                time.sleep(2)
                later.append(world.ask(self.name, self.mode))
            self.state = watcher.result()
            self.everything = [one.result() for one in calls] + back + later
        self.tell(report, world, back[-1])

    def watch(self, world):
        """What operators see when the outage has lasted for 55 s."""
        wait_until(world.begun + ENDS - 5)
        return breaker_of(world.server, self.name), breaker_gauge(world.server, f"{self.name}+tokens=60")

    def until_back(self, world):
        run = []
        while not run or run[-1].reply.headers.get("x-huntaze-provider") != "first":
            run.append(world.ask(self.name, self.mode))
            if run[-1].begun > world.begun + ENDS + OPEN + 5:  # too late anyway; and the simulator remembers 2,000
                break
            time.sleep(PAUSE)
        return run

    def failed_rows(self, world, asked):
        return [row for row in rows_of(world.server, asked) if row["model_name"] == self.name and row["status"] != OK]

    def tell(self, report, world, first):
        seconds = first.begun - world.begun - ENDS
        failed = [row for asked in self.everything for row in self.failed_rows(world, asked)]
        changes = breaker_changes(world.server, f"{self.name}+tokens=60")
        probes = sum(before == "half_open" for before, _ in changes)
        longest = max(asked.seconds for asked in self.everything)
        report.check("an outage of 60 s costs no answer", self.what, self.is_whole, world, longest, report.margin)
        report.check("in an outage the provider is asked a few times, each at its cost", self.what, self.is_spared,
                     world, len(failed))
        if self.waits < OPEN:  # else the outage is over before it is known
            report.check("an outage opens the breaker, which shows in /health, the metrics and the log", self.what,
                         self.is_shown, changes)
        report.check(f"after an outage the provider is used again within {OPEN} s", self.what, self.is_back, first,
                     seconds)
        report.add(self.what, f"back within {OPEN} s", f"{seconds:.1f} s",
                   f"{len(self.times)} calls meanwhile, longest wait {longest:.2f} s; asked {len(failed)} times in "
                   f"vain, {probes} probes, {sum(row['amount_nusd'] for row in failed)} nano-dollars")

    def is_whole(self, world, longest, margin):
        assert len(self.everything) >= CALLS
        for asked in self.everything:
            assert_complete(world.sim, asked)
        assert longest <= self.waits + margin, longest

    def is_spared(self, world, failed):
        sent = [at for at in self.times if at > BEGINS]
        fifth = sent[FAILURES_IN_ROW - 1]
        unknowing = sum(fifth < at <= fifth + self.waits for at in sent)
        assert FAILURES_IN_ROW <= failed <= FAILURES_IN_ROW + unknowing + (ENDS - BEGINS) / OPEN, failed
        served = sum(asked.reply.headers["x-huntaze-provider"] == "first" for asked in self.everything)
        arrived = 0 if self.kind.name == "closed" else failed
        assert sum(questions_of(world, asked) for asked in self.everything) == served + arrived
        for asked in self.everything:
            for row in self.failed_rows(world, asked):
                assert_failed_row(world.sim, asked, row, self.kind.outcome)

    def is_shown(self, changes):
        state, gauge = self.state
        assert state in ("open", "half_open") and gauge == 1, self.state
        assert changes[0] == ("closed", "open") and changes[-1] == ("half_open", "closed"), changes
        assert set(changes[1:-1]) <= {("half_open", "open")}, changes

    def is_back(self, first, seconds):
        assert first.reply.headers["x-huntaze-provider"] == "first", first.reply
        assert seconds <= OPEN, seconds


def runs_of(kind):
    """The outage itself, and beside it the runs that it meets."""
    def conduct(_, world):
        wait_until(world.begun + BEGINS)
        kind.begin(world.ways, world.sim)
        wait_until(world.begun + ENDS)
        kind.end(world.ways, world.sim)

    return [conduct] + [Outage(kind, *case).follow for case in cases_of(kind)]
