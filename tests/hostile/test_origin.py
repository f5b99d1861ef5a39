"""Every request of the corpus, sent to the server whole and byte by byte: the same verdict both times.

Behind each request stands another one. A server that refuses must not read it; one that accepts must
answer it next, which shows that it took exactly the bytes of the request before.
"""
import pytest

from corpus import LIVE, cases
from wire import RESET, open_to, read_to_end, send, split_replies

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"
NEXT = b"GET /livez HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
BYTE_BY_BYTE_MAX = 600  # longer ones go in pieces of a size that is no power of two
PIECE_BYTES = 997
REFUSALS = {400: "bad_http", 413: "request_too_large", 414: "uri_too_long", 417: "expectation_failed",
            431: "headers_too_large", 501: "not_implemented", 505: "http_version"}


def cut_up(raw):
    size = 1 if len(raw) <= BYTE_BY_BYTE_MAX else PIECE_BYTES
    return [raw[i:i + size] for i in range(0, len(raw), size)]


def ask(port, raw, is_cut_up, ends_early=False):
    with open_to(port) as s:
        send(s, cut_up(raw) if is_cut_up else [raw])
        if ends_early:
            s.shutdown(1)
        return read_to_end(s)


def check_answers(replies, answers):
    for reply, answer in zip(replies, answers):
        assert reply.status == answer.status, reply
        assert answer.is_head or answer.says in reply.body.decode(), reply


def check_refused(case, replies):
    assert len(replies) == len(case.answers) + 1, replies
    check_answers(replies, case.answers)
    last = replies[-1]
    assert last.status == case.refused and last.closes, last
    assert last.code == REFUSALS[case.refused], last


def check_accepted(case, replies):
    answers = case.answers if case.closes else (*case.answers, LIVE)
    assert len(replies) == len(answers), replies
    check_answers(replies, answers)
    assert [reply.closes for reply in replies] == [False] * (len(replies) - 1) + [True]


@pytest.mark.parametrize("is_cut_up", [False, True], ids=["whole", "in pieces"])
@pytest.mark.parametrize("case", cases, ids=[case.name for case in cases])
def test_request(open_server, case, is_cut_up):
    if case.is_cut:
        assert ask(open_server.port, case.raw, is_cut_up, ends_early=True) in (b"", RESET), case.why
        return
    follower = SMUGGLED if case.refused or case.closes else NEXT
    data = ask(open_server.port, case.raw + follower, is_cut_up)
    assert b"/smuggled" not in data, case.why
    heads = {place for place, answer in enumerate(case.answers) if answer.is_head}
    replies = split_replies(data, heads)
    (check_refused if case.refused else check_accepted)(case, replies)


def test_the_log_has_every_answer_and_nothing_smuggled(open_server):
    """Runs behind the others; alone it has nothing to find."""
    lines = [line for line in open_server.logs() if line["event"] == "request"]
    assert not [line for line in lines if "smuggled" in line.get("path", "")]


def test_the_corpus_is_large_and_names_are_unique():
    assert len(cases) >= 400 and len({case.name for case in cases}) == len(cases)
