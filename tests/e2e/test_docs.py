"""What the repository ships as documentation works."""
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness import ROOT, Program, free_port, run


def test_the_commented_example_is_valid(tmp_path):
    example = ROOT / "config/huntaze.yaml"
    names = re.findall(r"env:(\w+)", example.read_text())
    ended = run("config", "check", "--config", example, cwd=tmp_path, env={name: "x" for name in names})
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory):
    """A server as ./run starts it, in a directory of its own."""
    port = free_port()
    program = Program("newcomer", ["serve", "--port", port], tmp_path_factory.mktemp("newcomer"), port, "/livez")
    yield program
    assert program.stop() == []


def snippet(language, newcomer):
    blocks = re.findall(rf"```{language}\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    block = next(block for block in blocks if "127.0.0.1:8080/v1" in block)
    return block.replace("127.0.0.1:8080", f"127.0.0.1:{newcomer.port}")


def run_snippet(*command, newcomer):
    done = subprocess.run(command, cwd=newcomer.cwd, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_curl_line_of_the_readme_works(newcomer):
    said = run_snippet("bash", "-c", snippet("sh", newcomer), newcomer=newcomer)
    assert json.loads(said)["choices"][0]["message"]["content"]


def test_the_python_lines_of_the_readme_work(newcomer):
    assert "haiku" in run_snippet(sys.executable, "-c", snippet("python", newcomer), newcomer=newcomer)


def test_the_node_lines_of_the_readme_work(newcomer):
    node = Path(sys.executable).parent / "node"
    if not (ROOT / "tests/node/node_modules/openai").exists() or not node.exists():
        pytest.skip("the Node packages are not installed (./test node installs them)")
    script = newcomer.cwd / "snippet.mjs"
    script.write_text(snippet("js", newcomer))
    (newcomer.cwd / "node_modules").symlink_to(ROOT / "tests/node/node_modules")
    assert "colours" in run_snippet(node, script, newcomer=newcomer)
