"""Clients that keep a server waiting, four kinds, beside clients that behave."""
import asyncio
import socket
import time
from collections import Counter

KINDS = ("header", "body", "read", "idle")
DRIP_SECONDS = 0.5


async def _drip(writer, first, byte, until):
    writer.write(first)
    while time.monotonic() < until:
        await asyncio.sleep(DRIP_SECONDS)
        writer.write(byte)
        await writer.drain()


async def _until_closed(reader):
    while await reader.read(65536):
        pass


async def slow(port, kind, until, found):
    """One slow client; found[kind] gets the seconds until the server had closed, or None."""
    began = time.monotonic()
    try:
        s = socket.socket()
        s.setblocking(False)
        # A small window keeps the sender's buffer small, too.
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        await asyncio.get_running_loop().sock_connect(s, ("127.0.0.1", port))
        reader, writer = await asyncio.open_connection(sock=s, limit=1024)
    except OSError:
        found[kind].append(0.0)
        return
    jobs = []
    if kind == "header":
        jobs.append(asyncio.create_task(_drip(writer, b"GET /livez HTTP/1.1\r\nHost: h\r\nX: ", b"y", until)))
    elif kind == "body":
        jobs.append(asyncio.create_task(_drip(writer, b"POST /route HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n", b" ", until)))
    elif kind == "read":
        writer.transport.pause_reading()
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: h\r\n\r\n" * 300)
    try:
        if kind == "read":
            # What it never reads it cannot see closed: whoever writes to it learns.
            while time.monotonic() < until and not writer.transport.is_closing():
                await asyncio.sleep(DRIP_SECONDS)
                writer.write(b"GET /livez HTTP/1.1\r\nHost: h\r\n\r\n")
            is_closed = writer.transport.is_closing()
        else:
            await asyncio.wait_for(_until_closed(reader), max(0.1, until - time.monotonic()))
            is_closed = True
    except (ConnectionError, BrokenPipeError):
        is_closed = True
    except asyncio.TimeoutError:
        is_closed = False
    found[kind].append(time.monotonic() - began if is_closed else None)
    for job in jobs:
        job.cancel()
        await asyncio.gather(job, return_exceptions=True)
    writer.transport.abort()


async def normal(port, until, pause_seconds, latencies, faults, done):
    """A client that behaves: one request after the other on a kept connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.monotonic() < until and not done.is_set():
        began = time.monotonic()
        try:
            writer.write(b"GET /v1/models HTTP/1.1\r\nHost: h\r\n\r\n")
            top = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
            size = int(top.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(size)
            if not top.startswith(b"HTTP/1.1 200 "):
                faults.append(top[:60])
        except Exception as fault:  # whatever it is, this client had an error
            faults.append(repr(fault))
            return
        latencies.append(time.monotonic() - began)
        await asyncio.sleep(pause_seconds)
    writer.close()


async def trial(port, each, seconds, ends_early=False, clients=20, pause_seconds=0.02):
    """(latencies, faults, found) of normal traffic beside `each` slow clients of every kind, for so
    many seconds or, with ends_early, until the last slow one was closed."""
    latencies, faults, found = [], [], {kind: [] for kind in KINDS}
    until, done = time.monotonic() + seconds, asyncio.Event()
    well_behaved = asyncio.gather(*[normal(port, until, pause_seconds, latencies, faults, done) for _ in range(clients)])
    await asyncio.gather(*[slow(port, kind, until, found) for _ in range(each) for kind in KINDS])
    if ends_early:
        done.set()
    await well_behaved
    return latencies, faults, found


def quantile(values, q):
    return sorted(values)[min(len(values) - 1, int(len(values) * q))]


def summary(found):
    return {kind: {"closed": sum(s is not None for s in seconds), "open": Counter(seconds)[None],
                   "last_s": round(max((s for s in seconds if s is not None), default=0), 1)} for kind, seconds in found.items()}
