"""What the repository ships as documentation works."""
import re

from harness import ROOT, run


def test_the_commented_example_is_valid(tmp_path):
    example = ROOT / "config/huntaze.yaml"
    names = re.findall(r"env:(\w+)", example.read_text())
    ended = run("config", "check", "--config", example, cwd=tmp_path, env={name: "x" for name in names})
    assert ended.returncode == 0, ended.stdout + ended.stderr
