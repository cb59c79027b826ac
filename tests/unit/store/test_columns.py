"""Columns made from bodies, and the files they are kept in."""

from __future__ import annotations

from pathlib import Path
from zlib import crc32

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from indelible.base.errors import Damaged
from indelible.base.invariant import InvariantViolated
from indelible.store.column_file import (
    BLOOM_COLUMNS,
    ColumnFile,
    expected_header,
    merge_column_files,
    read_column_tables,
    write_column_file,
    write_column_tables,
)
from indelible.store.columns import SCHEMA, ColumnBuilder, hash_of, table_of
from indelible.store.piece_files import PieceFiles, PieceHandle
from indelible.store.pieces import PieceReader

OWN = {
    "kind": "event",
    "received": "2026-03-03T09:14:08.000001Z",
    "source": {"id": "hr", "number": 3, "seq": 18446744073709551615},
    "via": {"protocol": "http", "parser": "native", "peer": "192.0.2.1", "backfill": True},
    "flags": ["late"],
}
KEY = bytes(32)


def _body(**members: object) -> bytes:
    said = {"action": "session.login", "actor": {"type": "user", "id": "u1"}}
    return msgspec.json.encode({**said, **members, **OWN})


def _row(body: bytes) -> dict[str, object]:
    row: dict[str, object] = table_of([(7, body)]).to_pylist()[0]
    return row


def test_a_full_event_stands_in_its_columns() -> None:
    row = _row(
        _body(
            actor={
                "type": "agent", "id": "bot", "name": "Bot", "email": "b@x", "session": "s1",
                "auth": {"method": "sso", "mfa": True},
                "on_behalf_of": [{"type": "user", "id": "u2", "on_behalf_of": [
                    {"type": "user", "id": "u3"}]}, {"type": "user", "id": "u4"}],
            },
            targets=[{"type": "doc", "id": "d1", "name": "One"}, {"type": "doc", "id": "d2"}],
            time="2026-03-03T10:14:07.5+01:00", outcome="denied", operation="login",
            reason={"code": "x"}, origin={"ip": "203.0.113.9", "request_id": "r"},
            changes=[{"path": "a", "before": 1.10}, {"path": "b"}], id="e1", tenant="t",
            labels={"k": "v"}, subjects=["p"], why={"ticket": "T-1"}, data={"n": 1}, raw="orig",
        )
    )  # fmt: skip
    assert {name: value for name, value in row.items() if value is not None} == {
        "index": 7, "time": 1_772_529_247_500_000, "received": 1_772_529_248_000_001,
        "kind": "event", "action": "session.login", "operation": "login", "outcome": "denied",
        "actor_type": "agent", "actor_id": "bot", "actor_name": "Bot", "actor_email": "b@x",
        "session": "s1", "auth": '{"method":"sso","mfa":true}', "onbehalf": '["u2","u3","u4"]',
        "target_type": "doc", "target_id": "d1", "target_hash": crc32(b"d1"), "target_name": "One",
        "further": '[{"type":"doc","id":"d2"}]', "ip": "00000000000000000000ffffcb007109",
        "request_hash": crc32(b"r"), "tenant": "t", "source": "hr", "source_number": 3,
        "source_seq": 18446744073709551615, "id_hash": crc32(b"e1"), "reason": '{"code":"x"}',
        "labels": '{"k":"v"}', "changes": '[{"path":"a","before":1.1},{"path":"b"}]',
        "change_paths": '["a","b"]', "data": '{"n":1}', "subjects": '["p"]',
        "why": '{"ticket":"T-1"}', "flags": '["late"]', "peer": "192.0.2.1", "protocol": "http",
        "parser": "native", "backfill": True, "foreign": True,
    }  # fmt: skip


def test_what_an_event_does_not_say_is_null_and_its_time_the_received_one() -> None:
    row = _row(_body())
    assert row["time"] == row["received"]
    for name in ("ip", "target_id", "further", "changes", "data", "onbehalf", "reason", "tenant"):
        assert row[name] is None


def test_json_parts_keep_the_text_they_arrived_with() -> None:
    body = _body(data=msgspec.Raw(b'{"n":1.10,"big":12345678901234567890}'))
    assert _row(body)["data"] == '{"n":1.10,"big":12345678901234567890}'


