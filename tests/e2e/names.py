"""A name server that a test commands, and a listener that takes connections and says nothing."""
import socket
import struct
import threading

ADDRESS, INTERNET = 1, 1  # type and class of a question (RFC 1035 §3.2)
NO_SUCH_NAME = 3


class NameServer:
    """Knows the names in `addresses`; all others do not exist. While it is mute it answers nothing."""

    def __init__(self, addresses):
        self.addresses = addresses
        self.is_mute = False
        self.asked = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while True:
            try:
                query, sender = self.socket.recvfrom(512)
            except OSError:
                return
            if not query:
                return
            if not self.is_mute:
                self.socket.sendto(self._answer(query), sender)

    def _answer(self, query):
        at, labels = 12, []
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        question = query[12:at + 5]
        (kind,) = struct.unpack(">H", query[at + 1:at + 3])
        name = ".".join(labels).lower()
        self.asked.append(name)
        address = self.addresses.get(name)
        records = b""
        if address and kind == ADDRESS:
            # A pointer to the question's name; to be kept for no time.
            records = struct.pack(">HHHLH", 0xC00C, ADDRESS, INTERNET, 0, 4) + socket.inet_aton(address)
        flags = 0x8180 | (0 if address else NO_SUCH_NAME)
        return query[:2] + struct.pack(">HHHHH", flags, 1, 1 if records else 0, 0, 0) + question + records

    def end(self):
        host, port = self.address.split(":")
        self.socket.sendto(b"", (host, int(port)))
        self.thread.join()
        self.socket.close()


class MuteListener:
    """The kernel accepts; nobody ever reads or writes."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.socket.getsockname()[1]

    def end(self):
        self.socket.close()
