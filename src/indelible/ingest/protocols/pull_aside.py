"""Contents that could not be fetched, put aside so that they hold up no others. Pure.

One blob that a service cannot give, that is too large or damaged may stay so for as long as the
service keeps it. It is tried again beside the others, one on each beat in turn, until it comes or
is not kept any more. The state of its stream holds it, so that it outlives this process.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from indelible.base.limits import PULL_ASIDE


class Aside(msgspec.Struct, frozen=True, omit_defaults=True):
    """URLs of contents in the order of their turns; none is tried before `due_us`."""

    urls: tuple[str, ...] = ()
    due_us: int = 0

    @property
    def full(self) -> bool:
        """Whether no other one has room."""
        return len(self.urls) >= PULL_ASIDE

    def last(self, url: str, due_us: int) -> Aside:
        """With `url` tried last, and the next one not before `due_us`."""
        return Aside((*self.without(url).urls, url), due_us)

    def without(self, url: str) -> Aside:
        """Once `url` was fetched or is gone; the next one may be tried at once."""
        if url not in self.urls:
            return self
        return Aside(tuple(one for one in self.urls if one != url))


def told(aside: Aside, whys: Mapping[str, str]) -> str:
    """What people should know of them, or ''; `whys` are the reasons by URL, of which
    one is shown."""
    if not aside.urls:
        return ""
    why = next((whys[url] for url in sorted(aside.urls) if url in whys), "")
    said = f" ({why})" if why else ""
    count = len(aside.urls)
    what = "1 listed content" if count == 1 else f"{count:,} listed contents"
    return f"{what} cannot be fetched{said}: tried again on the beat, the others are read"