def test_an_address_that_is_none_does_not_stop_the_columns() -> None:
    assert _row(_body(origin={"ip": "AWS Internal"}))["ip"] is None


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("1969-12-31T23:59:59Z", -1_000_000),
        ("2026-03-03T09:14:07.000001+05:30", 1_772_509_447_000_001),
        ("0001-01-01T00:00:00Z", -62_135_596_800_000_000),
        ("9999-12-31T23:59:59.999999Z", 253_402_300_799_999_999),
    ],
)
def test_times_are_exact_microseconds(text: str, us: int) -> None:
    assert _row(_body(time=text))["time"] == us


def test_a_body_that_cannot_be_read_is_named_by_its_index() -> None:
    builder = ColumnBuilder()
    builder.extend([(4, _body()), (5, b'{"kind":1}'), (6, _body())])
    with pytest.raises(Damaged, match="event 5"):
        builder.build()


def test_a_body_of_two_lines_is_refused() -> None:
    with pytest.raises(Damaged, match="event 4"):
        table_of([(4, _body() + b"\n" + _body())])


def test_no_bodies_make_an_empty_table_of_the_schema() -> None:
    assert ColumnBuilder().build().schema == SCHEMA


def _table(first: int, end: int) -> pa.Table:
    return table_of(
        (index, _body(id=f"e{index}", targets=[{"type": "t", "id": f"x{index % 7}"}]))
        for index in range(first, end)
    )


def _file(folder: Path, first: int, end: int) -> ColumnFile:
    name = f"f{first}"
    return write_column_file(
        _table(first, end), folder / name, key=KEY, file_id=name, origin="example.org/log"
    )


def test_a_column_file_gives_back_its_rows_and_knows_its_span(tmp_path: Path) -> None:
    file = _file(tmp_path, 10, 3_000)
    assert (file.first, file.end, file.rows) == (10, 3_000, 2_990)
    assert file.time_min == file.time_max == 1_772_529_248_000_001
    assert pa.concat_tables(read_column_tables(file)).equals(_table(10, 3_000))


def test_needle_columns_have_bloom_filters_that_exclude_what_is_not_there(tmp_path: Path) -> None:
    file = _file(tmp_path, 0, 500)
    pieces = PieceFiles()
    name = pieces.add(file.file_id, Path(file.path), KEY, expected_header(file))
    with duckdb.connect() as connection:
        connection.register_filesystem(pieces)
        for column in BLOOM_COLUMNS:
            if column in ("session", "request_hash"):
                continue  # without a value there is nothing to filter
            absent = hash_of("not there") if column.endswith("_hash") else "not there"
            query = "SELECT bloom_filter_excludes FROM parquet_bloom_probe(?, ?, ?)"
            assert connection.execute(query, [name, column, absent]).fetchall() == [(True,)], column
        query = "SELECT bloom_filter_excludes FROM parquet_bloom_probe(?, 'id_hash', ?)"
        assert connection.execute(query, [name, hash_of("e7")]).fetchall() == [(False,)]


def test_pages_have_an_index(tmp_path: Path) -> None:
    file = _file(tmp_path, 0, 500)
    with PieceReader(Path(file.path), KEY, expected_header(file)) as reader:
        group = pq.ParquetFile(pa.PythonFile(PieceHandle(reader), mode="r")).metadata.row_group(0)
        assert all(group.column(number).has_offset_index for number in range(group.num_columns))


def test_merging_files_keeps_every_row_in_order(tmp_path: Path) -> None:
    files = [_file(tmp_path, 0, 700), _file(tmp_path, 700, 701), _file(tmp_path, 701, 2_000)]
    merged = merge_column_files(
        files, tmp_path / "m", key=KEY, file_id="m", origin="example.org/log"
    )
    assert (merged.first, merged.end, merged.rows) == (0, 2_000, 2_000)
    assert pa.concat_tables(read_column_tables(merged)).combine_chunks().equals(_table(0, 2_000))


def test_files_with_a_hole_between_them_are_not_merged(tmp_path: Path) -> None:
    files = [_file(tmp_path, 0, 5), _file(tmp_path, 6, 9)]
    with pytest.raises(InvariantViolated):
        merge_column_files(files, tmp_path / "m", key=KEY, file_id="m", origin="o")


def test_rows_outside_the_span_of_a_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvariantViolated):
        write_column_tables(
            [_table(0, 9)], tmp_path / "f", first=0, end=5, key=KEY, file_id="f", origin="o"
        )


def test_a_file_taken_for_another_is_refused(tmp_path: Path) -> None:
    one, two = _file(tmp_path, 0, 5), _file(tmp_path, 5, 9)
    Path(one.path).write_bytes(Path(two.path).read_bytes())
    with pytest.raises(Damaged):
        list(read_column_tables(one))
