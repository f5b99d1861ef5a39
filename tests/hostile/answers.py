"""Raw answers of a provider, and what a caller may see of them (RFC 9110, RFC 9112).

GOOD: the answer is whole and its meaning beyond doubt. BAD: the caller gets a clean 502 or 504. In
either case the next request is answered rightly: nothing of one answer is taken for the next.
"""
import json
from dataclasses import dataclass

GOOD, BAD = "good", "bad"
CRLF = b"\r\n"


@dataclass(frozen=True)
class Hostile:
    name: str
    write: object     # text of the answer -> bytes
    verdict: str
    why: str
    closes: bool = True  # the provider closes behind it; otherwise it waits for the next request


answers = []


def completion(text):
    return json.dumps({"id": "c1", "object": "chat.completion", "created": 1, "model": "gpt-4o",
                       "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
                       "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}}).encode()


def octets(text):
    return text if isinstance(text, bytes) else text.encode("latin-1")


def head(*headers, line="HTTP/1.1 200 OK"):
    return CRLF.join([octets(line), b"Content-Type: application/json", *map(octets, headers)]) + CRLF * 2


def by_length(body, *headers, line="HTTP/1.1 200 OK"):
    return head(f"Content-Length: {len(body)}", *headers, line=line) + body


def chunks(body, size=20, extension=b"", end=b"0\r\n\r\n"):
    pieces = [body[i:i + size] for i in range(0, len(body), size)]
    return b"".join(b"%x%s\r\n%s\r\n" % (len(piece), extension, piece) for piece in pieces) + end


def by_chunks(body, *headers, **coding):
    return head("Transfer-Encoding: chunked", *headers) + chunks(body, **coding)


def answer(verdict, name, write, why, closes=True):
    answers.append(Hostile(name, lambda text: write(completion(text)), verdict, why, closes))


def good(name, write, why, closes=True):
    answer(GOOD, name, write, why, closes)


def bad(name, write, why, closes=True):
    answer(BAD, name, write, why, closes)


WRONG = completion("smuggled")
SECOND = by_length(WRONG)

# ---- framing ----

good("length", by_length, "9112 6.2", closes=False)
good("chunks", by_chunks, "9112 7.1", closes=False)
good("until close", lambda b: head() + b, "9112 6.3")
good("HTTP/1.0 until close", lambda b: head(line="HTTP/1.0 200 OK") + b, "9112 6.3")
good("HTTP/1.0 with length", lambda b: by_length(b, line="HTTP/1.0 200 OK"), "9112 6.2")
good("connection: close", lambda b: by_length(b, "Connection: close"), "9112 9.6")
bad("length before coding", lambda b: head(f"Content-Length: {len(b)}", "Transfer-Encoding: chunked") + chunks(b), "9112 6.1: response splitting")
bad("coding before length", lambda b: head("Transfer-Encoding: chunked", f"Content-Length: {len(b)}") + chunks(b), "9112 6.1")
for value in ["+{}", "-{}", "0x{:x}", "{0},{0}", "{0}, {0}", "{}a", "{} 1", "{}.0", "", "a", "9999999999999999999999", "18446744073709551616", "{}\x00", '"{}"']:
    bad(f"length {value!r}", lambda b, v=value: head("Content-Length: " + v.format(len(b))) + b, "9110 8.6: 1*DIGIT")
bad("length twice", lambda b: by_length(b, f"Content-Length: {len(b)}"), "9112 6.3")
bad("two lengths", lambda b: by_length(b, "Content-Length: 1"), "9112 6.3")
for value in ["identity", "gzip", "gzip, chunked", "chunked, chunked", "chunked, identity", "xchunked", "chunked;q=1", "", "\x0bchunked", '"chunked"']:
    bad(f"coding {value!r}", lambda b, v=value: head(f"Transfer-Encoding: {v}") + chunks(b), "9112 6.1: exactly chunked")
bad("coding twice", lambda b: head("Transfer-Encoding: chunked", "Transfer-Encoding: chunked") + chunks(b), "9112 6.1")
bad("coding in HTTP/1.0", lambda b: head("Transfer-Encoding: chunked", line="HTTP/1.0 200 OK") + chunks(b), "9112 6.1")
for name in ["Content-Length ", "Transfer-Encoding ", " Transfer-Encoding", "Transfer-Encoding\t", "Transfer-Encoding\x00", "Content Length"]:
    bad(f"name {name!r}", lambda b, n=name: head(n + ": chunked") + chunks(b), "9112 5.1")

# ---- chunks ----

good("chunks with extensions", lambda b: by_chunks(b, extension=b";a=b"), "9112 7.1.1", closes=False)
good("chunks of one byte", lambda b: by_chunks(b, size=1), "9112 7.1", closes=False)
good("trailers", lambda b: by_chunks(b, end=b"0\r\nX: y\r\nContent-Length: 3\r\n\r\n"), "9112 7.1.2: they frame nothing", closes=False)
for size in [b"0x%x", b"+%x", b"-%x", b" %x", b"%x ", b"g%x", b"", b"%x\n", b"ffffffffffffffff%x", b"%x;a\nb", b"%x\x00"]:
    bad(f"chunk size {size!r}", lambda b, s=size: head("Transfer-Encoding: chunked") + (s % len(b) if b"%" in s else s) + CRLF + b + b"\r\n0\r\n\r\n", "9112 7.1")
for end in [b"\n", b"", b"XX", b"\r", b"\r\r\n"]:
    bad(f"chunk ended by {end!r}", lambda b, e=end: head("Transfer-Encoding: chunked") + b"%x\r\n" % len(b) + b + e + b"0\r\n\r\n", "9112 7.1")
for end in [b"", b"0", b"0\r\n", b"0\r\nX: y\r\n", b"0\n\n", b"0\r\nX\r\n\r\n", b"0\r\n X: y\r\n\r\n", b"0\r\nX: y\n\r\n"]:
    bad(f"last chunk {end!r}", lambda b, e=end: by_chunks(b, end=e), "9112 7.1, 8: incomplete or malformed")
bad("extensions without end", lambda b: by_chunks(b, size=1, extension=b";" + b"x" * 500), "bounded")
bad("trailers without end", lambda b: by_chunks(b, end=b"0\r\n" + b"X: y\r\n" * 5000 + CRLF), "bounded")

# ---- cut short ----

for part in [0, 1, 2, 3]:
    bad(f"{part} quarters of a length", lambda b, p=part: head(f"Content-Length: {len(b)}") + b[:len(b) * p // 4], "9112 8")
    bad(f"{part} quarters in chunks", lambda b, p=part: by_chunks(b)[:len(by_chunks(b)) * (p + 2) // 6], "9112 8")
bad("nothing", lambda b: b"", "9112 8")
bad("half a status line", lambda b: b"HTTP/1.1 2", "9112 8")
bad("half a head", lambda b: b"HTTP/1.1 200 OK\r\nContent-Le", "9112 8")
bad("half until close", lambda b: head() + b[:len(b) // 2], "no JSON")
bad("empty 200", lambda b: head("Content-Length: 0"), "no JSON", closes=False)

# ---- bytes behind the answer: they belong to nobody ----

good("a second answer behind a length", lambda b: by_length(b) + SECOND, "9112 9.2: must not answer the next request", closes=False)
good("a second answer behind chunks", lambda b: by_chunks(b) + SECOND, "9112 9.2", closes=False)
good("garbage behind a length", lambda b: by_length(b) + b"garbage", "9112 6.3", closes=False)
good("CR LF behind a length", lambda b: by_length(b) + CRLF, "9112 6.3", closes=False)
good("an error behind a length", lambda b: by_length(b) + b"HTTP/1.1 500 x\r\nContent-Length: 0\r\n\r\n", "9112 9.2", closes=False)
good("a second answer behind connection: close", lambda b: by_length(b, "Connection: close") + SECOND, "9112 9.6")
good("HTTP/1.0 keeps nothing", lambda b: by_length(b, "Connection: keep-alive", line="HTTP/1.0 200 OK") + SECOND, "9112 9.3", closes=False)
bad("body longer than its length", lambda b: head(f"Content-Length: {len(b) - 1}") + b, "no JSON", closes=False)
bad("204 with a body", lambda b: by_length(b, line="HTTP/1.1 204 No Content"), "9110 15.3.5", closes=False)
bad("304 with a body", lambda b: by_length(b, line="HTTP/1.1 304 Not Modified"), "9110 15.4.5", closes=False)
bad("205 with a body", lambda b: by_length(b, line="HTTP/1.1 205 Reset Content"), "9110 15.3.6", closes=False)

# ---- status lines ----

for line in ["HTTP/2.0 200 OK", "HTTP/0.9 200 OK", "HTTP/1.2 200 OK", "HTTP/11 200 OK", "http/1.1 200 OK", "ICY 200 OK", "HTTP/1.1  200 OK", "HTTP/1.1 20 OK", "HTTP/1.1 2000 OK",
             "HTTP/1.1 2x0 OK", "HTTP/1.1 099 OK", "HTTP/1.1 600 OK", "HTTP/1.1 999 OK", "HTTP/1.1 -20 OK", "HTTP/1.1 200\tOK", "HTTP/1.1\t200 OK", " HTTP/1.1 200 OK", "HTTP/1.1", "200 OK",
             "HTTP/1.1 200 O\x00K", "HTTP/1.1 200 OK\r", "HTTP/1.1 200OK", "GET / HTTP/1.1", "\x16\x03\x01", "HTTP/1.1 200 \x7f", "220 smtp ready"]:
    bad(f"status line {line!r}", lambda b, l=line: by_length(b, line=l), "9112 4")
good("no reason phrase", lambda b: by_length(b, line="HTTP/1.1 200 "), "9112 4: may be absent", closes=False)
good("no space behind the status", lambda b: by_length(b, line="HTTP/1.1 200"), "common, and not ambiguous", closes=False)
good("a strange reason phrase", lambda b: by_length(b, line="HTTP/1.1 200 \xe9\xff !"), "9112 4: obs-text", closes=False)
bad("bare LF", lambda b: by_length(b).replace(CRLF, b"\n"), "9112 2.2")
bad("an empty line before", lambda b: CRLF + by_length(b), "9112 4")

# ---- headers ----

for line in ["X : y", " X: y", "X", ": y", "X: y\r\n z", "X: y\nZ: a", "X: y\rZ: a", "X: \x00", "X\x00: y", "X: \x7f", "(X): y", "X Y: z"]:
    bad(f"header line {line!r}", lambda b, l=line: by_length(b, l), "9112 5, 9110 5.5")
bad("a header of 100 KiB", lambda b: by_length(b, "X: " + "y" * 102400), "bounded")
bad("5000 headers", lambda b: by_length(b, *["X: y"] * 5000), "bounded")
bad("101 headers", lambda b: by_length(b, *[f"X{i}: y" for i in range(101)]), "bounded")
bad("a head without end", lambda b: b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20000, "bounded")
bad("a status line of 100 KiB", lambda b: by_length(b, line="HTTP/1.1 200 " + "x" * 102400), "bounded")
good("90 headers", lambda b: by_length(b, *[f"X{i}: y" for i in range(90)]), "within the limit", closes=False)
good("obs-text in a header", lambda b: by_length(b, "X: \xe9"), "9110 5.5", closes=False)

# ---- interim answers ----

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
good("100 before", lambda b: CONTINUE + by_length(b), "9110 15.2: may come unasked", closes=False)
good("103 and 102 before", lambda b: HINTS + b"HTTP/1.1 102 Processing\r\n\r\n" + by_length(b), "9110 15.2", closes=False)
bad("1000 times 100", lambda b: CONTINUE * 1000 + by_length(b), "bounded")
bad("103 without end", lambda b: HINTS * 20000, "bounded")
bad("101", lambda b: b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n" + by_length(b), "9110 15.2.2: nobody asked")
bad("100 alone", lambda b: CONTINUE, "9112 8")
good("100 with a length", lambda b: b"HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n" + by_length(b), "9110 15.2: no body", closes=False)
