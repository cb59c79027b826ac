"""A bucket and a queue as the rest of the source sees them, and what can go wrong with them.

What goes wrong is one of three errors: `Gone` (there is no such object), `Withheld` (this object
cannot be read, others may), `base.errors.Unreachable` (the store itself).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

import msgspec


class Gone(Exception):
    """There is no such object, or no such version of it."""


class Withheld(Exception):
    """The store does not give this one object; `code` is its own word for why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class Object(msgspec.Struct, frozen=True):
    """One object as a listing or a notification names it; `modified_us` is 0 where none said.

    `archived`: it has to be brought back from an archive before it can be read.
    """

    key: str
    etag: str = ""
    modified_us: int = 0
    version: str = ""
    archived: bool = False


class Page(msgspec.Struct, frozen=True):
    """Some objects in the store's order; `token` gives the next page, empty at the end.

    `now_us` is how late it was at the store, 0 where it does not say.

    S3 lists keys in the order of their bytes, stores like it perhaps in another one.
    """

    objects: list[Object]
    token: str = ""
    now_us: int = 0


class Readable(Protocol):
    """What gives bytes."""

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes; none at the end."""


class Opened(msgspec.Struct, frozen=True):
    """An object that is being read: what it is, its own metadata, its bytes."""

    object: Object
    metadata: dict[str, str]
    body: Readable
    close: Callable[[], None]


class Letter(msgspec.Struct, frozen=True):
    """One message of a queue; `times` is how often it was handed out."""

    id: str
    receipt: str
    body: str
    times: int = 1


class Bucket(Protocol):
    """A bucket, or what stands for one in a test."""

    def page(self, prefix: str, after: str = "", token: str = "") -> Page:
        """Objects under `prefix`: the page of a token, else those behind the key `after`."""

    def open(self, key: str, version: str = "") -> Opened:
        """Begin to read an object; raises `Gone`, `Withheld`, `Unreachable`."""


class Queue(Protocol):
    """A queue of notifications."""

    def receive(self, most: int) -> list[Letter]:
        """Wait a little for messages, and take them for `limits.S3_VISIBLE_SECONDS`."""

    def hide(self, letter: Letter, seconds: int) -> None:
        """Have a message handed out again after so many seconds from now, and not before."""

    def delete(self, letter: Letter) -> None:
        """Be done with a message."""


KeyRows: TypeAlias = list[tuple[str, bytes]]
"""Fingerprints and public keys (DER)."""
