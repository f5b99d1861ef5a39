"""The hostile tests stand on the servers of tests/e2e."""
import importlib.util
import sys
from pathlib import Path

import pytest

E2E = Path(__file__).resolve().parents[1] / "e2e"
sys.path.insert(0, str(E2E))
_spec = importlib.util.spec_from_file_location("e2e_support", E2E / "conftest.py")
support = importlib.util.module_from_spec(_spec)
sys.modules["e2e_support"] = support
_spec.loader.exec_module(support)

from e2e_support import pytest_report_header, sim, start_server, tls  # noqa: E402,F401
from harness import Server  # noqa: E402
from simulated import checked, model, provider  # noqa: E402


def open_sections(url, **server):
    """No key is asked for: every request reaches a handler, and its log line."""
    return {"server": server, "auth": {"required": False}, "providers": [provider("openai", url)],
            "models": [model("m", "openai", "gpt-4o")], "routes": [{"models": ["m"]}], "fallbacks": []}


@pytest.fixture(scope="session")
def open_server(tmp_path_factory, sim):
    running = Server(tmp_path_factory.mktemp("open"), open_sections(sim.url), scope=None)
    yield running
    checked(running.finish())
