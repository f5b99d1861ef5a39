"""A provider whose every byte a test writes: what the simulator, an orderly server, cannot do wrong."""
import json
import socket
import threading

# It closes behind each answer and says so: nobody shall meet the end of a kept connection.
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"
USAGE = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}


def event(data):
    """An event as a chunk of the body."""
    data = data if isinstance(data, bytes) else json.dumps(data).encode()
    line = b"data: " + data + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(line), line)


def chunk(text=None, finish=None, index=0, **more):
    delta = {} if text is None else {"content": text}
    return event({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "scripted",
                  "choices": [{"index": index, "delta": delta, "finish_reason": finish}], **more})


def usage_chunk():
    return event({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "scripted", "choices": [],
                  "usage": USAGE})


def whole(status=200, body=b"{}", *headers):
    """An answer that is no stream; headers are lines of bytes."""
    lines = [b"HTTP/1.1 %d X" % status, b"Content-Type: application/json", b"Connection: close",
             b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


class Scripted:
    """`answers`: model -> the bytes it sends. It closes behind them, unless the model is in `held`:
    then it waits for the caller to leave. `asked`: the bodies it was sent, oldest first."""

    def __init__(self, answers, held=()):
        self.answers, self.held, self.asked = answers, held, []
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
                length = 0
                while (line := f.readline().strip()):
                    name, _, value = line.partition(b":")
                    if name.lower() == b"content-length":
                        length = int(value)
                if not length:
                    return
                body = json.loads(f.read(length))
                self.asked.append(body)
                s.sendall(self.answers[body["model"]])
                if body["model"] not in self.held:
                    s.shutdown(socket.SHUT_WR)
                f.read()
            except OSError:
                pass

    def of_model(self, model):
        return [body for body in self.asked if body["model"] == model]

    def close(self):
        self.listening.close()
