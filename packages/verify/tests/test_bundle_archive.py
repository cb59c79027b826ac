"""A bundle as an archive: nothing in it that another reader of ZIP files would see otherwise."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., tuple[int, dict[str, Any]]]
Pack = Callable[..., Path]
SOME = [3, 4, 9, 17]


def test_extra_missing_or_double_names_are_refused(filled: Any, run: Run, tmp_path: Path) -> None:
    parts = filled.parts(SOME)
    lists = [
        [*parts.items(), ("README", b"x")],
        [*parts.items(), ("view.html", parts["view.html"])],
        [*parts.items(), ("../view.html", b"x")],
        [item for item in parts.items() if item[0] != "salts.bin"],
    ]
    for members in lists:
        path = tmp_path / "b.zip"
        with warnings.catch_warnings(action="ignore"):
            with zipfile.ZipFile(path, "w") as archive:
                for name, data in members:
                    archive.writestr(name, data)
        code, found = run(path, "--key", filled.ed.vkey)
        assert (code, found["verdict"]) == (4, "tampered")


def test_bytes_that_no_member_owns_are_refused(filled: Any, run: Run, pack: Pack) -> None:
    path = pack(filled.parts(SOME))
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        start = archive.start_dir
    end = struct.pack("<I", start + 4)
    shifted = whole[:start] + b"evil" + whole[start:-6] + end + whole[-2:]
    for data in (whole + b"evil", shifted, b"PK\x03\x04" + whole, whole[:-2] + b"\x04\x00evil"):
        path.write_bytes(data)
        code, found = run(path, "--key", filled.ed.vkey)
        assert (code, found["verdict"]) == (4, "tampered")


def test_symlink_member_and_encrypted_member_are_refused(
    filled: Any, run: Run, tmp_path: Path
) -> None:
    path = tmp_path / "b.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in filled.parts(SOME).items():
            info = zipfile.ZipInfo(name)
            info.create_system = 3
            info.external_attr = (0o120777 if name == "view.html" else 0o100644) << 16
            archive.writestr(info, data)
    assert run(path, "--key", filled.ed.vkey)[0] == 4


def _archive(
    parts: dict[str, bytes], *, behind: bytes = b"", claim: int = 0, extra: bytes = b"",
    name: str = "view.html", local_extra: bytes = b"",
) -> bytes:
    """An archive by hand, whose member `name` has `behind` after its deflated data, a size in its
    own header that is `claim` bytes short, and extra fields."""
    out, directory = bytearray(), bytearray()
    for member, data in parts.items():
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        packed = packer.compress(data) + packer.flush()
        odd, label = member == name, member.encode()
        whole = packed + (behind if odd else b"")
        more, own = (extra, local_extra) if odd else (b"", b"")
        at, check, size = len(out), zlib.crc32(data), len(whole) - (claim if odd else 0)
        common = (20, 0, 8, 0, 33, check)
        lengths = (size, len(data), len(label), len(own))
        out += struct.pack("<4s5H3I2H", b"PK\x03\x04", *common, *lengths) + label + own + whole
        directory += struct.pack(
            "<4s6H3I5H2I", b"PK\x01\x02", 0x314, *common, len(whole), len(data), len(label),
            len(more), 0, 0, 0, 0o100644 << 16, at,
        ) + label + more
    count, start = len(parts), len(out)
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, count, count, len(directory), start, 0)
    return bytes(out + directory + end)


def _hidden(parts: dict[str, bytes]) -> bytes:
    """A second view.html with another actor, as a member of its own without the directory."""
    forged = parts["view.html"].replace(b"ann", b"eve")
    whole = _archive({"view.html": forged})
    return whole[: whole.index(b"PK\x01\x02")]


def test_member_hidden_behind_the_end_of_deflated_data_is_found(
    filled: Any, run: Run, tmp_path: Path
) -> None:
    parts = filled.parts(SOME)
    path, hidden = tmp_path / "bundle.zip", _hidden(parts)
    path.write_bytes(_archive(parts))
    assert run(path, "--key", filled.ed.vkey)[0] == 0
    for claim in (0, len(hidden)):  # a reader that streams would show the second view
        path.write_bytes(_archive(parts, behind=hidden, claim=claim))
        code, found = run(path, "--key", filled.ed.vkey)
        assert (code, found["verdict"]) == (4, "tampered")
        assert "view.html" in found["problems"][0]["text"]


@pytest.mark.parametrize("where", ["extra", "local_extra"])
def test_extra_field_that_renames_a_member_is_found(
    filled: Any, run: Run, tmp_path: Path, where: str
) -> None:
    other = struct.pack("<HHBI", 0x7075, 14, 1, zlib.crc32(b"view.html")) + b"other.htm"
    path = tmp_path / "bundle.zip"
    path.write_bytes(_archive(filled.parts(SOME), **{where: other}))
    code, found = run(path, "--key", filled.ed.vkey)
    assert (code, found["verdict"]) == (4, "tampered")


def test_large_members_have_the_extra_field_of_zip64(
    filled: Any, run: Run, tmp_path: Path
) -> None:
    path = tmp_path / "bundle.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in filled.parts(SOME).items():
            with archive.open(name, "w", force_zip64=True) as member:
                member.write(data)
    assert run(path, "--key", filled.ed.vkey)[0] == 0


def test_zip_bomb_is_refused_without_unfolding_it(filled: Any, pack: Pack, run: Run) -> None:
    parts = filled.parts(SOME)
    bomb = pack({**parts, "checkpoint": b"\x00" * (1 << 20)})
    code, found = run(bomb, "--key", filled.ed.vkey)
    assert (code, found["verdict"]) == (3, "refused")
    lines = pack({**parts, "bodies.ndjson": b"a" * (64 << 20)})
    code, found = run(lines, "--key", filled.ed.vkey)
    assert (code, found["problems"][0]["first"]) == (4, 3)


def test_directory_that_lies_about_sizes_is_found(filled: Any, pack: Pack, run: Run) -> None:
    path = pack(filled.parts(SOME))
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        at = archive.start_dir
    struct.pack_into("<I", data, at + 24, 5)
    path.write_bytes(bytes(data))
    assert run(path, "--key", filled.ed.vkey)[0] == 4


def test_streamed_archive_with_descriptors_is_accepted(
    filled: Any, run: Run, tmp_path: Path
) -> None:
    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.data = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            self.data += bytes(data)
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in filled.parts(SOME).items():
            archive.writestr(name, data)
    path = tmp_path / "streamed.zip"
    path.write_bytes(bytes(pipe.data))
    assert run(path, "--key", filled.ed.vkey)[0] == 0
