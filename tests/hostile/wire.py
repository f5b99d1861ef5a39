"""Bytes to a server and its answers back, with nothing in between that would mend either."""
import json
import socket
from dataclasses import dataclass

PATIENCE_SECONDS = 10
RESET = b"<reset>"


@dataclass
class Reply:
    status: int
    headers: dict
    body: bytes

    @property
    def closes(self):
        return self.headers.get("connection", "").lower() == "close"

    @property
    def code(self):
        return json.loads(self.body)["error"]["code"]


def open_to(port):
    s = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def send(s, pieces):
    """A peer that has refused may have closed already."""
    try:
        for piece in pieces:
            s.sendall(piece)
    except (BrokenPipeError, ConnectionResetError):
        pass


def read_to_end(s):
    """All bytes until the other side closes; a reset is an end that loses answers, so it is told."""
    got = []
    try:
        while chunk := s.recv(65536):
            got.append(chunk)
    except ConnectionResetError:
        got.append(RESET)
    return b"".join(got)


def _dechunk(rest):
    body = b""
    while True:
        size, rest = rest.split(b"\r\n", 1)
        size = int(size.split(b";")[0], 16)
        if size == 0:
            assert rest.startswith(b"\r\n"), rest[:100]
            return body, rest[2:]
        assert rest[size:size + 2] == b"\r\n", rest[:size + 2]
        body, rest = body + rest[:size], rest[size + 2:]


def split_replies(data, heads=()):
    """The answers in `data`; heads holds the places of those to a HEAD. Interim answers are dropped."""
    replies = []
    while data:
        assert b"\r\n\r\n" in data, f"an answer without end: {data[:300]!r}"
        top, data = data.split(b"\r\n\r\n", 1)
        line, *lines = top.decode("latin-1").split("\r\n")
        version, status = line.split(" ")[:2]
        assert version in ("HTTP/1.1", "HTTP/1.0"), line
        if status.startswith("1"):
            continue
        headers = {}
        for entry in lines:
            name, value = entry.split(":", 1)
            headers[name.lower()] = value.strip()
        body = b""
        if len(replies) not in heads and "chunked" in headers.get("transfer-encoding", ""):
            body, data = _dechunk(data)
        elif len(replies) not in heads:
            size = int(headers.get("content-length", len(data)))
            body, data = data[:size], data[size:]
            assert len(body) == size, f"an answer cut short: {body[:300]!r}"
        replies.append(Reply(int(status), headers, body))
    return replies
