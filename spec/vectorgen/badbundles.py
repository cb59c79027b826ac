"""Bundles that a verifier must refuse, and how (sections 7, 8, 10)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from vectorgen.archives import description, make, rewrite, sub
from vectorgen.base import ED, MLDSA, OTHER, SIGNED_AT, compact, flip
from vectorgen.sample import DIFFERS, TWICE, Log


def tampered(index: int | None = None) -> dict[str, object]:
    found: dict[str, object] = {"verdict": "tampered", "exit": 4}
    return found if index is None else found | {"first": index}


def bad_bundles(log: Log) -> Iterable[tuple[str, bytes, dict[str, object]]]:
    base = make(log, range(100, 104), span=True)
    swapped = log.items(range(100, 104))
    swapped[1], swapped[2] = (*swapped[1][:3], swapped[2][3]), (*swapped[2][:3], swapped[1][3])
    body = log.bodies[101]
    other = body.replace(b"user-", b"User-")
    edited = log.items(range(100, 104))
    edited[1] = (*edited[1][:3], other)
    salted = log.items(range(100, 104))
    salted[3] = (salted[3][0], salted[3][1], bytes(32), salted[3][3])
    entry = bytearray(log.entries[102])
    entry[23] ^= 1
    received = log.items(range(100, 104))
    received[2] = (102, bytes(entry), *received[2][2:])

    span = range(100, 104)
    yield "bad-body-edited", make(log, span, items=edited, span=True), tampered(101)
    yield "bad-bodies-swapped", make(log, span, items=swapped, span=True), tampered(101)
    yield "bad-salt", make(log, span, items=salted, span=True), tampered(103)
    yield "bad-entry-edited", make(log, span, items=received, span=True), tampered()
    yield "bad-entry-and-body-differ", make(log, [DIFFERS]), tampered(DIFFERS)
    yield "bad-member-twice", make(log, [TWICE]), tampered(TWICE)
    yield from bad_files(base)
    yield from bad_signatures(log, base)


def bad_files(base: bytes) -> Iterable[tuple[str, bytes, dict[str, object]]]:
    """The files of a good bundle, one of them changed, missing or too many."""

    def parts(**change: Callable[[bytes], bytes]) -> bytes:
        return rewrite(base, {k.replace("__", "."): v for k, v in change.items()})

    yield "bad-view-forged", parts(view__html=sub(b"user-3", b"user-9")), tampered()
    yield (
        "bad-view-script",
        parts(view__html=sub(b"</body>", b"<script></script></body>")),
        tampered(),
    )
    yield "bad-view-empty", parts(view__html=lambda _: b""), tampered()
    yield "bad-proof-leftover", parts(proof__bin=lambda p: p + bytes(32)), tampered()
    yield "bad-proof-missing", parts(proof__bin=lambda p: p[:-32]), tampered()
    yield "bad-proof-cut", parts(proof__bin=lambda p: p[:-1]), tampered()
    yield "bad-proof-flipped", parts(proof__bin=lambda p: bytes([p[0] ^ 1]) + p[1:]), tampered()
    yield "bad-entries-cut", parts(entries__bin=lambda e: e[:-1]), tampered()
    yield "bad-entries-more", parts(entries__bin=lambda e: e + e[-60:]), tampered()
    yield "bad-salts-cut", parts(salts__bin=lambda s: s[:-32]), tampered()
    yield "bad-bodies-more", parts(bodies__ndjson=lambda b: b + b"\n"), tampered()
    yield "bad-bodies-no-newline", parts(bodies__ndjson=lambda b: b[:-1]), tampered()
    yield "bad-range-shorter", parts(bundle__json=sub(b"[100,103]", b"[100,104]")), tampered()
    yield (
        "bad-index-shifted",
        parts(bundle__json=lambda _: compact(description([101, 102, 103, 104]))),
        tampered(),
    )
    yield (
        "bad-index-order",
        parts(bundle__json=lambda _: compact(description([101, 100, 102, 103]))),
        tampered(),
    )
    yield (
        "bad-index-beyond",
        parts(bundle__json=lambda _: compact(description([100, 101, 102, 300]))),
        tampered(),
    )
    yield "bad-no-index", parts(bundle__json=lambda _: compact(description([]))), tampered()
    yield "bad-format", parts(bundle__json=sub(b"bundle/1", b"bundle/2")), tampered()
    yield "bad-origin", parts(bundle__json=sub(b"log.example/", b"Log.example/")), tampered()
    yield "bad-size", parts(bundle__json=sub(b'"size":300', b'"size":299')), tampered()
    yield "bad-file-extra", rewrite(base, add=[("README.txt", b"hello\n")]), tampered()
    yield "bad-file-folder", rewrite(base, add=[("x/", b"")]), tampered()
    yield "bad-file-twice", rewrite(base, add=[("view.html", b"<p>another</p>\n")]), tampered()
    yield "bad-file-missing", rewrite(base, drop="salts.bin"), tampered()
    yield "bad-not-a-zip", base[:-200], tampered()


def bad_signatures(log: Log, base: bytes) -> Iterable[tuple[str, bytes, dict[str, object]]]:
    text = log.head().format()
    ed, pq = ED.sign(text), MLDSA.cosign(text, SIGNED_AT)

    def noted(*lines: str) -> bytes:
        return rewrite(base, {"checkpoint": lambda _: (text + "\n" + "".join(lines)).encode()})

    stripped = {"verdict": "signature stripped", "exit": 4}
    unsigned = {"verdict": "not signed by the given key", "exit": 4}
    yield "bad-signature-stripped", noted(ed), stripped
    yield "bad-signature-stripped-ed25519", noted(pq), stripped
    yield "bad-signature-of-another", noted(OTHER.sign(text)), unsigned
    yield "bad-signature-flipped", noted(flip(ed, 9), pq), tampered()
    yield "bad-signature-flipped-mldsa44", noted(ed, flip(pq, 500)), tampered()
