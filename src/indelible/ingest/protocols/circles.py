"""Pages that lead nowhere: a listing that goes in a circle is found out. Pure.

A service may give the token back that it was asked with, give an earlier one, or take no notice of
tokens and bring the same page under each. Earlier ones are found as R. P. Brent finds cycles ("An
improved Monte Carlo factorization algorithm", BIT 20, 1980): one token is remembered, at each power
of two a later one, so that a circle shows after a few times its length, whatever its length is.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b


class Circle:
    """The pages of one listing, in their order."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Another listing begins."""
        self._count = 0
        self._marked = self._asked = ""
        self._held = b""

    def closes(self, asked: str, following: str, raws: Sequence[bytes]) -> bool:
        """Whether the page `asked`, which holds `raws` and leads to `following`, closes a circle.

        The same page may be asked again, as after a failure.
        """
        if not following:
            return False
        held = blake2b(b"\0".join(raws), digest_size=16).digest() if raws else b""
        same = bool(held) and held == self._held and asked != self._asked
        if same or following in (asked, self._marked):
            return True
        if asked != self._asked or not self._count:
            self._count += 1
            if self._count & (self._count - 1) == 0:
                self._marked = asked
        self._asked, self._held = asked, held
        return False
