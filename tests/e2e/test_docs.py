"""The pages that describe tables of the program say the same as the tables."""
import re

from harness import ROOT, run

API = (ROOT / "docs/api.md").read_text()


def test_the_api_page_has_every_route():
    table = (ROOT / "src/api/routes.c").read_text()
    routes = re.findall(r'\{ "(\w+)", "(/[^"]*)", (\w+),', table)
    assert routes
    for method, path, scope in routes:
        shown = path + "{id}" if path.endswith("/") else path
        line = next((l for l in API.splitlines() if l.startswith("|") and f"`{method} {shown}`" in l), None)
        assert line, f"{method} {shown} is not in docs/api.md"
        assert ("`chat`" in line) == (scope == "SCOPE_CHAT"), line


def test_the_api_page_has_every_error():
    table = (ROOT / "src/base/err.def").read_text().split("The ones below")[0]
    errors = re.findall(r'X\(\w+,\s*(\d+), \d, "[^"]*",\s*"([^"]*)",\s*"((?:[^"\\]|\\.)*)"\)', table)
    shown = re.findall(r"^\| (\d+) \| `(\w+)` \| (.*) \|$", API, re.M)
    assert shown == errors


def test_the_commented_example_is_valid(tmp_path):
    example = ROOT / "config/huntaze.yaml"
    names = re.findall(r"env:(\w+)", example.read_text())
    ended = run("config", "check", "--config", example, cwd=tmp_path, env={name: "x" for name in names})
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_operations_page_has_every_metric():
    page = (ROOT / "docs/operations.md").read_text()
    metrics = re.findall(r'X\(\w+,\s*"([^"]+)",\s*(\w+),\s*"([^"]+)"\)', (ROOT / "src/base/metrics.def").read_text())
    assert metrics
    for name, kind, help_text in metrics:
        assert f"| `{name}` | {kind.lower()} | {help_text} |" in page, name
