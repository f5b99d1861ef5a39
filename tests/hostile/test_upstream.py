"""The client leg: a provider answers with every case of answers.py; the caller gets the right answer or
a clean error, and the next request over whatever connection is left gets its own answer.
"""
import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from answers import BAD, GOOD, answers, by_length, completion
from harness import Server
from simulated import TIMEOUTS, checked, model, provider

FOLLOWING = ("the first behind it", "the second behind it")
AT_ONCE = 12
BY_NAME = {case.name: case for case in answers}


class RawProvider:
    """Answers by what the prompt names: a case, or else plainly. Counts what it was asked."""

    def __init__(self):
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                s, _ = self.listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(s,), daemon=True).start()

    def _serve(self, s):
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with s, s.makefile("rb") as f:
            try:
                while self._answer_one(s, f):
                    pass
            except OSError:
                pass

    def _answer_one(self, s, f):
        length, line = 0, f.readline()
        if not line:
            return False
        while (header := f.readline().strip()):
            name, value = header.split(b":", 1)
            if name.lower() == b"content-length":
                length = int(value)
        prompt = json.loads(f.read(length))["messages"][-1]["content"]
        case = BY_NAME.get(prompt)
        if not case:
            s.sendall(by_length(completion("answer to " + prompt)))
            return True
        s.sendall(case.write("answer to " + prompt))
        if case.closes:
            # A close with nothing unread is no reset, which could overtake the answer.
            s.shutdown(socket.SHUT_WR)
            s.settimeout(5)
            while f.read(4096):
                pass
        return not case.closes

    def close(self):
        self.listening.close()


@pytest.fixture(scope="module")
def behind(tmp_path_factory):
    raw = RawProvider()
    timeouts = TIMEOUTS | {"first_content": 3000, "idle": 3000, "attempt": 4000, "total": 4500}
    sections = {"auth": {"required": False}, "server": {"loops": 1},
                "providers": [provider("openai", f"http://127.0.0.1:{raw.port}/v1", timeouts_ms=timeouts)],
                # One each: a deployment that fails again and again would not be asked any more.
                "models": [model(f"m{n}", "openai", f"deployment-{n}") for n in range(len(answers))],
                "routes": [{"models": ["m0"]}], "fallbacks": []}
    running = Server(tmp_path_factory.mktemp("behind"), sections, scope=None, env={"SIM_KEY": "x"})
    yield running
    faults = running.finish()
    raw.close()
    checked(faults)


@pytest.fixture(scope="module")
def seen(behind):
    """Name of the case -> the answer to it, and those to two requests behind it."""
    def ask(n):
        name = answers[n].name
        return name, [behind.chat(f"m{n}", prompt) for prompt in (name, *FOLLOWING)]

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(pool.map(ask, range(len(answers))))


@pytest.mark.parametrize("case", answers, ids=[case.name for case in answers])
def test_answer(seen, case):
    reply, *following = seen[case.name]
    if case.verdict == GOOD:
        assert reply.status == 200 and reply.text == "answer to " + case.name, (case.why, reply)
    else:
        assert reply.status in (502, 504) and reply.error["message"], (case.why, reply)
        assert b"smuggled" not in reply.body
    for prompt, next_reply in zip(FOLLOWING, following):
        assert next_reply.status == 200 and next_reply.text == "answer to " + prompt, next_reply


def test_the_corpus_is_large_and_names_are_unique():
    assert len(answers) >= 60 and len(BY_NAME) == len(answers)
    assert {case.verdict for case in answers} == {GOOD, BAD}
