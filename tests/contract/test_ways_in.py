"""One contract, three drivers: a running server, a stopped folder, a folder that takes nothing.

Every question of the command line has the same answer whichever of them it is put to.
"""

from __future__ import annotations

import json

import pytest

from support.served import Place, Server

SEALED, EVENTS = 300, 340
_OF_THE_MOMENT = ("took_ms", "tree_size", "cursor")


def line(number: int) -> str:
    """An event with what the questions below ask for."""
    return json.dumps({
        "id": f"e{number}", "time": f"2026-03-{1 + number % 28:02d}T09:00:{number % 60:02d}Z",
        "action": ("record.read", "record.update", "login.fail")[number % 3],
        "operation": ("read", "update", "login")[number % 3],
        "outcome": ("success", "success", "denied")[number % 3],
        "actor": {"type": "user", "id": f"u{number % 5}", "name": f"Ann {number % 5}"},
        "targets": [{"type": "record", "id": f"r{number % 11}"}, {"type": "ward", "id": "w1"}],
        "changes": [{"path": "status", "before": number, "after": number + 1}],
        "origin": {"ip": f"10.0.0.{number % 9}"}, "data": {"note": f"seen {number % 13}"},
        "labels": {"room": str(number % 4)},
    })


QUESTIONS = [
    ("search", "source:hr", "--limit", "1000"),
    ("search", "source:hr actor:u3 outcome:denied", "--columns", "index,label.room,data.note"),
    ("search", "source:hr target:r7 -action:login.*", "--sort", "index"),
    ("search", "source:hr ip:10.0.0.0/30", "--since", "2026-03-05", "--until", "2026-03-20"),
    ("search", 'source:hr "seen 12"'),
    ("search", "source:hr nowhere"),
    ("history", "record", "r7"),
    ("timeline", "u2"),
    ("show", "317", "--body"),
    ("export", "events", "source:hr"),
    ("export", "events", "source:hr outcome:denied", "--format", "csv"),
]
Answers = dict[str, dict[tuple[str, ...], object]]


def answered(place: Place, *way: str) -> dict[tuple[str, ...], object]:
    """What every question is answered one way, without what belongs to the moment."""
    return {question: _answer(place, question, way) for question in QUESTIONS}


def _answer(place: Place, question: tuple[str, ...], way: tuple[str, ...]) -> object:
    raw = question[0] in ("show", "export")
    said = place.cli(*question, *way, *(() if raw else ("--json",))).stdout
    if raw:
        return said
    return {name: value for name, value in json.loads(said).items() if name not in _OF_THE_MOMENT}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    """Sealed and unsealed events, asked of a server, of its copy, and of its folder afterwards."""
    place = Place(tmp_path_factory.mktemp("ways")).init()
    for first, end in ((0, SEALED), (SEALED, EVENTS)):
        part = place.root / f"{first}.ndjson"
        part.write_text("".join(line(number) + "\n" for number in range(first, end)))
        place.cli("import", str(part), "--parser", "native", "--source", "hr",
                  "--data", str(place.data))
        if not first:
            place.cli("seal", "--data", str(place.data))
    copy, found = place.root / "copy", {}
    for role in ("admin", "reader"):
        (place.root / role).write_text(place.tokens[role])
    with Server(place) as server:
        to = ("--url", server.url, "--token-file")
        place.cli("backup", str(copy), *to, str(place.root / "admin"))
        found["server"] = answered(place, *to, str(place.root / "reader"))
    found["copy"] = answered(place, "--data", str(copy), "--unrecorded")
    found["folder"] = answered(place, "--data", str(place.data))
    return found


@pytest.mark.parametrize("question", QUESTIONS, ids=" ".join)
def test_every_way_in_gives_the_same_answer(answers: Answers, question: tuple[str, ...]) -> None:
    asked = answers["server"][question]
    assert answers["folder"][question] == asked
    unrecorded = {"recorded": False} if isinstance(asked, dict) else {}
    assert answers["copy"][question] == (asked | unrecorded if unrecorded else asked)


def test_the_questions_find_what_they_should(answers: Answers) -> None:
    found = answers["server"]
    counts = [len(found[question]["events"]) for question in QUESTIONS[:6]]  # type: ignore[index,call-overload]
    numbers = range(EVENTS)
    assert counts == [
        EVENTS,
        min(50, sum(n % 5 == 3 and n % 3 == 2 for n in numbers)),
        sum(n % 11 == 7 and n % 3 != 2 for n in numbers),
        min(50, sum(n % 9 < 4 and 5 <= 1 + n % 28 < 20 for n in numbers)),
        sum(n % 13 == 12 for n in numbers),
        0,
    ]
    assert len(found[QUESTIONS[9]].splitlines()) == EVENTS  # type: ignore[attr-defined]
