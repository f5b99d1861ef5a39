"""The client leg: a provider answers with every case of answers.py; the caller gets the right answer or
a clean error, and the next request over whatever connection is left gets its own answer.
"""
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from answers import BAD, GOOD, answers, by_length, completion
from harness import Server
from scripted import Provider, read_request
from simulated import TIMEOUTS, checked, model, provider

FOLLOWING = ("the first behind it", "the second behind it")
AT_ONCE = 12
BY_NAME = {case.name: case for case in answers}


class Hostile(Provider):
    """Answers by what the prompt names: a case, or else plainly. Keeps its connections unless the case closes."""

    def serve(self, s, f):
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while (body := read_request(f)):
            prompt = body["messages"][-1]["content"]
            case = BY_NAME.get(prompt)
            s.sendall(case.write("answer to " + prompt) if case else by_length(completion("answer to " + prompt)))
            if case and case.closes:
                # A close with nothing unread is no reset, which could overtake the answer.
                s.shutdown(socket.SHUT_WR)
                s.settimeout(5)
                while f.read(4096):
                    pass
                return


@pytest.fixture(scope="module")
def behind(tmp_path_factory):
    raw = Hostile()
    timeouts = TIMEOUTS | {"first_content": 3000, "idle": 3000, "attempt": 4000, "total": 4500}
    sections = {"auth": {"required": False}, "server": {"loops": 1},
                "providers": [provider("openai", raw.url, timeouts_ms=timeouts)],
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
