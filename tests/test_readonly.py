"""Folders that may not be written, without the privileges of root, to whom every one is open."""

import os
import shutil
import subprocess
import sys

import pytest

# An owner without the privilege to override permissions is held to them, root too.
BOUND = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]
CODE = "import sys; from uncertainty.cli import main; sys.argv[0] = 'uncertainty'; main()"
MODEL = ("--model", "m.py:f", "--draws", "64")


@pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")
@pytest.mark.skipif(os.getuid() == 0 and not shutil.which("setpriv"), reason="no way to drop root")
def test_folders_that_may_not_be_written_are_said_and_what_they_hold_stays(tmp_path):
    (tmp_path / "p.yaml").write_text("schema: 1\nassumptions: {a: {uniform: {low: 1, high: 2}}}\n")
    (tmp_path / "m.py").write_text("def f(a): return 2 * a\n")
    (tmp_path / "out").mkdir()
    (tmp_path / "home").mkdir()

    def run(*words):
        bound = BOUND if os.getuid() == 0 else []
        return subprocess.run(
            [*bound, sys.executable, "-c", CODE, *words],
            cwd=tmp_path,
            env={
                **{k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "JAX_"))},
                "HOME": str(tmp_path / "home"),
            },
            capture_output=True,
            text=True,
            check=False,
        )

    (tmp_path / "home").chmod(0o500)
    done = run("run", "p.yaml", *MODEL, "--out", "out/kept")
    assert done.returncode == 0, done.stderr  # the home holds compilations, and nothing else
    assert not list((tmp_path / "home").iterdir())
    before = {p: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert before
    (tmp_path / "out" / "kept").chmod(0o500)
    (tmp_path / "out").chmod(0o500)
    try:
        for words in (
            ("run", "p.yaml", *MODEL, "--out", "out/new"),
            ("run", "p.yaml", *MODEL, "--seed", "1", "--out", "out/kept"),
            ("init", "out/mine.yaml"),
        ):
            done = run(*words)
            assert done.returncode == 2, (words, done.stdout, done.stderr)
            assert "out" in done.stderr
            assert "Permission denied" in done.stderr, done.stderr
            assert "Traceback" not in done.stderr
        after = {p: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()}
        assert after == before
    finally:
        (tmp_path / "out").chmod(0o700)
        (tmp_path / "out" / "kept").chmod(0o700)
