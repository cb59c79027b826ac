"""Rows of a result: printed as one JSON line each and as a Markdown table."""

from __future__ import annotations

import json
import platform
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass
class Row:
    """One measured value; `floor` says what it must reach, `met` is None where there is none."""

    measure: str
    value: float
    unit: str
    floor: str = ""
    met: bool | None = None
    note: str = ""


@dataclass
class Report:
    """The rows of one benchmark."""

    name: str
    rows: list[Row] = field(default_factory=list)

    def add(
        self,
        measure: str,
        value: float,
        unit: str,
        *,
        at_least: float | None = None,
        at_most: float | None = None,
        note: str = "",
    ) -> None:
        """Add one row; prints it at once, because runs are long."""
        floor, met = "", None
        if at_least is not None:
            floor, met = f">= {at_least:,g}", value >= at_least
        if at_most is not None:
            floor, met = f"<= {at_most:,g}", value <= at_most
        self.rows.append(Row(measure, round(value, 4), unit, floor, met, note))
        mark = {True: "ok", False: "MISSED", None: ""}[met]
        print(f"  {measure}: {value:,.4g} {unit} {floor} {mark} {note}".rstrip(), file=sys.stderr)

    def table(self) -> str:
        """The rows as Markdown."""
        lines = [f"### {self.name}", "", "| measure | value | must reach | | note |"]
        lines.append("|---|---|---|---|---|")
        for row in self.rows:
            mark = {True: "yes", False: "**no**", None: ""}[row.met]
            value = f"{row.value:,.0f}" if abs(row.value) >= 1000 else f"{row.value:,g}"
            lines.append(
                f"| {row.measure} | {value} {row.unit} | {row.floor} | {mark} | {row.note} |"
            )
        return "\n".join(lines) + "\n"

    def finish(self, out: Path | None) -> None:
        """Print table and JSON; keep the JSON in `out` when given."""
        document = {
            "name": self.name,
            "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "python": platform.python_version(),
            "rows": [asdict(row) for row in self.rows],
        }
        text = json.dumps(document)
        print(self.table())
        print(text)
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            (out / f"{self.name}.json").write_text(text + "\n")
