"""Mapping files: those that are shipped, and those that users put into a folder of their own."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from indelible.base.limits import CONTROL_BYTES
from indelible.ingest.parsers.contract import Parser
from indelible.ingest.parsers.mapping import parser_of
from indelible.ingest.parsers.mapping_errors import BadMapping, Place

ENDING: Final = ".toml"
_LINE = re.compile(r"\(at line (\d+), column (\d+)\)$")


def shipped(place: str) -> Parser:
    """The parser of a mapping that is part of the program, by its path in this package."""
    folder = files(__package__)
    return read_text((folder / place).read_text("utf-8"), place)


def read_file(path: Path) -> Parser:
    """The parser of one mapping file; raises `BadMapping`, and `OSError` when it cannot be read."""
    with path.open("rb") as file:
        raw = file.read(CONTROL_BYTES + 1)
    if len(raw) > CONTROL_BYTES:
        raise BadMapping(f"{path} is larger than {CONTROL_BYTES} bytes, so it is no mapping")
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise BadMapping(f"{path} is not UTF-8: {error.reason} at byte {error.start}") from error
    return read_text(text, str(path))


def read_folder(folder: Path, taken: Iterable[str] = ()) -> dict[str, Parser]:
    """The parsers of every mapping file in `folder`, by name, in the order of the files' names.

    Raises `BadMapping` for a file that cannot be used and for a name that is `taken` or given
    twice. A folder that is not there holds none.
    """
    found: dict[str, Parser] = {}
    names = dict.fromkeys(taken, "shipped with the program")
    for path in sorted(folder.glob(f"*{ENDING}")):
        parser = read_file(path)
        if parser.name in names:
            raise BadMapping(
                f"{path}: there is a parser {parser.name!r} already, {names[parser.name]}",
                field="name", remedy="Give the mapping another name.",
            )
        names[parser.name] = f"in {path}"
        found[parser.name] = parser
    return found


def read_text(text: str, file: str) -> Parser:
    """The parser of a mapping's text; `file` is what errors call it."""
    try:
        table: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        said = str(error)
        found = _LINE.search(said)
        where = f"{file}, line {found[1]}" if found else file
        why = _LINE.sub("", said).strip()
        raise BadMapping(
            f"{where}: {why}",
            remedy="A mapping is TOML: texts in double quotes, one member a line.",
        ) from error
    except RecursionError as error:
        raise BadMapping(f"{file} nests too deep") from error
    return parser_of(table, Place(file, text))
