#!/usr/bin/env python3
"""Clients that keep a server waiting, four kinds, as many as wanted, in one lean process.

    slow_clients.py PORT EACH SECONDS [--once]

Prints "ready" when as many have been opened, and at the end what became of them, a line of JSON. A client that is
closed comes back, so that the pressure stays; with --once it does not, and the end is when all are
closed. Ends at the latest after so many seconds, or when standard input ends.
"""
import errno
import json
import select
import socket
import sys
import time

KINDS = ("header", "body", "read", "idle")
FIRST = {
    "header": b"GET /livez HTTP/1.1\r\nHost: h\r\nX: ",
    "body": b"POST /route HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n",
    # More answers than all buffers hold; it reads none of them.
    "read": b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n" * 300,
    "idle": b"",
}
# What comes every DRIP_SECONDS. Who never reads sees a close only by writing.
DRIP = {"header": b"y", "body": b" ", "read": b"GET /livez HTTP/1.1\r\nHost: h\r\n\r\n", "idle": b""}
# Strangers do not act in step: each client has its own millisecond of the DRIP_SECONDS.
DRIP_SECONDS, TICKS = 0.5, 500
OPENS_A_TICK = 1  # 1,000 a second, so that not all end at the same moment either


class Client:
    def __init__(self, kind):
        self.kind, self.socket = kind, None


class Crowd:
    def __init__(self, port, each, comes_back):
        self.port, self.comes_back = port, comes_back
        self.epoll = select.epoll()
        self.clients = [Client(kind) for _ in range(each) for kind in KINDS]
        self.waiting = list(reversed(self.clients))  # to be opened
        self.by_fd, self.opening, self.opened_ever, self.drips = {}, set(), 0, 0
        self.closed = {kind: [] for kind in KINDS}  # seconds until it was closed

    def open_some(self):
        for _ in range(min(OPENS_A_TICK, len(self.waiting))):
            client = self.waiting.pop()
            s = client.socket = socket.socket()
            s.setblocking(False)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)  # keeps the sender's buffer small, too
            s.connect_ex(("127.0.0.1", self.port))
            self.by_fd[s.fileno()] = client
            self.opening.add(client)
            self.epoll.register(s, select.EPOLLOUT)

    def opened(self, client):
        self.opening.discard(client)
        client.began = time.monotonic()
        self.opened_ever += 1
        self.epoll.modify(client.socket, 0 if client.kind == "read" else select.EPOLLIN)
        self.say(client, FIRST[client.kind])

    def say(self, client, what):
        try:
            if what:
                client.socket.send(what)
        except BlockingIOError:
            pass
        except OSError:
            self.lost(client)

    def lost(self, client):
        if client in self.opening:
            self.opening.discard(client)
        else:
            self.closed[client.kind].append(time.monotonic() - client.began)
        del self.by_fd[client.socket.fileno()]
        client.socket.close()  # which takes it out of the epoll, too
        client.socket = None
        if self.comes_back:
            self.waiting.append(client)

    def ready(self, client, events):
        if client in self.opening:
            if client.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self.lost(client)
            else:
                self.opened(client)
        elif events & (select.EPOLLERR | select.EPOLLHUP):
            self.lost(client)
        else:
            try:
                is_closed = not client.socket.recv(65536)
            except OSError as error:
                is_closed = error.errno != errno.EAGAIN
            if is_closed:
                self.lost(client)

    def drip(self, tick):
        for client in self.clients[tick::TICKS]:
            if client.socket and client not in self.opening:
                self.drips += DRIP[client.kind] != b""
                self.say(client, DRIP[client.kind])

    def is_done(self):
        return not self.comes_back and not self.waiting and not self.by_fd

    def run(self, seconds):
        self.began = time.monotonic()
        end = self.began + seconds
        self.epoll.register(sys.stdin.fileno(), select.EPOLLIN)
        next_tick, tick, is_ready = time.monotonic(), 0, False
        while time.monotonic() < end and not self.is_done():
            if not is_ready and self.opened_ever >= len(self.clients):
                print("ready", flush=True)
                is_ready = True
            for fd, events in self.epoll.poll(max(0, next_tick - time.monotonic())):
                if fd == sys.stdin.fileno():
                    return
                if fd in self.by_fd:
                    self.ready(self.by_fd[fd], events)
            if time.monotonic() >= next_tick:
                self.open_some()
                self.drip(tick)
                tick, next_tick = (tick + 1) % TICKS, max(next_tick + DRIP_SECONDS / TICKS, time.monotonic())

    def found(self):
        now = time.monotonic()
        still = {kind: [now - c.began for c in self.by_fd.values() if c.kind == kind and c not in self.opening]
                 for kind in KINDS}
        return {"drips_a_second": self.drips / (now - self.began)} | {
            kind: {"closed": len(self.closed[kind]), "last_s": max(self.closed[kind], default=0),
                   "open": len(still[kind]), "oldest_s": max(still[kind], default=0)} for kind in KINDS}


if __name__ == "__main__":
    crowd = Crowd(int(sys.argv[1]), int(sys.argv[2]), "--once" not in sys.argv)
    crowd.run(float(sys.argv[3]))
    print(json.dumps(crowd.found()))
