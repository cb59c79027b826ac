"""Binary event logs of Windows (`.evtx`): their records as event XML, one after the other.

The records are read by the library `evtx`, which is an extra of its own; it renders each as the XML
that `parsers.windows_xml` reads. A file is read in pieces of 64 KiB and never held whole. Every
record has an id of its own, so that overlapping exports of a log add nothing twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple

from indelible.base.errors import BadRequest
from indelible.ingest.extras import libraries

SIGNATURE: Final = b"ElfFile\x00"
"""How such a file begins, by the format's description in the documentation of libevtx."""


class Damaged(NamedTuple):
    """A part of a file that could not be read, with the reason; the records after it follow."""

    why: str


def is_event_log(head: bytes) -> bool:
    """Whether a file that begins with `head` is a binary event log."""
    return head.startswith(SIGNATURE)


def event_texts(file: BinaryIO, name: str) -> Iterator[str | Damaged]:
    """Every record of an open file, which can be sought in, in the order of the file.

    Raises `BadRequest`, naming `name`, when the library is absent or the file is no event log.
    """
    what = f"{name} is a binary event log, and such files are"
    [library] = libraries(what, "evtx", "evtx", "evtx", field="file")
    try:
        records = library.PyEvtxParser(file, number_of_threads=1, indent=False).records()
    except (OSError, RuntimeError, ValueError) as error:
        raise BadRequest(f"{name} cannot be read as an event log: {error}", field="file") from error
    yield from _texts(iter(records))


def _texts(records: Iterator[dict[str, str]]) -> Iterator[str | Damaged]:
    """What the library reads; it goes on after a part that it cannot."""
    last = ""
    while True:
        try:
            record = next(records)
        except StopIteration:
            return
        except (RuntimeError, OSError) as error:
            why = str(error)
            yield Damaged(why)
            if why == last:  # it does not get on
                return
            last = why
            continue
        yield record["data"]
