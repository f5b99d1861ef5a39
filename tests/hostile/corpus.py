"""Raw HTTP/1.1 requests and what a strict server makes of them (RFC 9110, RFC 9112).

A case is accepted (a list of answers, one a request), refused (a status, then the connection closes and
nothing behind it is read as a request) or cut (more bytes were announced than sent: no answer at all).
Where the RFC leaves a choice between repairing and refusing, the verdict is to refuse.

Answers tell what the server understood: an unknown path is named by its 404, an unknown JSON member by
the 400 of POST /route.
"""
from dataclasses import dataclass

CRLF = b"\r\n"
TOKEN = set(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


@dataclass(frozen=True)
class Answer:
    status: int
    says: str = ""
    is_head: bool = False


@dataclass(frozen=True)
class Case:
    name: str
    raw: bytes
    why: str
    answers: tuple = ()
    refused: int = 0      # status, 0: not refused
    closes: bool = False  # behind the last accepted answer
    is_cut: bool = False


cases = []


def octets(text):
    return text if isinstance(text, bytes) else text.encode("latin-1")


def head(line, *headers):
    return CRLF.join([octets(line), *map(octets, headers)]) + CRLF * 2


def get(*headers, line="GET /seen HTTP/1.1", host="Host: h"):
    return head(line, *([host] if host is not None else []), *headers)


def post(*headers, body=b"", line="POST /route HTTP/1.1"):
    return head(line, "Host: h", *headers) + octets(body)


def json_body(mark):
    return b'{"%s":1}' % octets(mark)


def seen(path="/seen", method="GET"):
    return Answer(404, f"there is nothing at {method} {path};", method == "HEAD")


def understood(mark="mark"):
    return Answer(400, f"unknown field \\\"{mark}\\\"")


LIVE = Answer(200, '"status"')
MARK = json_body("mark")      # 10 bytes
CHUNKS = b"a\r\n" + MARK + b"\r\n0\r\n\r\n"


def add(name, raw, why, **verdict):
    cases.append(Case(name, raw, why, **verdict))


def accept(name, raw, why, *answers, closes=False):
    add(name, raw, why, answers=answers or (seen(),), closes=closes)


def refuse(name, raw, why, status=400, behind=()):
    add(name, raw, why, refused=status, answers=tuple(behind))


def cut(name, raw, why):
    add(name, raw, why, is_cut=True)


def shown(value):
    return value[:40] if isinstance(value, str) else value[:40].decode("latin-1")


# ---- Content-Length ----

for value in ["+10", "-10", "0x0a", "10 10", "10,10", "10, 10", "10;", "10.0", "1e1", "10a", "a", "", " ", '"10"', "10,",
              ",10", "10 ,10", "10,11", "10\x0b", "\x0b10", "\x0c10", "10\x00", "\x0010", "10\x7f", "\xb2\xb3", "１０".encode(),
              "1 0", "1_0", "10h", "10L", "0b1010", "0o12", "１".encode() + b"0", "-0", "+0", "10\t10", "ten", "Infinity",
              "NaN", "%31%30", "10/2", "(10)", "10=10", "\\10"]:
    refuse(f"content-length {shown(value)!r}", post(b"Content-Length: " + octets(value), body=MARK),
           "9110 8.6: Content-Length = 1*DIGIT")
for value in ["9" * 19, "9223372036854775808", "18446744073709551626", "18446744073709551616", "1" + "0" * 40, "0" * 19 + "10",
              "340282366920938463463374607431768211466"]:
    refuse(f"content-length overflow {value[:24]}", post(f"Content-Length: {value}", body=MARK),
           "9112 6.3: prevent integer conversion overflows")
for value in ["8388609", "4294967306", "2147483648", "999999999999999999"]:
    refuse(f"content-length above the limit {value}", post(f"Content-Length: {value}", body=MARK),
           "9110 15.5.14: content too large", 413)
for value in ["10", "010", "0000000010", " 10", "10 ", "\t10\t", "  10  "]:
    accept(f"content-length {value!r}", post(f"Content-Length:{value}", body=MARK), "9110 5.5: OWS around a value", understood())
for first, second in [("10", "10"), ("10", "11"), ("11", "10"), ("10", "0"), ("0", "10"), ("10", ""), ("", "10"), ("10", "x"),
                      ("10", "010"), ("10", "+10")]:
    refuse(f"content-length twice {first!r} {second!r}",
           post(f"Content-Length: {first}", f"Content-Length: {second}", body=MARK), "9112 6.3: repeated Content-Length")
refuse("content-length thrice", post(*["Content-Length: 10"] * 3, body=MARK), "9112 6.3")
refuse("content-length in two cases", post("content-length: 10", "CONTENT-LENGTH: 10", body=MARK), "9110 5.1: names have no case")
refuse("content-length apart", post("Content-Length: 10", "X: y", "Content-Length: 10", body=MARK), "9112 6.3")
accept("content-length 0 on POST", post("Content-Length: 0"), "9112 6.2", Answer(400, "JSON"))
accept("no content-length on POST", post(), "9112 6.3: no body", Answer(400, "JSON"))
accept("content-length 0 on GET", get("Content-Length: 0"), "9110 9.3.1")
accept("body on GET", get("Content-Length: 10") + MARK, "9110 9.3.1: framed like any other")
accept("body on DELETE", get("Content-Length: 10", line="DELETE /seen HTTP/1.1") + MARK, "9110 9.3.5", seen(method="DELETE"))
accept("body on HEAD", get("Content-Length: 10", line="HEAD /seen HTTP/1.1") + MARK, "9110 9.3.2", seen(method="HEAD"))
accept("content-length of all cases", post("cOnTeNt-LeNgTh: 10", body=MARK), "9110 5.1", understood())
for sent in range(0, 10, 3):
    cut(f"body of {sent} of 10 bytes", post("Content-Length: 10", body=MARK[:sent]), "9112 8: incomplete message")
for name in ["Content-Length ", "Content-Length\t", " Content-Length", "\tContent-Length", "Content-Length\x00", "Content-Length\x0b",
             "Content Length", "\x00Content-Length", "Content-Length\x85", "Content-Length\xa0", "\xa0Content-Length", "Content-Length\r",
             "Content-Length\x0c", "\x0bContent-Length", "(Content-Length)", '"Content-Length"', "Content-Length;", "Content-Length,"]:
    refuse(f"name {name!r} for content-length", post(octets(name) + b": 10", body=MARK), "9112 5.1: no whitespace before the colon; 5.6.2: token")
    refuse(f"name {name!r} beside content-length", post("Content-Length: 10", octets(name) + b": 20", body=MARK), "9112 5.1; 9110 5.6.2")
for name in ["Content_Length", "Content-Lengthx", "XContent-Length", "Content-Length-", "Content--Length", "ContentLength", "C0ntent-Length"]:
    accept(f"another header {name}", get(f"{name}: 10"), "9110 5.1: a different name", seen())

# ---- Transfer-Encoding ----

for value in ["chunked", "Chunked", "CHUNKED", "chunkeD", " chunked", "chunked ", "\tchunked\t"]:
    accept(f"transfer-encoding {value!r}", post(f"Transfer-Encoding:{value}", body=CHUNKS), "9112 6.1, 7", understood())
for value in ["", " ", "chunked, chunked", "chunked,", ",chunked", "chunked;q=1", "chunked; q=1", "chunked foo", "xchunked", "chunkedx", "chunk",
              "identity", "chunked, identity", "gzip", "'chunked'", '"chunked"', "chunked\x0b", "\x0bchunked", "chunked\x00", "\x00chunked",
              "chun\x00ked", "chunked\x7f", "\xa0chunked", "chunked\xa0", "chunked\x85", "cow", "chunked, cow", "chunked chunked", "chunked,,",
              "chunked-", "chunked=1", "chunked:", "chun ked", "chunked\x0c", "\x1fchunked", "%63hunked", "chunked, gzip", "chunked\xef\xbb\xbf",
              "chunked/1", "(chunked)", "chunked()", "null", "x", "chunked\\", "chu\xc3\xb1ked", "chunkeð", "chunKed".replace("K", "\xe2\x84\xaa")]:
    refuse(f"transfer-encoding {shown(value)!r}", post(b"Transfer-Encoding: " + octets(value), body=CHUNKS), "9112 6.1: exactly chunked")
for value in ["gzip, chunked", "identity, chunked", "deflate,chunked", "compress, gzip, chunked", "x-gzip, chunked", "br ,chunked", "cow, chunked"]:
    refuse(f"transfer-encoding {value!r}", post(f"Transfer-Encoding: {value}", body=CHUNKS), "9112 6.1: a coding that is not implemented", 501)
for first, second in [("chunked", "chunked"), ("chunked", "identity"), ("identity", "chunked"), ("chunked", "x"), ("x", "chunked"), ("chunked", ""),
                      ("", "chunked"), ("gzip", "chunked")]:
    refuse(f"transfer-encoding twice {first!r} {second!r}",
           post(f"Transfer-Encoding: {first}", f"Transfer-Encoding: {second}", body=CHUNKS), "9112 6.1: one field, one coding")
for name in ["Transfer-Encoding ", "Transfer-Encoding\t", " Transfer-Encoding", "\tTransfer-Encoding", "Transfer-Encoding\x00", "Transfer-Encoding\x0b",
             "Transfer Encoding", "\x00Transfer-Encoding", "Transfer-Encoding\xa0", "\x85Transfer-Encoding", "Transfer-Encoding\r", "Transfer\x00-Encoding",
             "\x0cTransfer-Encoding", "Transfer-Encoding;", "(Transfer-Encoding)", "Transfer-Encoding\x1f", "Transfer-Encoding\x7f", "[Transfer-Encoding]"]:
    refuse(f"name {name!r} for transfer-encoding", post(octets(name) + b": chunked", body=CHUNKS), "9112 5.1, 9110 5.6.2")
    refuse(f"name {name!r} beside content-length", post("Content-Length: 21", octets(name) + b": chunked", body=CHUNKS), "9112 5.1, 9110 5.6.2")
for name in ["Transfer_Encoding", "TransferEncoding", "Transfer-Encodin", "Transfer-Encodings", "X-Transfer-Encoding", "Transfer.Encoding", "TE"]:
    accept(f"another header {name}: chunked", post(f"{name}: chunked", "Content-Length: 10", body=MARK), "9110 5.1: a different name", understood())

# ---- both ----

for length in ["10", "0", "20", "21", "x", ""]:
    for coding in ["chunked", "identity", "x", "gzip, chunked"]:
        refuse(f"length {length!r} before coding {coding!r}", post(f"Content-Length: {length}", f"Transfer-Encoding: {coding}", body=CHUNKS),
               "9112 6.1: both is an attempt at smuggling")
        refuse(f"coding {coding!r} before length {length!r}", post(f"Transfer-Encoding: {coding}", f"Content-Length: {length}", body=CHUNKS),
               "9112 6.1: both is an attempt at smuggling")
refuse("both on GET", get("Content-Length: 0", "Transfer-Encoding: chunked") + b"0\r\n\r\n", "9112 6.1")
refuse("both in HTTP/1.0", post("Content-Length: 10", "Transfer-Encoding: chunked", body=CHUNKS, line="POST /route HTTP/1.0"), "9112 6.1")
refuse("coding in HTTP/1.0", post("Transfer-Encoding: chunked", body=CHUNKS, line="POST /route HTTP/1.0"), "9112 6.1: faulty framing")
refuse("both, names in odd cases", post("content-LENGTH: 10", "transfer-ENCODING: chunked", body=CHUNKS), "9112 6.1")
refuse("both, far apart", post("Content-Length: 10", *[f"X{i}: y" for i in range(50)], "Transfer-Encoding: chunked", body=CHUNKS), "9112 6.1")
refuse("both, coding named by connection", post("Content-Length: 10", "Transfer-Encoding: chunked", "Connection: transfer-encoding", body=CHUNKS), "9112 6.1")

# ---- chunks ----

CODED = "Transfer-Encoding: chunked"


def chunked(body):
    return post(CODED, body=body)


def in_chunk(size_line, data=MARK, behind=b"\r\n0\r\n\r\n"):
    return chunked(octets(size_line) + data + octets(behind))


for size in ["a", "A", "0a", "00000000000000a", "a;ext", "a;ext=1", 'a;ext="q"', "a;a=b;c=d", "a;", "a;;;", "a;x\ty"]:
    accept(f"chunk size {size!r}", in_chunk(size + "\r\n"), "9112 7.1", understood())
for size in ["", "0xa", "+a", "-a", " a", "a ", "\ta", "a\t", "g", "a g", "a ;ext", "a\x00", "\x00a", "a\x0b", "a,", "a=1", "a.0", "0x", "a:", "x", "\xa0a",
             "a\xa0", "a#", '"a"', "a\x7f", "\xd9\xa1", "a_", "_a", "a-", "ah", "%61", "a/", "a\\", "a|"]:
    refuse(f"chunk size {size!r}", in_chunk(size + "\r\n"), "9112 7.1: chunk-size = 1*HEXDIG")
for size in ["1000000000000000a", "10000000000000000", "fffffffffffffffff", "ffffffffffffffff", "8000000000000000", "fffffffffffffff6", "0" * 17 + "a", "0" * 100 + "a",
             "f" * 400]:
    refuse(f"chunk size overflow {size[:20]} of {len(size)}", in_chunk(size + "\r\n"), "9112 7.1: anticipate large numerals")
for size in ["fffffffffffffff", "7fffffff", "ffffffff", "100000000", "800001"]:
    refuse(f"chunk size above the limit {size}", in_chunk(size + "\r\n"), "9110 15.5.14", 413)
for end in ["\n", "\r", "\r\r\n", "\n\r", "\r \n", " \r\n", "\x0b\r\n", "\r\x00\n", "\n\n", "\r\t\n", "\\r\\n"]:
    refuse(f"chunk size line ended by {end!r}", in_chunk("a" + end), "9112 2.2, 7.1: CRLF only")
for end in ["\n", "\r", "\r\r\n", "\n\r\n", "\r "]:
    refuse(f"extension ended by {end!r}", in_chunk("a;ext" + end), "9112 7.1.1: CRLF only")
for byte in [0, 1, 8, 10, 11, 12, 14, 31, 127]:
    refuse(f"byte {byte:#x} in an extension", in_chunk(b"a;e" + bytes([byte]) + b"xt\r\n"), "9112 7.1.1; CVE class of terminators in extensions")
refuse("extension too long", in_chunk("a;" + "x" * 20000 + "\r\n"), "9112 7.1.1: limit extensions")
refuse("extensions too long in sum", chunked(b"".join(b"1;" + b"x" * 2000 + b"\r\n \r\n" for _ in range(20)) + b"0\r\n\r\n"), "9112 7.1.1: limit the total")
for end in ["\n", "\r", "", "XX", "\n\r", "\r\r\n", " \r\n", "\x00\r\n", "a", "\r\x00", "\t\r\n"]:
    refuse(f"chunk data ended by {end!r}", in_chunk("a\r\n", behind=end + "0\r\n\r\n"), "9112 7.1: chunk-data CRLF")
refuse("chunk longer than its size", in_chunk("9\r\n"), "9112 7.1")
refuse("chunk shorter than its size", in_chunk("b\r\n"), "9112 7.1")
for last in ["0\r\n\r\n", "00\r\n\r\n", "000000000000000\r\n\r\n", "0;x\r\n\r\n", "0\r\nX: y\r\n\r\n", "0\r\nX:y\r\nZ:\r\n\r\n", "0\r\nContent-Length: 99\r\n\r\n",
             "0\r\nTransfer-Encoding: gzip\r\n\r\n", "0\r\nHost: other\r\n\r\n", "0\r\nX: \x80\r\n\r\n"]:
    accept(f"last chunk {last!r}", in_chunk("a\r\n", behind="\r\n" + last), "9112 7.1.2: trailers frame nothing", understood())
for last in ["0\n\r\n", "0\r\n\n", "0\n\n", "0\r\nX: y\n\r\n", "0\r\nX: y\r\n\n", "0\r\nX\r\n\r\n", "0\r\n X: y\r\n\r\n", "0\r\nX : y\r\n\r\n", "0\r\nX: y\r\n z\r\n\r\n",
             "0\r\n: y\r\n\r\n", "0\r\nX: \x00\r\n\r\n", "0\r\nX: a\rb\r\n\r\n", "0\r\n\r\r\n", "0\r\nX\x00: y\r\n\r\n", "0 \r\n\r\n", "0x0\r\n\r\n", "-0\r\n\r\n", "0\r\rX",
             "0\r\nX: \x7f\r\n\r\n", "0\r\n(X): y\r\n\r\n", "0\r\nX y: z\r\n\r\n"]:
    refuse(f"last chunk {last!r}", in_chunk("a\r\n", behind="\r\n" + last), "9112 7.1.2: trailers follow the syntax of headers")
refuse("trailer too long", in_chunk("a\r\n", behind="\r\n0\r\nX: " + "y" * 20000 + "\r\n\r\n"), "9112 7.1.2: bounded")
refuse("trailers too many", in_chunk("a\r\n", behind="\r\n0\r\n" + "X: yyyyyyyyyyyyyyyy\r\n" * 1000 + "\r\n"), "9112 7.1.2: bounded")
accept("chunks of one byte", chunked(b"".join(b"1\r\n%c\r\n" % c for c in MARK) + b"0\r\n\r\n"), "9112 7.1", understood())
accept("an empty chunked body", chunked("0\r\n\r\n"), "9112 7.1", Answer(400, "JSON"))
accept("a chunked body on GET", get(CODED, line="GET /livez HTTP/1.1") + b"3\r\nabc\r\n0\r\n\r\n",
       "9110 9.3.1: framed like any other", LIVE)
accept("a chunked body that nobody wants", get(CODED) + b"3\r\nabc\r\n0\r\n\r\n",
       "9110 9.3.1; it is not read, its end is unknown: the answer says that it is the last", closes=True)
for body in ["", "a", "a\r\n", "a\r\n{", "a\r\n" + MARK.decode(), "a\r\n" + MARK.decode() + "\r\n", "a\r\n" + MARK.decode() + "\r\n0\r\n", "a\r\n" + MARK.decode() + "\r\n0\r\nX: y\r\n"]:
    cut(f"chunked body ends behind {len(body)} bytes", chunked(body), "9112 8: incomplete message")

# ---- header syntax ----

for byte in sorted(set(range(256)) - TOKEN - {ord(":"), 10, 13}):
    if byte < 33 or byte in b'"(),/;<=>?@[\\]{}\x7f' or byte % 8 == 0 or byte > 0xfa:
        refuse(f"byte {byte:#04x} in a name", get(b"X" + bytes([byte]) + b"Y: z"), "9110 5.1, 5.6.2: names are tokens")
for byte in [*range(0, 32), 127]:
    if byte not in (9, 10, 13):
        refuse(f"byte {byte:#04x} in a value", get(b"X: y" + bytes([byte]) + b"z"), "9110 5.5: control characters")
        refuse(f"byte {byte:#04x} before a value", get(b"X:" + bytes([byte]) + b"z"), "9110 5.5: control characters")
for byte in [9, 32, 0x80, 0x85, 0xa0, 0xc3, 0xff, *b'"(),/:;<=>?@[\\]{}']:
    accept(f"byte {byte:#04x} in a value", get(b"X: y" + bytes([byte]) + b"z"), "9110 5.5: field-vchar, obs-text, SP, HTAB")
for token in [b"!#$%&'*+-.^_`|~", b"0", b"X", b"x1"]:
    accept(f"name {token.decode()}", get(token + b": y"), "9110 5.6.2")
for line, why in [("X : y", "9112 5.1"), ("X\t: y", "9112 5.1"), (": y", "9110 5.1: empty name"), (" : y", "9112 5.2"), ("X", "no colon"), ("X y", "no colon"),
                  (" X: y", "9112 5.2: obs-fold"), ("\tX: y", "9112 5.2: obs-fold"), ("X: y\r\n z", "9112 5.2: obs-fold"), ("X: y\r\n\tz", "9112 5.2: obs-fold"),
                  ("X:\r\n y", "9112 5.2: obs-fold"), ("X: y\r\n ", "9112 5.2: obs-fold"), ("X: y\r\n \r\n z", "9112 5.2"), ("X: y\rZ: a", "9112 2.2: bare CR"),
                  ("X: y\nZ: a", "bare LF"), ("X: y\r\r", "bare CR"), ("X: y\r", "bare CR"), ("\rX: y", "bare CR"), ("\nX: y", "bare LF"), ("X: y\n", "bare LF"),
                  ("X\r: y", "bare CR"), ("X\n: y", "bare LF"), ("X:\ry", "bare CR"), ("X:\ny", "bare LF"), ("X: y\n\n", "bare LF"), ("X: y\x00", "NUL"),
                  ("\x00", "NUL"), ("X\x00Y: z", "NUL"), ("\x7fX: y", "DEL"), ("X: y\n\r", "bare LF"), ("X: y\r\x00", "bare CR"), ("@: y", "token"),
                  ("GET / HTTP/1.1", "a second request line"), ("\xef\xbb\xbfX: y", "token"), ("X=y", "no colon"), ("X;: y", "token"), ("/X: y", "token")]:
    refuse(f"header line {line!r}", get(line), why)
    refuse(f"first header line {line!r}", head("GET /seen HTTP/1.1", line, "Host: h"), why)
refuse("space before the first header", b"GET /seen HTTP/1.1\r\n Host: h\r\n\r\n", "9112 2.2: whitespace before the first field")
refuse("space line before the first header", b"GET /seen HTTP/1.1\r\n \r\nHost: h\r\n\r\n", "9112 2.2")
refuse("bare LF ends the head", b"GET /seen HTTP/1.1\r\nHost: h\r\n\n", "9112 2.2: we take CRLF only")
refuse("bare CR ends the head", b"GET /seen HTTP/1.1\r\nHost: h\r\n\rX", "9112 2.2")
refuse("all bare LF", b"GET /seen HTTP/1.1\nHost: h\n\n", "9112 2.2")
refuse("all bare CR", b"GET /seen HTTP/1.1\rHost: h\r\r\n", "9112 2.2")
refuse("LF CR for CR LF", b"GET /seen HTTP/1.1\n\rHost: h\n\r\n\r", "9112 2.2")
for line in ["X:y", "X:", "X: ", "X:\t", "X:  y  ", "X: y: z", "X::", "X: \ty\t ", "X: a,b , c", 'X: "q\\"']:
    accept(f"header line {line!r}", get(line), "9110 5.5")
cut("head without its end", b"GET /seen HTTP/1.1\r\nHost: h\r\n", "9112 8")
cut("half a request line", b"GET /se", "9112 8")
cut("half a header", b"GET /seen HTTP/1.1\r\nHo", "9112 8")

# ---- sizes ----

accept("99 headers", get(*[f"X{i}: y" for i in range(98)]), "within the limit of 100")
refuse("101 headers", get(*[f"X{i}: y" for i in range(100)]), "6585 5", 431)
refuse("1000 headers", get(*[f"X{i}: y" for i in range(1000)]), "6585 5", 431)
accept("a header of 8 KiB", get("X: " + "y" * 8192), "within the limit of 16 KiB")
refuse("a header of 17 KiB", get("X: " + "y" * 17408), "6585 5", 431)
refuse("a name of 17 KiB", get("X" * 17408 + ": y"), "6585 5", 431)
refuse("headers of 17 KiB in sum", get(*[f"X{i}: " + "y" * 300 for i in range(60)]), "6585 5", 431)
accept("a target of 8 KiB", get(line="GET /" + "a" * 8000 + " HTTP/1.1"), "9112 3: at least 8000 octets", Answer(404, "there is nothing at GET /aaa"))
refuse("a target of 9 KiB", get(line="GET /" + "a" * 9216 + " HTTP/1.1"), "9110 15.5.15", 414)
refuse("a query of 9 KiB", get(line="GET /?" + "a" * 9216 + " HTTP/1.1"), "9110 15.5.15", 414)
refuse("a method of 17 KiB", get(line="G" * 17408 + " /seen HTTP/1.1"), "bounded", 431)
refuse("17 KiB of spaces in a value", get("X:" + " " * 17408 + "y"), "6585 5", 431)

# ---- request line ----

for line in ["GET  /seen HTTP/1.1", "GET /seen  HTTP/1.1", "GET\t/seen HTTP/1.1", "GET /seen\tHTTP/1.1", " GET /seen HTTP/1.1", "\tGET /seen HTTP/1.1",
             "GET /seen HTTP/1.1 ", "GET /seen HTTP/1.1\t", "GET /seen HTTP/1.1 x", "GET /seen", "GET", "/seen HTTP/1.1", "GET HTTP/1.1", "GET  HTTP/1.1",
             "GET /seen x HTTP/1.1", "GET /se en HTTP/1.1", "GET\x0b/seen HTTP/1.1", "GET\x0c/seen HTTP/1.1", "GET\x00/seen HTTP/1.1", "GET /seen\x00HTTP/1.1",
             "GET\xa0/seen HTTP/1.1", "GET /seen\xa0HTTP/1.1", "GET /seen \x0bHTTP/1.1", "GET\r/seen HTTP/1.1", "GET /seen\rHTTP/1.1", "\r",
             "GET /seen HTTP/1.1\r", "GET:/seen HTTP/1.1", "GET /seen,HTTP/1.1", '"GET" /seen HTTP/1.1', "GET /seen HTTP/1.1;x"]:
    refuse(f"request line {line!r}", get(line=line), "9112 3: single spaces, one line")
for version in ["HTTP/0.9", "HTTP/1.2", "HTTP/1.9", "HTTP/2.0", "HTTP/3.0", "HTTP/9.9"]:
    refuse(f"version {version!r}", get(line=f"GET /seen {version}"), "9110 15.6.6: understood, and not served", 505)
for version in ["HTTP/2", "HTTP/3", "HTTP/10.1", "HTTP/1.10", "HTTP/1.01", "HTTP/01.1", "HTTP/1", "HTTP/1.", "HTTP/.1", "HTTP/2.0 ", "HTTP/2.00", "HTTP/2.0\x00",
                "HTTP/1,1", "http/1.1", "Http/1.1", "HTTP/1.1x", "HTTPS/1.1", "HTTP 1.1", "HTTP/ 1.1", "HTTP/1 .1", "HTTP/1. 1", "HTTP/+1.1", "HTTP/1.-1", "HTTP\\1.1", "HTTP//1.1", "ICY/1.1",
                "HTTP/1.1\x00", "\x00HTTP/1.1", "HTTP/1.\xb9", "RTSP/1.0", "HTTP/A.B", "HTTP/0x1.1", "H"]:
    refuse(f"version {version!r}", get(line=f"GET /seen {version}"), "9112 2.3: HTTP, a slash, a digit, a dot, a digit")
accept("HTTP/1.0", get(line="GET /seen HTTP/1.0"), "9112 9.3: closes", seen(), closes=True)
accept("HTTP/1.0 without host", head("GET /seen HTTP/1.0"), "9112 3.2: Host is of 1.1", seen(), closes=True)
accept("HTTP/1.0 keep-alive is off", head("GET /seen HTTP/1.0", "Connection: keep-alive"), "9112 9.3: not persisted", seen(), closes=True)
accept("HTTP/1.0 with a body", post("Content-Length: 10", body=MARK, line="POST /route HTTP/1.0"), "9112 6.3", understood(), closes=True)
accept("HTTP/1.0 with a second request behind", head("GET /seen HTTP/1.0") + get(), "9112 9.3: not read", seen(), closes=True)
refuse("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "9113 3.4: not offered", 505)
refuse("TLS on a plain port", bytes.fromhex("16030100a5010000a10303") + b"\x00" * 32 + CRLF, "not HTTP")
refuse("a line of SMTP", b"EHLO there\r\n\r\n", "not HTTP")
refuse("SSH banner", b"SSH-2.0-x\r\n\r\n", "not HTTP")
refuse("proxy protocol", b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + get(), "not configured")
refuse("proxy protocol 2", b"\r\n\r\n\x00\r\nQUIT\n" + b"\x20\x11\x00\x0c" + get(), "not configured")
accept("one empty line before", b"\r\n" + get(), "9112 2.2: at least one is ignored")
refuse("two empty lines before", b"\r\n\r\n" + get(), "9112 2.2: more is not needed")
refuse("bare LF before", b"\n" + get(), "9112 2.2")
refuse("bare CR before", b"\r" + get(), "9112 2.2")
refuse("space before", b" " + get(), "9112 2.2")
refuse("NUL before", b"\x00" + get(), "not HTTP")
refuse("byte order mark before", b"\xef\xbb\xbf" + get(), "not HTTP")

# ---- methods ----

for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", "Get", "X", "M-SEARCH", "PROPFIND", "!#$%&'*+-.^_`|~", "G" * 64, "0"]:
    accept(f"method {method}", get(line=f"{method} /seen HTTP/1.1"), "9110 9.1: case-sensitive tokens", seen(method=method))
accept("method HEAD", get(line="HEAD /seen HTTP/1.1"), "9110 9.3.2", seen(method="HEAD"))
for byte in [*range(0, 32), *b'"(),/:;<=>?@[\\]{}', 127, 128, 160, 255]:
    if byte not in (10, 13):
        refuse(f"byte {byte:#04x} in the method", get(line=b"G" + bytes([byte]) + b"T /seen HTTP/1.1"), "9110 9.1: a token")
for target in ["h:80", "h:443", "h", "/seen", "http://h/"]:
    refuse(f"CONNECT {target}", get(line=f"CONNECT {target} HTTP/1.1"), "9110 9.3.6: not a proxy", 501)

# ---- targets ----

for byte in [*range(0, 33), 127, 128, 0xa0, 0xc3, 0xff]:
    if byte not in (10, 13):
        refuse(f"byte {byte:#04x} in the target", get(line=b"GET /se" + bytes([byte]) + b"en HTTP/1.1"), "3986 2: to be percent-encoded")
for byte in [9, 11, 12, 0, 0x7f, 0x80, 0xa0]:
    refuse(f"byte {byte:#04x} in the query", get(line=b"GET /seen?" + bytes([byte]) + b" HTTP/1.1"), "3986 3.4")
for target in ["/seen#", "/seen#x", "/#", "/seen?x#y", "#", "http://h/seen#x"]:
    refuse(f"target {target}", get(line=f"GET {target} HTTP/1.1"), "9112 3.2: no fragment")
for target in ["seen", "seen/x", "?x", "*", "**", "*/", "h:80", "ftp://h/seen", "file:///seen", "http:/h/seen", "http:h/seen", "http:///seen", "http://", "https://",
               "http://:80/seen", "http://h:x/seen", "http://h:99999/seen", "http://u@h/seen", "http://u:p@h/seen", "http://[::1/seen", "http://h\\seen", "javascript:x",
               "://h/", "\\seen", ".", "..", "http://h%00/seen", "http://h:80:80/seen", "unix:/x", "data:,x", "http://[h]/seen", "http://h /seen", "ws://h/seen", "%2fseen"]:
    refuse(f"target {target}", get(line=f"GET {target} HTTP/1.1"), "9112 3.2: origin, absolute or asterisk form")
accept("absolute target", get(line="GET http://h/seen HTTP/1.1"), "9112 3.2.2: MUST be accepted")
accept("absolute target in capitals", get(line="GET HTTP://H/seen HTTP/1.1"), "3986 6.2.2.1")
accept("absolute target with its default port", get(line="GET http://h:80/seen HTTP/1.1"), "9110 4.2.3: the same origin")
accept("absolute target of https", get(line="GET https://h/seen HTTP/1.1"), "9112 3.2.2")
accept("absolute target without path", get(line="GET http://h HTTP/1.1"), "9110 4.2.3: the path is /", seen("/"))
accept("absolute target with query alone", get(line="GET http://h?x HTTP/1.1"), "9110 4.2.3", seen("/"))
for target in ["http://other/seen", "http://h:81/seen", "https://h:80/seen", "http://h.evil/seen", "http://hh/seen", "http://h./seen", "http://[::1]/seen"]:
    refuse(f"target {target} and host h", get(line=f"GET {target} HTTP/1.1"), "9112 3.2.2: they must agree")
refuse("absolute target without host", get(line="GET http://h/seen HTTP/1.1", host=None), "9112 3.2")
accept("asterisk with OPTIONS", get(line="OPTIONS * HTTP/1.1"), "9112 3.2.4", seen("*", "OPTIONS"))
for target, path in [("/", "/"), ("/seen?x", "/seen"), ("/seen?", "/seen"), ("/seen?a=b&c=/?", "/seen"), ("/seen/", "/seen/"), ("//seen", "//seen"), ("/./seen", "/./seen"),
                     ("/../seen", "/../seen"), ("/%2e%2e/seen", "/%2e%2e/seen"), ("/se%00en", "/se%00en"), ("/se%0d%0aen", "/se%0d%0aen"), ("/%", "/%"), ("/%zz", "/%zz"), ("/se;x=y", "/se;x=y"),
                     ("/http://other/", "/http://other/"), ("/@:!$&'()*+,;=", "/@:!$&'()*+,;="), ("/~a-b_c.d", "/~a-b_c.d"), ("/{}|^`", "/{}|^`"), ("/<>", "/<>")]:
    accept(f"target {target}", get(line=f"GET {target} HTTP/1.1"), "9112 3.2.1: taken as it stands, nothing decoded or resolved", seen(path))

# ---- Host ----

refuse("no host", head("GET /seen HTTP/1.1"), "9112 3.2")
refuse("no host but others", head("GET /seen HTTP/1.1", "X: y"), "9112 3.2")
for second in ["h", "other", "", "h:80"]:
    refuse(f"a second host {second!r}", get(f"Host: {second}"), "9112 3.2: more than one")
    refuse(f"a second host {second!r} apart", get("X: y", f"hOST: {second}"), "9112 3.2: more than one")
refuse("two hosts in HTTP/1.0", get("Host: h", line="GET /seen HTTP/1.0"), "9112 3.2")
for host in ["h h", "h,h", "h, other", "h/", "h/seen", "h?x", "h#x", "u@h", "u:p@h", "h\\x", "http://h", "h:x", "h:-1", "h:+80", "h: 80", "h :80", "h:99999", "h:80:80", "[::1", "::1",
             "[::1]x", "[]", "[h]", "h;x", "h\x80", "\xc3\xa9", "h\x00", "h\tx", "h<x>", "h|x", "h'x", '"h"', ":80", "h:80/", "*", "h%20", "(h)", "h=x", "h^", "h`", "{h}", "h:0x50"]:
    refuse(f"host {host!r}", get(host=f"Host: {host}"), "9112 3.2: host [ : port ]")
for host in ["h", "H", "h:80", "h:65535", "h.example", "127.0.0.1", "127.0.0.1:80", "[::1]", "[::1]:80", "a-b.c", "a_b", "xn--9ca", " h", "h "]:
    accept(f"host {host!r}", get(host=f"Host: {host}"), "9110 7.2")
for name in ["Host ", " Host", "Host\t", "Host\x00", "Ho st", "\x0bHost"]:
    refuse(f"host by the name {name!r}", get(host=f"{name}: h"), "9112 5.1")
    refuse(f"host and the name {name!r}", get(f"{name}: other"), "9112 5.1")
for name in ["X-Host", "X-Forwarded-Host", "Forwarded", "X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method-Override", "X-Forwarded-For"]:
    accept(f"{name} decides nothing", get(f"{name}: /other"), "nobody's word about the request but the request's")

# ---- Expect, Upgrade, Connection ----

for value in ["100-continue", "100-Continue", "100-CONTINUE"]:
    accept(f"expect {value}", post(f"Expect: {value}", "Content-Length: 10", body=MARK), "9110 10.1.1", understood())
accept("expect with chunks", post("Expect: 100-continue", CODED, body=CHUNKS), "9110 10.1.1", understood())
accept("expect without a body", get("Expect: 100-continue"), "9110 10.1.1")
for value in ["", "100", "100-continue, x", "x", "200-ok", "100-continue;x", "100-continue=x", "100 continue", '"100-continue"', "100-continue 100-continue", "chunked", "x, 100-continue", "100-continue\x80"]:
    refuse(f"expect {value!r}", post(f"Expect: {value}", "Content-Length: 10", body=MARK), "9110 10.1.1", 417)
refuse("expect twice", post("Expect: 100-continue", "Expect: x", "Content-Length: 10", body=MARK), "9110 10.1.1", 417)
refuse("expect and too large", post("Expect: 100-continue", "Content-Length: 8388609"), "9110 10.1.1: refused before the body is sent", 413)
refuse("obfuscated expect", post("Expect : 100-continue", "Content-Length: 10", body=MARK), "9112 5.1")
for value in ["h2c", "websocket", "TLS/1.0", "HTTP/2.0, x"]:
    accept(f"upgrade {value}", get(f"Upgrade: {value}", "Connection: Upgrade"), "9110 7.8: may be ignored")
accept("upgrade h2c with settings", get("Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA", "Connection: Upgrade, HTTP2-Settings"), "9113 3.1: gone")
for value in ["close", "Close", "x, close", "close, x", " close ", "x ,close", "keep-alive, close", "close,", "TE, close"]:
    accept(f"connection {value!r}", get(f"Connection: {value}"), "9112 9.6", seen(), closes=True)
for value in ["keep-alive", "x", "", "closed", "notclose", "Keep-Alive", "TE", "close;x", "Content-Length", "Host", "transfer-encoding"]:
    accept(f"connection {value!r}", get(f"Connection: {value}"), "9112 9.3: persists")
accept("connection twice", get("Connection: keep-alive", "Connection: close"), "9110 5.3: a list", seen(), closes=True)
accept("content-length named hop by hop", post("Content-Length: 10", "Connection: Content-Length", body=MARK), "9110 7.6.1: not for framing", understood())

# ---- content codings ----

for coding in ["gzip", "br", "deflate", "x", "gzip, gzip", "chunked"]:
    accept(f"content-encoding {coding}", post(f"Content-Encoding: {coding}", "Content-Length: 10", body=MARK), "frames nothing", understood())
accept("te trailers", get("TE: trailers"), "9110 10.1.4")
accept("range", get("Range: bytes=0-1,-1"), "9110 14.2: may be ignored")
accept("accept-encoding", get("Accept-Encoding: gzip;q=1.0, *;q=0"), "9110 12.5.3")

# ---- several requests on one connection ----


def path(n):
    return get(line=f"GET /p{n} HTTP/1.1")


for count in [2, 3, 10, 50]:
    accept(f"{count} in one packet", b"".join(path(n) for n in range(count)), "9112 9.3.2", *[seen(f"/p{n}") for n in range(count)])
accept("length, none, chunks, none", post("Content-Length: 10", body=MARK) + path(1) + chunked(CHUNKS) + path(2), "9112 9.3.2",
       understood(), seen("/p1"), understood(), seen("/p2"))
accept("a request inside a body stays a body", post("Content-Length: %d" % len(get()), body=get()), "9112 6", Answer(400, "JSON"))
accept("a request inside a chunk stays a body", chunked(b"%x\r\n" % len(get()) + get() + b"\r\n0\r\n\r\n"), "9112 7", Answer(400, "JSON"))
accept("a request inside a header's value", get("X: GET /p1 HTTP/1.1"), "9112 5")
accept("an empty line between", path(0) + CRLF + path(1), "9112 2.2", seen("/p0"), seen("/p1"))
accept("nothing is read behind a close", path(0) + get("Connection: close") + path(2), "9112 9.6", seen("/p0"), seen(), closes=True)
for name, bad, status in [("garbage", b"garbage\r\n\r\n", 400), ("both framings", post("Content-Length: 10", CODED, body=CHUNKS), 400), ("no host", head("GET / HTTP/1.1"), 400),
                          ("bare LF", b"GET / HTTP/1.1\nHost: h\n\n", 400), ("a bad chunk", chunked("x\r\n"), 400), ("extra bytes of a body", b"}}" + get(), 400),
                          ("CONNECT", get(line="CONNECT h:80 HTTP/1.1"), 501), ("a long target", get(line="GET /" + "a" * 9000 + " HTTP/1.1"), 414)]:
    refuse(f"{name} behind a good request", path(0) + bad, "9112 9.3.2: the good one is answered first", status, behind=[seen("/p0")])
    refuse(f"{name} behind a good body", post("Content-Length: 10", body=MARK) + bad, "9112 9.3.2", status, behind=[understood()])
refuse("body longer than its length", post("Content-Length: 9", body=MARK), "9112 6: the rest is the next request", behind=[Answer(400, "JSON")])
refuse("GET with an unannounced body", get() + MARK + CRLF, "9112 6.3: no length, no body", behind=[seen()])
refuse("two empty lines between", path(0) + CRLF * 2 + path(1), "9112 2.2", behind=[seen("/p0")])
refuse("0.CL", post("Content-Length: 0", body=MARK), "the body is the next request", behind=[Answer(400, "JSON")])
