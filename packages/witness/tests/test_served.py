"""tlog-witness over HTTP: each answer of the specification, from a real served witness."""

from __future__ import annotations

import hashlib
import json
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from indelible_verify import Key, parse_note, verify_note
from indelible_witness.main import main


@pytest.fixture
def shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[], dict[str, Any]]:
    def call() -> dict[str, Any]:
        assert main(["show", str(folder), "--json"]) == 0
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    return call


def grown(served: Any, small: Any, *sizes: int) -> None:
    """Bring the witness to the last of the sizes."""
    old = 0
    for size in sizes:
        assert served.post(small.request(old, size))[0] == 200
        old = size


def test_first_checkpoint_is_cosigned_with_both_keys(served: Any, small: Any, shown: Any) -> None:
    status, kind, body = served.post(small.request(0, 7))
    assert (status, kind.split(";")[0]) == (200, "text/plain")
    keys = [Key.parse(vkey) for vkey in shown()["vkeys"]]
    assert [key.type for key in keys] == [4, 6]
    signed = verify_note(parse_note(small.checkpoint(7) + body), keys)
    assert all(one.valid and one.timestamp for one in signed)
    assert body.count(b"\n") == 2


@pytest.mark.parametrize(("old", "size"), [(1, 2), (3, 7), (4, 8), (7, 8), (8, 40), (13, 39)])
def test_growth_with_a_proof_is_cosigned(served: Any, small: Any, old: int, size: int) -> None:
    grown(served, small, old, size)
    digest = hashlib.sha256(small.origin.encode()).hexdigest()
    status, kind, body = served.get(f"/{digest}/checkpoint")
    assert (status, kind.split(";")[0]) == (200, "text/plain")
    assert body.startswith(small.checkpoint(size))
    assert len(body.split(b"\n\n")[1].splitlines()) == 3


def test_same_checkpoint_again_gets_fresh_cosignatures(served: Any, small: Any) -> None:
    grown(served, small, 7, 7)


def test_empty_log_is_cosigned(served: Any, small: Any) -> None:
    grown(served, small, 0, 0, 3)


def test_wrong_old_size_is_answered_409_with_the_size(served: Any, small: Any) -> None:
    grown(served, small, 7)
    for old in (0, 3, 8):
        assert served.post(small.request(old, 9)) == (409, "text/x.tlog.size", b"7\n")


def test_rollback_is_refused(served: Any, small: Any) -> None:
    grown(served, small, 9)
    assert served.post(small.request(5, 7)) == (409, "text/x.tlog.size", b"9\n")
    assert served.post(small.request(9, 7, small.checkpoint(7)))[0] == 400
    assert served.post(small.request(0, 7)) == (409, "text/x.tlog.size", b"9\n")


def test_fork_of_the_same_size_is_refused_and_kept(served: Any, small: Any, shown: Any) -> None:
    grown(served, small, 9)
    other = small.branch(5, 20, b"other")
    assert served.post(other.request(9, 9)) == (409, "text/x.tlog.size", b"9\n")
    kept = shown()["evidence"]
    assert [(one["reason"], one["size"]) for one in kept] == [("fork", 9)]
    log_key = [Key.parse(small.vkey)]
    for note in (kept[0]["note"], kept[0]["known"]):
        assert verify_note(parse_note(note.encode()), log_key)[0].valid
    assert kept[0]["note"].splitlines()[2] != kept[0]["known"].splitlines()[2]


def test_fork_further_on_is_answered_422_and_kept(served: Any, small: Any, shown: Any) -> None:
    grown(served, small, 9)
    other = small.branch(5, 20, b"other")
    assert served.post(other.request(9, 12))[0] == 422
    assert [(one["reason"], one["size"]) for one in shown()["evidence"]] == [("unproven", 12)]
    assert shown()["logs"][small.origin]["size"] == 9


def test_honest_checkpoint_refused_for_a_bad_proof_is_no_evidence_once_proven(
    served: Any, small: Any, shown: Any
) -> None:
    grown(served, small, 9)
    lines = small.request(9, 12).split(b"\n")
    broken = b"\n".join([lines[0], lines[2], lines[1], *lines[3:]])
    assert served.post(broken)[0] == 422
    assert len(shown()["evidence"]) == 1
    grown_to = served.post(small.request(9, 12))
    assert grown_to[0] == 200
    assert shown()["evidence"] == []


