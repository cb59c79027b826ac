"""Answers that come in pages: read until there are enough, and put together again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import msgspec

from indelible.base.limits import SEARCH_ROWS
from indelible.cli.client import Client, Params
from indelible.cli.output import decode
from indelible.query.model import HistoryAnswer, SearchPage, TimelineAnswer

Page = TypeVar("Page", SearchPage, HistoryAnswer, TimelineAnswer)
Pages = SearchPage | HistoryAnswer | TimelineAnswer


def read_pages(client: Client, path: str, params: Params, limit: int, kind: type[Page]) -> Iterator[
    tuple[bytes, Page]
]:
    """Pages until `limit` events or the end; the raw answer beside each."""
    left, cursor = limit, params.get("cursor")
    while left > 0:
        raw = client.get(
            path, {**params, "cursor": cursor or None, "limit": min(left, SEARCH_ROWS)}
        )
        page = decode(raw, kind)
        yield raw, page
        count = len(page.events) if isinstance(page, SearchPage) else len(page.entries)
        left, cursor = left - count, page.cursor
        if not cursor or not count:
            return


def merged(raws: list[bytes], member: str) -> bytes:
    """Several pages as one document: the first page's facts, all events, the last cursor."""
    if len(raws) == 1:
        return raws[0]
    pages = [decode(raw, dict[str, msgspec.Raw]) for raw in raws]
    parts: list[msgspec.Raw] = []
    for page in pages:
        parts += decode(bytes(page[member]), list[msgspec.Raw])
    merged: dict[str, object] = {**pages[0], member: parts, "cursor": pages[-1]["cursor"]}
    merged["took_ms"] = sum(decode(bytes(page["took_ms"]), float) for page in pages)
    return msgspec.json.encode(merged)
