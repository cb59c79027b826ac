"""Fuzzing by coverage (atheris, libFuzzer): inputs that reach new code are kept and mutated on.

`python -m fuzz.guided TARGET --runs N` from the folder `tests`. It runs in a process of its own,
because the code under test is instrumented while it is imported.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path


def guided(target: str, runs: int, seconds: int) -> subprocess.CompletedProcess[str]:
    """Fuzz one target with so many inputs, starting from its good ones."""
    tests = Path(__file__).parent.parent
    return subprocess.run(
        [sys.executable, "-m", "fuzz.guided", target, str(runs), str(seconds)],
        cwd=tests, capture_output=True, text=True, timeout=seconds + 120,
        env={**os.environ, "PYTHONPATH": f"{tests}{os.pathsep}{tests.parent}"},
    )


def main(name: str, runs: str, seconds: str) -> None:
    """Run in this process; exits with libFuzzer's code."""
    import atheris  # type: ignore[import-not-found,unused-ignore]

    with atheris.instrument_imports(include=["indelible.ingest"]):
        from fuzz.parser_targets import PARSER_TARGETS

    target = next(one for one in PARSER_TARGETS if one.name == name)
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(target.seeds()):
            Path(folder, f"seed-{number}").write_bytes(seed)

        def one(data: bytes) -> None:
            target.run(data)

        arguments = [
            name, f"-runs={runs}", "-seed=1", f"-max_total_time={seconds}", "-max_len=65536",
            "-timeout=10", folder,
        ]
        atheris.Setup(arguments, one)
        atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
