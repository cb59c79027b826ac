"""A bucket that is listed on a beat: what is new is found, also where it appears late.

Two listings take turns. The **look** asks, `every` minute, for what was written since the last look
began, less a day: S3 dates an object when its writing begins and shows it when it ends. It passes
over folders of days that are older than some days before, so that it costs a request or two for
each folder that holds days. The **sweep** asks for everything, page by page between the looks, once
a day: the first finds what was there before, later ones what appeared in folders of old days.

An object is missed only if it appears in such a folder and is gone again before the next sweep, or
if the store gives it a time of writing more than a day before it shows it.

The position of the sweep is kept with every page, that of a look when all of it is durable. When a
listing began is told by the store's own time where our clock is ahead of it: else what was written
in between would be taken for old by all listings to come. A time that lies in the future all the
same is worth nothing, and everything is asked for again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec

from indelible.base.clock import MICROS, monotonic
from indelible.base.errors import Unreachable
from indelible.base.limits import (
    S3_AGAIN,
    S3_AGAIN_MOST_SECONDS,
    S3_AGAIN_SECONDS,
    S3_AT_ONCE,
    S3_CLOCK_SECONDS,
    S3_EMPTY_PAGES,
    S3_LATE_SECONDS,
    S3_PAGES,
    S3_REMEMBER_SECONDS,
    S3_SWEEP_SECONDS,
)
from indelible.ingest.protocols.circles import Circle
from indelible.ingest.protocols.digests_work import Digests
from indelible.ingest.protocols.s3_keys import digest_key, passed_over
from indelible.ingest.protocols.s3_records import not_read
from indelible.ingest.protocols.s3_store import Gone, Object, Page, Withheld
from indelible.ingest.protocols.s3_work import UNREACHABLE, Work, together

_MARK = "listing"
_AGAIN = "again/"
_LATE_US = S3_LATE_SECONDS * MICROS
_encode = msgspec.json.Encoder().encode


class Mark(msgspec.Struct, kw_only=True):
    """How far the listings are. `looked_us`: when the last whole look began.

    `began_us` and `after` are those of the sweep that is under way, `floor_us` the time before
    which it takes nothing. `ended_us` is when the last whole sweep began, `swept_us` the same of
    the last one that left nothing; `left` counts what this one left by the reason, with the first.
    """

    looked_us: int = 0
    forgot_us: int = 0
    ended_us: int = 0
    swept_us: int = 0
    left: dict[str, int] = {}
    left_first: dict[str, str] = {}
    began_us: int = 0
    floor_us: int = 0
    after: str = ""


class Again(msgspec.Struct, kw_only=True):
    """An object that could not be read, and is tried again."""

    etag: str
    modified_us: int
    tries: int = 1
    due_us: int = 0


class _Walk:
    """The pages of one listing: each must lead on, and they should have an end.

    `began_us` is the store's own time when the first came, 0 where it tells none.
    """

    def __init__(self) -> None:
        self.began_us = 0
        self._circle = Circle()
        self._empty = 0
        self._pages = 0

    def came(self, asked: str, page: Page) -> str:
        """The page that was `asked` came; what is odd, though it is read on.

        Raises `Unreachable` when such a listing has no end.
        """
        shown = [f"{one.key}\n{one.etag}".encode("utf-8", "surrogatepass") for one in page.objects]
        if self._circle.closes(asked, page.token, shown):
            raise Unreachable("the store lists the same page again and again")
        self._empty = 0 if page.objects else self._empty + 1
        if page.token and self._empty > S3_EMPTY_PAGES:
            raise Unreachable("the store lists nothing, and says each time that there is more")
        self._pages += 1
        many = page.token and self._pages > S3_PAGES
        return f"one listing has taken more than {S3_PAGES:,} pages" if many else ""


class _Failure(NamedTuple):
    """What could not be read, the store's word for why, and more."""

    what: Object
    code: str
    why: str


_mark = msgspec.json.Decoder(Mark).decode
_again = msgspec.json.Decoder(Again).decode


