"""`python -m indelible.app.check DIR`: a verification in a process of its own.

Reads a `VerifyRequest` from stdin; writes `[done, total]` lines and last the report as one line.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec

from indelible.app.checking import verify_place
from indelible.app.place import Place
from indelible.app.process import handed_down
from indelible.base.clock import monotonic
from indelible.base.errors import IndelibleError
from indelible.base.limits import PROGRESS_SECONDS
from indelible.server.rooms import VerifyRequest


def main(data: str) -> int:
    """Verify and report; exits with 0 unless the check itself could not be made."""
    os.nice(10)  # about a tenth of a busy processor: senders and searches come first
    request = msgspec.json.decode(sys.stdin.buffer.read() or b"{}", type=VerifyRequest)
    told = 0.0

    def advance(done: int, total: int) -> None:
        nonlocal told
        if monotonic() - told > PROGRESS_SECONDS:
            told = monotonic()
            _line(msgspec.json.encode([done, total]))

    settings, _ = handed_down()
    try:
        report = verify_place(
            Place(Path(data), settings), from_index=request.from_index,
            to_index=request.to_index, quick=request.quick, against=request.against.encode(),
            verification_policy=request.verification_policy, advance=advance,
        )
    except IndelibleError as error:
        shape = {"verdict": error.code, "exit": error.exit_code, "error": error.as_dict(),
                 "lines": [error.message, error.remedy]}
        _line(msgspec.json.encode(shape))
        return 0
    _line(msgspec.json.encode(report))
    return 0


def _line(content: bytes) -> None:
    sys.stdout.buffer.write(content + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
