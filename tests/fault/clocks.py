"""What scenarios with the router's real limits share: the limits, a router with its provider, the report."""
import threading
import time
import traceback
from pathlib import Path

import harness
from faults import WHOLE
from seen import ask, models_asked

crash = harness.load_script(Path(__file__).resolve().parent / "crash")

# The defaults of docs/configuration.md, in seconds.
CONNECT, FIRST_CONTENT, IDLE, ATTEMPT, TOTAL = 2, 8, 20, 60, 120
OPEN, FAILURES_IN_ROW, REST_MOST = 30, 5, 60
REPEATS, JITTER = (1, 2, 4), 0.2
DEFAULTS = {}             # of a provider that says nothing about its limits
EARLY = 0.02              # of what is reckoned between two calls, each a little after its time
LONG = 150                # how long a client waits before it calls the router dead
RUN = 130                 # of scenarios without an end: room for four probes of a breaker


def wait_until(moment):
    time.sleep(max(0, moment - time.monotonic()))


class Report:
    """What was measured, a line a call or run, and which promises were broken."""

    def __init__(self, args):
        self.margin, self.begun, self.lock = args.margin, time.monotonic(), threading.Lock()
        self.checks, self.lines = crash.Checks(), []

    def say(self, text):
        with self.lock:
            print(f"{time.monotonic() - self.begun:6.1f} s  {text}", flush=True)

    def add(self, what, expected, measured, saw):
        with self.lock:
            self.lines.append((what, expected, measured, saw))
        self.say(f"{what}: {measured} ({expected}), {saw}")

    def check(self, promise, what, function, *args):
        """Whether nothing of it failed."""
        faults = []
        try:
            function(*args)
        except Exception as problem:  # also what is missing in an answer: KeyError, ValueError, ...
            at = [f"{Path(frame.filename).name}:{frame.lineno} {frame.line}"
                  for frame in traceback.extract_tb(problem.__traceback__)[1:]]
            faults.append(f"{what}: {type(problem).__name__} {problem}\n      " + "\n      ".join(at))
            self.say(f"BROKEN {faults[0]}")
        with self.lock:
            self.checks.check(promise, faults)
        return not faults

    def check_time(self, what, seconds, least, most):
        is_good = least - EARLY <= seconds <= most + self.margin
        with self.lock:
            self.checks.check("in time, and not before",
                              [] if is_good else [f"{what}: after {seconds:.2f} s, not {least:g} to {most:g}"])

    def table(self):
        widths = [max(len(line[i]) for line in self.lines) for i in range(3)]
        for line in sorted(self.lines):
            print("  ".join(text.ljust(width) for text, width in zip(line, widths)) + "  " + line[3])


class World:
    """A router whose limits are the defaults, and its provider."""

    def __init__(self, folder, models, sim, ways, settings):
        self.sim, self.ways, self.begun = sim, ways, None
        self.whole = {}  # as tests/fault/crash notes them: correlation id -> usage, or None of a stream
        # Few are in flight: the file of slots need not have its usual 32 MiB.
        self.server = harness.Server(folder, models.sections() | {"ledger": {"slots_count": 64}}, env=settings)

    def ask(self, name, mode):
        asked = ask(self, name, mode, timeout=LONG)
        if asked.reply.status == 200 and (mode == WHOLE or asked.events[-1] == "[DONE]"):
            self.whole[asked.mark] = asked.reply.json["usage"] if mode == WHOLE else None
        return asked


def questions_of(world, asked):
    return models_asked(world.sim, asked).count(asked.name)
