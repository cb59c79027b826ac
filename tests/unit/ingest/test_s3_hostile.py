"""Listings without an end, clocks that are wrong, answers that do not end: told, nothing missed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest

from indelible.base.errors import Unreachable
from indelible.ingest.protocols import s3_boto, s3_listing, s3_work
from indelible.ingest.protocols.s3_boto import Account
from indelible.ingest.protocols.s3_options import Login, options_of
from indelible.ingest.protocols.s3_store import Object, Page
from support.buckets import MemoryBucket
from support.s3_house import House, story

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_work, "S3_TRY_SECONDS", 0.0)


def _page(number: int, token: str) -> Page:
    return Page([Object(f"{number}.log", f"e{number}", 0)], token)


class Told(MemoryBucket):
    """Its pages are told one after the other."""

    def __init__(self, pages: Iterator[Page]) -> None:
        super().__init__()
        self._told = pages

    def page(self, prefix: str, after: str = "", token: str = "") -> Page:
        self.pages += 1
        return next(self._told)


def _told(pages: Iterator[Page]) -> House:
    one = House()
    one.bucket = Told(pages)
    one.restart()
    return one


# --- listings


_ENDLESS = {
    "two tokens": lambda: (_page(one, f"t{one % 2}") for one in count()),
    "three tokens": lambda: (_page(one, f"t{one % 3}") for one in count()),
    "one page": lambda: (_page(7, f"t{one}") for one in count()),
    "nothing": lambda: (Page([], f"t{one}") for one in count()),
}


@pytest.mark.parametrize("how", _ENDLESS)
@pytest.mark.parametrize("which", ["look", "sweep"])
def test_a_listing_that_has_no_end_is_given_up(how: str, which: str) -> None:
    @story
    async def told() -> None:
        one = _told(_ENDLESS[how]())
        with pytest.raises(Unreachable, match="lists"):
            await getattr(one, which)()
        assert one.bucket.pages <= 1_002

    told()


@pytest.mark.parametrize("which", ["look", "sweep"])
def test_an_absurdly_long_listing_is_told_and_read(
    which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_listing, "S3_PAGES", 3)

    @story
    async def told() -> None:
        shown: list[str] = []
        one = House()
        one.bucket.size = 1
        figures = one.hub.figures

        def figured(settings: Any, said: Any) -> None:
            shown.append(said.get("trouble", ""))
            figures(settings, said)

        one.hub.figures = figured  # type: ignore[method-assign]
        monkeypatch.setattr(s3_work, "S3_KEEP_SECONDS", 0.0)
        for number in range(6):
            one.bucket.put(f"{number}.log", b'{"n": 1}\n')
        await getattr(one, which)()
        assert "one listing has taken more than 3 pages" in shown
        assert one.hub.shown == {"objects": "6 read since the source was started"}
        assert len(one.found()) == 6

    told()


def test_public_keys_without_an_end_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("boto3", reason="boto3 is absent")
    monkeypatch.setattr(s3_boto, "S3_KEY_PAGES", 5)
    account = Account(options_of({"bucket": "trail"}), Login("AKIA", "key"))
    asked: list[str] = []

    class Keys:
        def list_public_keys(self, **said: Any) -> dict[str, Any]:
            asked.append(said.get("NextToken", ""))
            return {"PublicKeyList": [], "NextToken": f"t{len(asked) % 2}"}

    monkeypatch.setattr(account, "client", lambda *_: Keys())
    with pytest.raises(Unreachable, match="more than 5 pages"):
        account.public_keys("eu-central-1", 0, 1)
    assert len(asked) == 5
