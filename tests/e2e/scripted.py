"""A provider whose every byte a test writes: what the simulator, an orderly server, cannot do wrong."""
import json
import socket
import threading

# It closes behind each answer and says so: nobody shall meet the end of a kept connection.
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNK = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "scripted"}
USAGE = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}


def encoded(data):
    return data if isinstance(data, bytes) else json.dumps(data).encode()


def chunked(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def event(data):
    """An event as a chunk of the body."""
    return chunked(b"data: " + encoded(data) + b"\n\n")


def chunk(text=None, finish=None, index=0):
    delta = {} if text is None else {"content": text}
    return event(CHUNK | {"choices": [{"index": index, "delta": delta, "finish_reason": finish}]})


def usage_chunk():
    return event(CHUNK | {"choices": [], "usage": USAGE})


END = b"0\r\n\r\n"
DONE = event(b"[DONE]") + END


def whole(status, body, *headers):
    """An answer that is no stream; headers are lines of bytes."""
    body = encoded(body)
    lines = [b"HTTP/1.1 %d X" % status, b"Content-Type: application/json", b"Connection: close",
             b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def completion():
    message = {"role": "assistant", "content": "Hello."}
    return whole(200, CHUNK | {"object": "chat.completion", "usage": USAGE,
                               "choices": [{"index": 0, "finish_reason": "stop", "message": message}]})


def refusal(status, *headers, code="a_code"):
    return whole(status, {"error": {"message": "no", "type": "a_type", "code": code}}, *headers)


def held(said=b""):
    """Sends that and then waits for the caller to leave."""
    def handler(connection, nth):
        connection.sendall(said)
        while connection.recv(65536):
            pass
    return handler


def read_request(f):
    """The body of the next request on the connection; None at its end."""
    length, line = 0, f.readline()
    if not line:
        return None
    while (line := f.readline().strip()):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return json.loads(f.read(length))


class Provider:
    """Listens, and has each connection served in a thread of its own: by serve(connection, file to read from)."""

    def __init__(self):
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self.listening.getsockname()[1]}/v1"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                s, _ = self.listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(s,), daemon=True).start()

    def _serve(self, s):
        with s, s.makefile("rb") as f:
            try:
                self.serve(s, f)
            except (OSError, ValueError):
                pass

    def close(self):
        self.listening.close()


class Scripted(Provider):
    """`answers`: model -> the bytes it sends, or handler(connection, nth) that may send some itself and returns
    the rest; nth counts the model's requests from 1. `asked`: the bodies it was sent, oldest first."""

    def __init__(self, answers):
        self.answers, self.asked, self.lock = answers, [], threading.Lock()
        self.closing = threading.Event()
        super().__init__()

    def serve(self, s, f):
        body = read_request(f)
        if not body:
            return
        with self.lock:
            self.asked.append(body)
            nth = self.times(body["model"])
        said = self.answers[body["model"]]
        s.sendall((said(s, nth) if callable(said) else said) or b"")
        s.shutdown(socket.SHUT_WR)
        f.read()

    def of_model(self, model):
        return [body for body in self.asked if body["model"] == model]

    def times(self, model):
        return len(self.of_model(model))

    def close(self):
        self.closing.set()
        super().close()
