"""Archives as the writer makes them, and archives changed afterwards."""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Callable, Sequence

from indelible.proof import bundle, tree
from indelible.proof.errors import ProofError
from vectorgen.base import ORIGIN
from vectorgen.sample import Log, signed_note


def make(
    log: Log,
    indexes: Sequence[int],
    hidden: Sequence[int] = (),
    note: bytes | None = None,
    size: int | None = None,
    span: bool = False,
    items: list[bundle.Item] | None = None,
) -> bytes:
    head = log.head(size)
    buffer = io.BytesIO()
    proof = tree.multiproof(indexes, head.size, log.get)
    limits = (indexes[0], indexes[-1]) if span else None
    shown = items if items is not None else log.items(indexes, hidden)
    bundle.write_bundle(buffer, ORIGIN, note or signed_note(head), shown, proof, limits)
    return buffer.getvalue()


def rewrite(
    data: bytes,
    change: dict[str, Callable[[bytes], bytes]] | None = None,
    add: Sequence[tuple[str, bytes]] = (),
    drop: str | None = None,
) -> bytes:
    """The archive with members changed, added (also a second time) or dropped."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        members = [(name, old.read(name)) for name in old.namelist() if name != drop]
        for name, content in [*members, *add]:
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            if change and name in change and (name, content) in members:
                content = change[name](content)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the duplicate name is the point
                new.writestr(info, content)
    return out.getvalue()


def sub(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        if old not in content:
            raise ProofError("vector: nothing to replace")
        return content.replace(old, new, 1)

    return change


def description(indexes: list[int]) -> dict[str, object]:
    return {"format": bundle.FORMAT, "origin": ORIGIN, "size": 300, "indexes": indexes}
