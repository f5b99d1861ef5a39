"""TLS on both sides: certificates and host names are checked, plain text on a TLS port is refused."""
import socket
import ssl

import pytest

from harness import eventually
from simulated import TIMEOUTS, KnownSim, checked, model, provider


@pytest.fixture(scope="module")
def secure_sim(tmp_path_factory, tls):
    running = KnownSim(tmp_path_factory.mktemp("secure-sim"), tls=tls)
    yield running
    checked(running.stop())


def sections(url, **more):
    patient = TIMEOUTS | {"connect": 10000}
    return {"retry": {"budget": 0}, "providers": [provider("openai", url, timeouts_ms=patient, **more)],
            "models": [model("m", "openai", "gpt-4o")], "routes": [{"models": ["m"]}], "fallbacks": []}


def test_a_provider_over_tls_is_called_and_its_connection_kept(start_server, secure_sim, tls):
    server = start_server(sections(secure_sim.url, ca_file=str(tls.authority)))
    for is_stream in (False, True, False):
        reply = server.chat("m", stream=is_stream)
        assert reply.status == 200 and reply.text.startswith("Simulated answer"), reply


def test_a_provider_with_an_unknown_certificate_is_not_trusted(start_server, secure_sim):
    server = start_server(sections(secure_sim.url))
    reply = server.chat("m", "Do not tell anybody.")
    assert reply.status == 502 and "certificate" in reply.error["message"].lower(), reply
    assert not secure_sim.request_with("Do not tell anybody.")


def test_a_provider_with_another_name_is_not_trusted(start_server, secure_sim, tls):
    url = secure_sim.url.replace("127.0.0.1", "127.0.0.2")
    server = start_server(sections(url, ca_file=str(tls.authority)))
    reply = server.chat("m", "Not for you.")
    assert reply.status == 502, reply
    assert not secure_sim.request_with("Not for you.")


def test_plain_text_on_the_tls_port_does_no_harm(tls_server, tls):
    with socket.create_connection(("127.0.0.1", tls_server.port), timeout=10) as s:
        s.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        try:
            assert b"200 OK" not in s.recv(1000)
        except ConnectionResetError:
            pass
    context = ssl.create_default_context(cafile=str(tls.authority))
    with socket.create_connection(("127.0.0.1", tls_server.port), timeout=10) as raw, \
            context.wrap_socket(raw, server_hostname="localhost") as s:
        s.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert s.recv(1000).startswith(b"HTTP/1.1 200")
        assert s.version() in ("TLSv1.2", "TLSv1.3")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1])
def test_old_versions_of_tls_are_refused(tls_server, version):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    context.set_ciphers("ALL:@SECLEVEL=0")
    with socket.create_connection(("127.0.0.1", tls_server.port), timeout=10) as raw:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            context.wrap_socket(raw)


def test_a_client_that_is_silent_in_the_handshake_is_dropped(start_server, sim, tls):
    server = start_server({**sections(sim.url), "server": {"head_timeout_ms": 300}}, tls=tls)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as s:
        s.sendall(b"\x16\x03\x01")
        assert eventually(lambda: s.recv(1000) == b"")
