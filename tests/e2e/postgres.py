"""A private PostgreSQL, and a road to it that can be closed."""
import csv
import io
import selectors
import socket
import subprocess
import tempfile
import threading
import uuid
from pathlib import Path
from urllib.parse import urlsplit

from harness import ROOT


class Postgres:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="huntaze-postgres-")
        Path(self.folder).chmod(0o755)
        started = subprocess.run([ROOT / "tests/postgres", "start", self.folder], text=True, capture_output=True,
                                 stdin=subprocess.DEVNULL, timeout=120)
        if started.returncode != 0:
            raise RuntimeError(started.stderr)
        self.url = started.stdout.strip()
        self.port = urlsplit(self.url).port

    def stop(self):
        subprocess.run([ROOT / "tests/postgres", "stop", self.folder], check=True, capture_output=True, timeout=60)

    def query(self, sql, database="postgres"):
        done = subprocess.run(["psql", "--csv", "--quiet", "-h", "127.0.0.1", "-p", str(self.port), "-U", "huntaze",
                               "-v", "ON_ERROR_STOP=1", "-c", sql, database], text=True, capture_output=True, timeout=30)
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        return list(csv.DictReader(io.StringIO(done.stdout)))

    def new_database(self):
        name = f"t{uuid.uuid4().hex}"
        self.query(f"CREATE DATABASE {name}")
        return name


class Road:
    """Forwards TCP to a port of this machine until it is closed; then it refuses and cuts."""

    def __init__(self, to_port):
        self.to_port, self.is_open = to_port, True
        self.pairs, self.lock = [], threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if not self.is_open:
                client.close()
                continue
            server = socket.create_connection(("127.0.0.1", self.to_port))
            with self.lock:
                self.pairs.append((client, server))
            threading.Thread(target=self._carry, args=(client, server), daemon=True).start()

    def _carry(self, client, server):
        with selectors.DefaultSelector() as selector:
            selector.register(client, selectors.EVENT_READ, server)
            selector.register(server, selectors.EVENT_READ, client)
            try:
                while True:
                    for key, _ in selector.select():
                        data = key.fileobj.recv(65536)
                        if not data:
                            return
                        key.data.sendall(data)
            except OSError:
                return
            finally:
                for end in (client, server):
                    end.close()

    def close(self):
        self.is_open = False
        with self.lock:
            pairs, self.pairs = self.pairs, []
        for pair in pairs:
            for end in pair:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def reopen(self):
        self.is_open = True

    def end(self):
        self.close()
        self.listener.close()