class Listing:
    """The listings of one source. `looks` is False where a queue tells what is new."""

    def __init__(
        self, work: Work, digests: Digests, positions: Mapping[str, bytes], looks: bool = True
    ) -> None:
        self._work, self._digests, self._looks = work, digests, looks
        self._options = work.options
        kept = positions.get(_MARK)
        self._mark = _mark(kept) if kept else Mark()
        self._token = ""
        self._walk = _Walk()
        self._sweeping = False
        work.memory.forgot_us = self._mark.forgot_us
        self._again = {
            name.removeprefix(_AGAIN): _again(value)
            for name, value in positions.items() if name.startswith(_AGAIN)
        }

    async def forever(self) -> None:
        """Look and sweep until cancelled; raises `Unreachable` when the store does not answer."""
        while True:
            began = monotonic()
            if self._looks:
                await self.look()
            while await self.sweep() and monotonic() - began < self._options.every:
                pass
            await self.retry()  # at last: what fails again and again keeps nothing new waiting
            await self._work.settle(at_once=True)
            await asyncio.sleep(max(0.0, began + self._options.every - monotonic()))

    async def look(self) -> None:
        """Find what is new."""
        began = self._work.now_us()
        self._mend(began)
        last = self._mark.looked_us or began
        floor = max(last - _LATE_US, self._work.memory.forgot_us, self._options.since_us or 0)
        day = datetime.fromtimestamp(last // MICROS, UTC).date()
        oldest = day - timedelta(days=self._options.days)
        digests: list[Object] = []
        self._sweeping = False
        walk = _Walk()
        async for page in self._pages(walk, lambda key: passed_over(key, oldest)):
            await self._take([one for one in page if one.modified_us >= floor], digests)
        await self._take_digests(digests)
        began = min(began, walk.began_us or began)
        self._mark.looked_us = began
        self._work.memory.prune(began - S3_REMEMBER_SECONDS * MICROS)
        self._keep()
        await self._digests.look()

    async def sweep(self) -> bool:
        """One page of a listing of everything; False when none is due."""
        mark, now = self._mark, self._work.now_us()
        self._mend(now)
        if not mark.began_us:
            if now - mark.ended_us < S3_SWEEP_SECONDS * MICROS:
                return False
            mark.floor_us = max(mark.swept_us - _LATE_US, self._options.since_us or 0)
            mark.began_us, mark.after, self._token = now, "", ""
            self._walk = _Walk()
        page = await self._page(mark.after, self._token, self._walk)
        mark.began_us = min(mark.began_us, self._walk.began_us or mark.began_us)
        digests: list[Object] = []
        self._sweeping = True
        await self._take([one for one in page.objects if one.modified_us >= mark.floor_us], digests)
        await self._take_digests(digests)
        self._token = page.token
        if page.objects:
            mark.after = page.objects[-1].key
        if not page.token:
            await self._digests.probe(self._options.since_us or 0)
            await self._tell_left()
            mark.ended_us, mark.began_us, mark.after = mark.began_us, 0, ""
            mark.left, mark.left_first = {}, {}
        self._keep()
        await self._work.settle()
        return bool(page.token)

    async def retry(self) -> None:
        """Try what could not be read, where its time has come."""
        now = self._work.now_us()
        most = now + S3_AGAIN_MOST_SECONDS * MICROS
        due = [
            Object(key, one.etag, one.modified_us)
            for key, one in self._again.items() if not now < one.due_us <= most
        ]
        await self._try(due)

    def _mend(self, now: int) -> None:
        """Take nothing from a mark that a clock has set which was ahead."""
        mark = self._mark
        latest = max(mark.looked_us, mark.ended_us, mark.swept_us, mark.began_us)
        if latest > now + S3_CLOCK_SECONDS * MICROS:
            self._mark, self._token = Mark(forgot_us=mark.forgot_us), ""

    # --- listing

    async def _pages(
        self, walk: _Walk, over: Callable[[str], str]
    ) -> AsyncIterator[Sequence[Object]]:
        """Everything under the prefix, but for what `over` passes over, in any store's order."""
        after = token = ""
        while True:
            page = await self._page(after, token, walk)
            yield [one for one in page.objects if not over(one.key)]
            if not page.token:
                return
            last = page.objects[-1].key if page.objects else ""
            after = over(last)
            token = "" if after else page.token

    async def _page(self, after: str, token: str, walk: _Walk) -> Page:
        page = await self._work.run(self._work.bucket.page, self._options.prefix, after, token)
        self._work.trouble = walk.came(token or f"after {after}", page)
        self._work.told(page.now_us)
        walk.began_us = walk.began_us or page.now_us
        return page

    # --- taking

    async def _take(self, found: Sequence[Object], digests: list[Object]) -> None:
        """Read the new ones of a page; digests are left for when their log files were read."""
        new: list[Object] = []
        for one in found:
            if one.key.endswith("/") or self._work.memory.has(one) or one.key in self._again:
                continue
            if one.archived:
                if self._sweeping:
                    self._leave(one, "archived")
            elif digest_key(one.key) is not None:
                digests.append(one)
            else:
                new.append(one)
        await self._try(new)

    async def _take_digests(self, digests: Sequence[Object]) -> None:
        if self._options.digests:
            await self._try(sorted(digests, key=_end))

    async def _try(self, objects: Sequence[Object]) -> None:
        """Read objects; those that fail wait, and are told when another one could be read."""
        failed: list[_Failure] = []
        for start in range(0, len(objects), S3_AT_ONCE):
            some = objects[start : start + S3_AT_ONCE]
            found = await together(self._one(one) for one in some)
            for one in found:
                if one is not None:
                    failed.append(one)
                    self._work.troubles.failed(one.code, one.why)
            if not all(found):
                await self._wait(failed)
                failed = []
            await self._work.settle()
        await self._wait(failed)

    async def _one(self, what: Object) -> _Failure | None:
        """Read one object; what went wrong, if it may go better later."""
        try:
            if digest_key(what.key) is not None:
                await self._digests.take(what)
            else:
                await self._work.read(what)
        except Gone as error:
            bucket = self._options.bucket
            await self._work.tell(not_read(bucket, what, "gone", f"it was listed: {error}"))
        except Withheld as error:
            return _Failure(what, error.code, str(error))
        except Unreachable as error:
            return _Failure(what, UNREACHABLE, error.message)
        else:
            self._work.troubles.read()
        if self._again.pop(what.key, None) is not None:
            self._work.changed[f"{_AGAIN}{what.key}"] = b""
        return None

    async def _wait(self, failed: Sequence[_Failure]) -> None:
        """Have objects tried again later, and say so once."""
        for what, code, why in failed:
            before = self._again.get(what.key)
            if before is None and len(self._again) >= S3_AGAIN:
                self._leave(what, code)
                continue
            if before is None:
                await self._work.tell(not_read(self._options.bucket, what, code, why))
            tries = before.tries + 1 if before is not None else 1
            seconds = min(S3_AGAIN_SECONDS * 2 ** min(tries - 1, 16), S3_AGAIN_MOST_SECONDS)
            again = Again(
                etag=what.etag, modified_us=what.modified_us, tries=tries,
                due_us=self._work.now_us() + seconds * MICROS,
            )
            self._again[what.key] = again
            self._work.changed[f"{_AGAIN}{what.key}"] = _encode(again)

    def _leave(self, what: Object, code: str) -> None:
        """Leave an object to the next sweep, which tells how many were left, and asks for it."""
        count = self._mark.left.get(code, 0)
        self._mark.left[code] = count + 1 if self._sweeping else max(count, 1)
        self._mark.left_first.setdefault(code, what.key)

    async def _tell_left(self) -> None:
        """After a sweep: what was left. All but what is archived is asked for by the next one."""
        mark = self._mark
        for code, count in mark.left.items():
            what = Object(mark.left_first[code])
            why = f"at least {count} objects were not read, and this one is the first of them"
            await self._work.tell(not_read(self._options.bucket, what, code, why, count=count))
        if not set(mark.left) <= {"archived"}:
            return
        mark.swept_us = mark.began_us

    def _keep(self) -> None:
        self._mark.forgot_us = self._work.memory.forgot_us
        self._work.changed[_MARK] = _encode(self._mark)


def _end(what: Object) -> int:
    named = digest_key(what.key)
    return named.end_us if named is not None else 0
