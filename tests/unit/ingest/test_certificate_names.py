"""What a client certificate is called: by names that its bearer may choose, and by its hash."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from indelible.ingest.protocols.connections import certificate_names

HASH = "sha256:" + "ab" * 32


class Secured:
    """As much of a TLS connection as tells of its client."""

    def __init__(self, *names: str, common: str = "") -> None:
        self._said = {
            "subjectAltName": tuple(("DNS", name) for name in names),
            "subject": ((("commonName", common),),) if common else (),
        }

    def getpeercert(self, binary_form: bool = False) -> Any:
        return b"der" if binary_form else self._said


def test_a_certificate_has_its_names_and_its_hash() -> None:
    found = certificate_names(Secured("web1", "web1.example", common="web1"))  # type: ignore[arg-type]
    assert found == ["web1", "web1.example", f"sha256:{hashlib.sha256(b'der').hexdigest()}"]


@pytest.mark.parametrize("name", [HASH, HASH.upper(), "Sha256:x", "sha256:"])
def test_a_name_that_is_written_as_a_hash_is_none(name: str) -> None:
    own = f"sha256:{hashlib.sha256(b'der').hexdigest()}"
    assert certificate_names(Secured(name)) == [own]  # type: ignore[arg-type]
    assert certificate_names(Secured("web1", common=name)) == ["web1", own]  # type: ignore[arg-type]
