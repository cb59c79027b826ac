"""How far a long check is: one line on stderr, and only where a person watches."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Final, TextIO

_SECONDS: Final = 0.2
_CLEAR: Final = "\r\x1b[K"


class Progress:
    """`progress(done, total)` in entries; silent unless `shown` and the stream is a terminal."""

    def __init__(self, stream: TextIO, *, shown: bool) -> None:
        self._stream, self._shown = stream, shown and stream.isatty()
        self._due, self._drawn = 0.0, False

    def __enter__(self) -> Progress:
        return self

    def __call__(self, done: int, total: int) -> None:
        """Draw the line anew, a few times a second."""
        if not self._shown or (time.monotonic() < self._due and done < total):
            return
        self._due, self._drawn = time.monotonic() + _SECONDS, True
        part = 100 * done // max(total, 1)
        self._stream.write(f"{_CLEAR}verifying: {done:,} of {total:,} entries, {part} %")
        self._stream.flush()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing of it stays."""
        if self._drawn:
            self._stream.write(_CLEAR)
            self._stream.flush()
