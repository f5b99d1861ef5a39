"""A provider that does exactly what a test says, byte by byte: for what the simulator has no word."""
import json
import socket
import threading

STREAM_HEAD = (b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}


def answer(status, body, headers=()):
    text = json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} X", "Content-Type: application/json", f"Content-Length: {len(text)}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + text


def completion(text="Hello."):
    return answer(200, {"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "usage": USAGE,
                        "choices": [{"index": 0, "finish_reason": "stop",
                                     "message": {"role": "assistant", "content": text}}]})


def refusal(status, headers=(), code="a_code"):
    return answer(status, {"error": {"message": "no", "type": "a_type", "code": code}}, headers)


def chunked(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def event(text=None, finish=None):
    delta = {} if text is None else {"content": text}
    return chunked(b"data: " + json.dumps({
        "id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}).encode() + b"\n\n")


END = event(finish="stop") + chunked(b"data: [DONE]\n\n") + b"0\r\n\r\n"


class Scripted:
    """handlers[deployment](connection, nth) answers; nth counts its requests from 1."""

    def __init__(self):
        self.handlers, self.asked, self.lock = {}, [], threading.Lock()
        self.closing = threading.Event()
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self.listening.getsockname()[1]}/v1"
        threading.Thread(target=self._accept, daemon=True).start()

    def silence(self, connection, nth):
        """Says nothing until the other side leaves."""
        while not self.closing.is_set() and connection.recv(65536):
            pass

    def times(self, deployment):
        with self.lock:
            return self.asked.count(deployment)

    def close(self):
        self.closing.set()
        self.listening.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection, connection.makefile("rb") as incoming:
            try:
                while self._answer_one(connection, incoming):
                    pass
            except (OSError, ValueError):
                pass

    def _answer_one(self, connection, incoming):
        length, line = 0, incoming.readline()
        if not line:
            return False
        while header := incoming.readline().strip():
            name, value = header.split(b":", 1)
            if name.lower() == b"content-length":
                length = int(value)
        deployment = json.loads(incoming.read(length))["model"]
        with self.lock:
            self.asked.append(deployment)
            nth = self.asked.count(deployment)
        said = self.handlers[deployment](connection, nth)
        if said:
            connection.sendall(said)
        return said is not None
