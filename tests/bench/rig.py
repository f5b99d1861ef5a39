"""What a benchmark needs around the thing it measures: processes, load, processor time, memory."""
import http.client
import json
import os
import select
import signal
import socket
import subprocess
import time
from pathlib import Path

START_SECONDS = 20
STOP_SECONDS = 20
PROXY_CPU = 1  # the measured process; load and upstream share the other
LOAD_CPU = 0


class BenchError(Exception):
    pass


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def pin(cpu):
    """Words that pin a command to a processor, where there are two."""
    return [] if cpu is None or os.cpu_count() < 2 else ["taskset", "-c", str(cpu)]


class Process:
    """A server under measurement, with its children."""

    def __init__(self, name, command, cwd, cpu=None, env=None):
        self.name = name
        self.cwd = Path(cwd)
        self.out = open(self.cwd / f"{name}.out", "ab")
        self.err = open(self.cwd / f"{name}.err", "ab")
        self.popen = subprocess.Popen(
            pin(cpu) + [str(word) for word in command], cwd=cwd, env=env, stdin=subprocess.PIPE,
            stdout=self.out, stderr=self.err)

    def tree(self):
        found = [self.popen.pid]
        for pid in found:
            for path in Path(f"/proc/{pid}/task").glob("*/children"):
                found += [int(word) for word in path.read_text().split()]
        return found

    def cpu_ns(self):
        """Time on a processor, of all threads, to the nanosecond; ended threads are not in it."""
        total = 0
        for pid in self.tree():
            for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
                total += int(path.read_text().split()[0])
        return total

    def private_bytes(self):
        total = 0
        for pid in self.tree():
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith(("Private_Clean:", "Private_Dirty:")):
                    total += int(line.split()[1]) * 1024
        return total

    def wait_port(self, port):
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if self.popen.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return self
            except OSError:
                time.sleep(0.005)
        self.stop()
        raise BenchError(f"{self.name} did not start: {self.last_words()}")

    def last_words(self):
        return (self.cwd / f"{self.name}.err").read_text(errors="replace")[-2000:]

    def stop(self):
        if self.popen.poll() is None:
            self.popen.stdin.close()
            self.popen.send_signal(signal.SIGTERM)
            try:
                self.popen.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
        self.out.close()
        self.err.close()


class Load:
    """One run of the load generator; `with` ends it."""

    def __init__(self, program, port, *options):
        command = pin(LOAD_CPU) + [str(program), *[str(o) for o in options], f"127.0.0.1:{port}"]
        self.popen = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.communicate()

    def line(self, seconds=60):
        end = time.monotonic() + seconds
        while b"\n" not in self.buffer:
            ready, _, _ = select.select([self.popen.stdout], [], [], max(0, end - time.monotonic()))
            more = os.read(self.popen.stdout.fileno(), 65536) if ready else b""
            if not more:
                raise BenchError("the load generator fell silent")
            self.buffer += more
        text, self.buffer = self.buffer.split(b"\n", 1)
        return json.loads(text)

    def ready(self):
        found = self.line(90)
        if found["kind"] != "ready":
            raise BenchError(f"the load could not begin: {found}")
        return found

    def mark(self):
        self.popen.stdin.write(b"\n")
        self.popen.stdin.flush()
        return self.line()

    def finish(self):
        self.popen.stdin.close()
        self.popen.stdin = None
        return self.line(700)


def window(process, load, lead, seconds):
    """Processor time and counts of the load between two moments of a run."""
    load.ready()
    time.sleep(lead)
    cpu, first = process.cpu_ns(), load.mark()
    time.sleep(seconds)
    cpu, last = process.cpu_ns() - cpu, load.mark()
    span = last["ns"] - first["ns"]
    return {
        "cpu_ns": cpu,
        "busy": cpu / span,
        "seconds": span / 1e9,
        "requests": last["requests"] - first["requests"],
        "events": last["events"] - first["events"],
        "errors": last["errors"],
        "open": last["open"],
    }


def get(port, path):
    """Status and body of one GET over a fresh connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def asks_ok(port, request):
    """Whether one request over a fresh connection is answered with 200."""
    try:
        with socket.create_connection(("127.0.0.1", port), 2) as s:
            s.sendall(request)
            return s.recv(65536).startswith(b"HTTP/1.1 200")
    except OSError:
        return False
