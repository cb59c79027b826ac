"""Messages of pgoutput are read as PostgreSQL documents them, or refused with one error."""

from __future__ import annotations

import pytest

from indelible.base.limits import CAPTURE_COLUMNS
from indelible.ingest.protocols.pgoutput import (
    CUT,
    UNCHANGED,
    Begin,
    Column,
    Commit,
    Malformed,
    Origin,
    Relation,
    Row,
    Said,
    Truncate,
    Type,
    decode,
    lsn_of,
    lsn_text,
)
from indelible.ingest.protocols.pgoutput_values import to_json
from support import pgoutput as made

ACCOUNT = made.relation([("id", 20, True), ("name", 25, False)], identity="d")
GOOD = [
    made.begin(), made.commit(), made.origin(), ACCOUNT, made.type_(), made.insert([1, "a"]),
    made.update([1, "b"]), made.update([1, ...], [1, "a"]), made.update([2, "b"], [1, None], "K"),
    made.delete([1, None], "K"), made.truncate(16384, 16390, options=3), made.message("{}"),
]


def test_every_kind_of_message_is_read() -> None:
    assert decode(made.begin(7, 1_000_000, 9)) == Begin(7, 1_000_000, 9)
    assert decode(made.commit(7, 55, 1_000_000)) == Commit(7, 55, 1_000_000)
    assert decode(made.origin("node_b", 3)) == Origin(3, "node_b")
    assert decode(made.type_("mood", 16400)) == Type(16400, "public", "mood")
    assert decode(made.truncate(5, 6, options=1)) == Truncate((5, 6), True, False)
    assert decode(made.truncate(5, options=2)) == Truncate((5,), False, True)
    assert decode(made.message("{}", lsn=3)) == Said(True, 3, "indelible", b"{}")
    assert decode(made.message("", inside=False, lsn=3)) == Said(False, 3, "indelible", b"")


def test_a_table_is_described_with_its_columns_and_identity() -> None:
    columns = (Column("id", 20, True), Column("name", 25, False))
    assert decode(ACCOUNT) == Relation(16384, "public", "account", "d", columns)
    assert decode(made.relation([], schema="")) == Relation(
        16384, "pg_catalog", "account", "f", ()
    ), "an empty schema stands for PostgreSQL's own"


def test_rows_hold_texts_nulls_and_what_did_not_change() -> None:
    assert decode(made.insert([1, None, ""])) == Row("I", 16384, "", None, [b"1", None, b""])
    assert decode(made.update([1, ...], [1, "old"])) == Row(
        "U", 16384, "O", [b"1", b"old"], [b"1", UNCHANGED]
    )
    assert decode(made.update([2], [1], "K")) == Row("U", 16384, "K", [b"1"], [b"2"])
    assert decode(made.update([2])) == Row("U", 16384, "", None, [b"2"])
    assert decode(made.delete([1])) == Row("D", 16384, "O", [b"1"], None)


@pytest.mark.parametrize("good", GOOD)
def test_a_message_that_breaks_off_or_goes_on_is_refused(good: bytes) -> None:
    for end in range(len(good)):
        with pytest.raises(Malformed):
            decode(good[:end])
    with pytest.raises(Malformed):
        decode(good + b"x")


@pytest.mark.parametrize(
    "bad",
    [
        b"", b"Z", b"S" + bytes(20), b"I\0\0@\0O\0\0", b"D\0\0@\0N\0\0", b"U\0\0@\0X\0\0",
        b"I\0\0@\0N\0\1x", b"I\0\0@\0N\0\1b\0\0\0\1x", b"I\0\0@\0N\0\1t\xff\xff\xff\xffx",
        b"I\0\0@\0N\xff\xff", made.truncate(), b"T\xff\xff\xff\xff\0",
        made.relation([], identity="x"), made.relation([("", 20, True)]),
        made.relation([("x" * 1025, 20, True)]), made.relation([], name=""),
        made.begin(time_us=-1), made.begin(time_us=253_402_300_800_000_000),
    ],
)
def test_what_postgresql_does_not_write_is_refused(bad: bytes) -> None:
    with pytest.raises(Malformed):
        decode(bad)


def test_a_row_has_as_many_columns_as_postgresql_allows() -> None:
    assert isinstance(decode(made.insert([None] * CAPTURE_COLUMNS)), Row)
    with pytest.raises(Malformed):
        decode(made.insert([None] * (CAPTURE_COLUMNS + 1)))


