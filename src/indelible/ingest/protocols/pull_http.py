"""The transport of pulling: one HTTP request after the other, bounded in time and size.

TLS is verified with the system's certificates (`SSL_CERT_FILE` names others). A redirect is
followed on the same host only: credentials go nowhere else.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from types import TracebackType
from urllib.parse import urljoin

import httpx2

from indelible.base.limits import (
    PULL_ANSWER_BYTES,
    PULL_CONNECT_SECONDS,
    PULL_REDIRECTS,
    PULL_SECONDS,
    PULL_WHOLE_SECONDS,
)
from indelible.ingest.protocols.pull_answers import Answer
from indelible.ingest.protocols.pull_description import origin_of

logging.getLogger("httpx2").setLevel(logging.WARNING)  # it would log every request of every beat


class Unanswered(Exception):
    """There is no answer; the text says why, without anything of the request's content."""


class Client:
    """A connection pool of one source."""

    def __init__(self) -> None:
        self._client = httpx2.AsyncClient(
            timeout=httpx2.Timeout(PULL_SECONDS, connect=PULL_CONNECT_SECONDS),
            follow_redirects=False, headers={"user-agent": "indelible", "accept": "*/*"},
        )

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._client.aclose()

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Answer:
        """One exchange; raises `Unanswered`, also when the answer has no end."""
        try:
            async with asyncio.timeout(PULL_WHOLE_SECONDS):
                return await self._followed(method, url, headers, body)
        except TimeoutError as error:
            raise Unanswered(f"no whole answer within {PULL_WHOLE_SECONDS:g} s") from error

    async def _followed(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        for _ in range(PULL_REDIRECTS):
            answer = await self._once(method, url, headers, body)
            where = answer.headers.get("location", "")
            if answer.status not in (301, 302, 307, 308) or not where or method != "GET":
                return answer
            target = urljoin(url, where)
            if origin_of(target) != origin_of(url):
                raise Unanswered(f"it leads to another host (status {answer.status})")
            url = target
        raise Unanswered("it leads from one address to the next")

    async def _once(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        try:
            async with self._client.stream(
                method, url, headers=dict(headers), content=body or None
            ) as response:
                parts: list[bytes] = []
                size = 0
                async for part in response.aiter_bytes():
                    size += len(part)
                    if size > PULL_ANSWER_BYTES:
                        raise Unanswered(f"the answer has more than {PULL_ANSWER_BYTES} bytes")
                    parts.append(part)
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise Unanswered(f"no answer: {type(error).__name__}") from error
        names = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status_code, names, b"".join(parts))