def test_proof_where_none_belongs_is_422(served: Any, small: Any) -> None:
    hash_line = b"A" * 43 + b"=\n"
    assert served.post(small.request(0, 5).replace(b"old 0\n", b"old 0\n" + hash_line))[0] == 422
    grown(served, small, 5)
    assert served.post(small.request(5, 5).replace(b"old 5\n", b"old 5\n" + hash_line))[0] == 422


def test_unknown_origin_is_404_and_wrong_signature_403(
    served: Any, small: Any, make_small: Any
) -> None:
    stranger = make_small("other.test/log").grow(5)
    assert served.post(stranger.request(0, 5))[0] == 404
    forger = make_small(small.origin).grow(5)
    assert served.post(forger.request(0, 5))[0] == 403
    forger.id = small.id
    assert served.post(forger.request(0, 5))[0] == 403
    assert served.get("/" + "0" * 64 + "/checkpoint")[0] == 404
    digest = hashlib.sha256(small.origin.encode()).hexdigest()
    assert served.get(f"/{digest}/checkpoint")[0] == 404, "nothing was cosigned"


def test_lines_of_unknown_keys_are_ignored_and_not_repeated(
    served: Any, small: Any, make_small: Any
) -> None:
    foreign = make_small("foreign.test").checkpoint(0).split(b"\n\n")[1]
    assert served.post(small.request(0, 5, small.checkpoint(5) + foreign))[0] == 200
    digest = hashlib.sha256(small.origin.encode()).hexdigest()
    assert b"foreign.test" not in served.get(f"/{digest}/checkpoint")[2]


def test_extension_lines_are_admitted(served: Any, small: Any) -> None:
    assert served.post(small.request(0, 5, small.checkpoint(5, "more\n")))[0] == 200


@pytest.mark.parametrize(
    "change",
    [
        lambda body: b"",
        lambda body: b"\xff" + body,
        lambda body: body.replace(b"old 0", b"old 00"),
        lambda body: body.replace(b"old 0", b"old -1"),
        lambda body: body.replace(b"old 0", b"old  0"),
        lambda body: body.replace(b"old 0", b"new 0"),
        lambda body: body.replace(b"old 0", b"old 99999999999999999999"),
        lambda body: body.replace(b"old 0\n", b"old 0\nAAAA\n"),
        lambda body: body.replace(b"old 0\n", b"old 0\n" + (b"A" * 43 + b"=\n") * 64),
        lambda body: body.replace(b"old 0\n\n", b"old 0\n"),
        lambda body: body.replace(b"\n5\n", b"\n05\n"),
        lambda body: body.replace(b"\n\n", b"\r\n\r\n"),
        lambda body: body[:-1],
    ],
)
def test_malformed_requests_are_400(
    served: Any, small: Any, change: Callable[[bytes], bytes]
) -> None:
    assert served.post(change(small.request(0, 5)))[0] == 400
    assert served.get("/healthz")[0] == 200


def test_too_long_body_is_refused_and_the_witness_lives_on(served: Any, small: Any) -> None:
    try:
        assert served.post(b"old 0\n" + b"A" * (4 << 20))[0] == 413
    except (BrokenPipeError, ConnectionResetError):
        assert served.process.poll() is None
    grown(served, small, 5)


def test_other_methods_and_paths_are_refused(served: Any) -> None:
    assert served.get("/add-checkpoint")[0] == 405
    assert served.get("/..%2f/checkpoint")[0] == 404
    assert served.post(b"", "/healthz")[0] == 405


def test_health_says_who_it_is(served: Any) -> None:
    status, _, body = served.get("/healthz")
    assert (status, json.loads(body)["name"]) == (200, "witness.test/w1")


def test_tls_is_served(serve: Callable[..., Any], small: Any, tmp_path: Path) -> None:
    certificate, key = tmp_path / "tls.pem", tmp_path / "tls.key"
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
        .sign(private, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    certificate.write_bytes(signed.public_bytes(pem))
    plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    key.write_bytes(private.private_bytes(pem, *plain))
    trusting = ssl.create_default_context(cafile=certificate)
    served = serve("--tls-cert", str(certificate), "--tls-key", str(key), tls=trusting)
    assert served.post(small.request(0, 5))[0] == 200