def test_a_row_that_was_cut_off_is_read_as_far_as_it_goes() -> None:
    whole = made.update([1, "new", "z"], [1, "old", "z"])
    for end in range(8, len(whole)):
        row = decode(whole[:end], cut=True)
        assert isinstance(row, Row)
        assert row.old is not None
        assert row.new is not None
        assert (len(row.old), len(row.new)) == (3, 3)
        found, full = [*row.old, *row.new], [b"1", b"old", b"z", b"1", b"new", b"z"]
        known = [one for one in found if one is not CUT]
        assert known == full[: len(known)], "only values at the end are missing"
        assert len(known) < 6


def test_names_that_are_no_utf8_are_shown_and_not_refused() -> None:
    latin = ACCOUNT.replace(b"name\0", b"n\xe4me\0")
    found = decode(latin)
    assert isinstance(found, Relation)
    assert found.columns[1].name == "n\\xe4me"


def test_positions_are_written_as_postgresql_writes_them() -> None:
    assert lsn_text(0x16_B374_D848) == "16/B374D848"
    assert lsn_text(0x1_0000_0001) == "1/1"
    assert lsn_of("16/B374D848") == 0x16_B374_D848
    for bad in ("", "16", "x/1"):
        with pytest.raises(ValueError):
            lsn_of(bad)


BOOL, INT8, TEXT, JSON, NUMERIC, FLOAT8, JSONB = 16, 20, 25, 114, 1700, 701, 3802
DATE, TIMESTAMP, TIMESTAMPTZ, BYTEA, INTS, MOOD = 1082, 1114, 1184, 17, 1007, 16400


@pytest.mark.parametrize(
    ("kind", "value", "json"),
    [
        (BOOL, "t", "true"), (BOOL, "f", "false"), (BOOL, "x", '"x"'),
        (INT8, "-9223372036854775808", "-9223372036854775808"), (INT8, "0", "0"),
        (INT8, "007", '"007"'), (INT8, "", '""'), (INT8, "1_000", '"1_000"'),
        (NUMERIC, "12.500", "12.500"), (NUMERIC, "NaN", '"NaN"'),
        (NUMERIC, "123456789012345678901234567890.10", "123456789012345678901234567890.10"),
        (NUMERIC, "1" + "0" * 308, "1" + "0" * 308), (NUMERIC, "1" + "0" * 309,
                                                       '"1' + "0" * 309 + '"'),
        (NUMERIC, "9" * 309, '"' + "9" * 309 + '"'), (NUMERIC, "-0.5", "-0.5"),
        (FLOAT8, "1e+20", "1e+20"), (FLOAT8, "-Infinity", '"-Infinity"'),
        (FLOAT8, "1e-07", "1e-07"), (FLOAT8, "1e400", '"1e400"'), (FLOAT8, "-0", "-0"),
        (JSON, '{"a": [1,  2.0]}', '{"a":[1,2.0]}'), (JSONB, '"x y"', '"x y"'),
        (JSON, '{"a":1,"a":2}', '"{\\"a\\":1,\\"a\\":2}"'), (JSON, " 7 ", "7"),
        (JSONB, "1e400", '"1e400"'), (JSON, "[" * 33 + "]" * 33, '"' + "[" * 33 + "]" * 33 + '"'),
        (JSON, "007", '"007"'), (JSON, "", '""'), (JSON, '"\\ud800"', '"\\"\\\\ud800\\""'),
        (TIMESTAMPTZ, "2026-05-01 10:00:00.25+00", '"2026-05-01T10:00:00.25Z"'),
        (TIMESTAMPTZ, "2026-05-01 10:00:00+02", '"2026-05-01T10:00:00+02"'),
        (TIMESTAMP, "2026-05-01 10:00:00", '"2026-05-01T10:00:00"'),
        (TIMESTAMP, "infinity", '"infinity"'),
        (TIMESTAMP, "0044-03-15 12:00:00 BC", '"0044-03-15 12:00:00 BC"'),
        (DATE, "2026-05-01", '"2026-05-01"'), (BYTEA, "\\x00ff", '"\\\\x00ff"'),
        (INTS, "{1,2}", '"{1,2}"'), (MOOD, "happy", '"happy"'), (TEXT, "t", '"t"'),
        (TEXT, 'a"b\n\u20ac', '"a\\"b\\n\u20ac"'),
    ],
)
def test_a_value_becomes_json_by_its_type(kind: int, value: str, json: str) -> None:
    assert to_json(kind)(value.encode()) == json.encode()


def test_bytes_that_are_no_utf8_are_shown_as_bytes() -> None:
    assert to_json(TEXT)(b"caf\xe9") == b'"caf\\\\xe9"'
    assert to_json(JSON)(b'"caf\xe9"') == b'"\\"caf\\\\xe9\\""'
