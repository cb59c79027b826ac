"""The native parser on good input: shapes, order, what is added and what is kept."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indelible.base import limits
from indelible.base.clock import to_us
from indelible.base.errors import InvalidEvent, TooLarge
from indelible.event.model import Event, Via
from indelible.ingest.parsed import Parsed
from indelible.ingest.parsers.native import CONTENT_BYTES, parse_event, parse_native
from indelible.ledger.incoming import Source, Work
from indelible.ledger.writer import _Encoder, _Verdict

BASE = {
    "action": "payroll.record.delete",
    "actor": {"type": "user", "id": "jsmith"},
    "targets": [{"type": "payroll_record", "id": "pr_839"}],
}
LINE = json.dumps(BASE, separators=(",", ":")).encode()
PRETTY = json.dumps(BASE, indent=2).encode()
WHOLE = {
    **BASE,
    "time": "2026-03-03T09:14:07.123456Z",
    "observed": "2026-03-03T09:14:08Z",
    "outcome": "denied",
    "reason": {"code": "locked", "text": "the month is closed"},
    "origin": {"ip": "203.0.113.9", "host": "ws-1", "user_agent": "Mozilla/5.0 é", "service": "hr",
               "request_id": "r-1", "trace_id": "t-1", "device": "d-1"},
    "changes": [{"path": "salary", "op": "replace", "before": 1, "after": {"a": [1.50, "x"]}}],
    "id": "e-1", "tenant": "acme", "severity": "high", "labels": {"env": "prod"},
    "subjects": ["p-1"], "why": {"ticket": "T-1", "justification": "asked"},
    "data": {"n": 12345678901234567890123},
}


def only(body: bytes | str) -> dict[str, object]:
    """The one event of `body`, decoded."""
    accepted, refused = parse_native(body.encode() if isinstance(body, str) else body)
    assert not refused
    [parsed] = accepted
    assert parsed.idempotent is parsed.content
    return msgspec.json.decode(parsed.content)


def test_one_object_is_one_event_with_its_operation() -> None:
    assert only(LINE) == {**BASE, "operation": "delete"}


def test_a_given_operation_is_kept() -> None:
    assert only(json.dumps({**BASE, "operation": "approve"}))["operation"] == "approve"


def test_every_member_is_kept_and_encoded_once_in_schema_order() -> None:
    text = json.dumps(WHOLE, ensure_ascii=False).replace("1.5,", "1.50,")
    [parsed], _ = parse_native(text.encode())
    found = json.loads(parsed.content)
    assert found == {**WHOLE, "operation": "delete"}
    assert list(found) == [name for name in Event.__struct_fields__ if name in found]
    assert b'"after":{"a":[1.50,"x"]}' in parsed.content
    assert b'"data":{"n":12345678901234567890123}' in parsed.content
    assert (parsed.id, parsed.line, parsed.kind, parsed.flags) == ("e-1", 1, "event", ())
    assert parsed.time_us == 1772529247123456


def test_target_folds_into_targets() -> None:
    other = {"type": "page", "id": "p"}
    members = {key: value for key, value in BASE.items() if key != "targets"}
    assert only(json.dumps({**members, "target": other}))["targets"] == [other]
    assert only(json.dumps({**BASE, "target": other}))["targets"] == [other, *BASE["targets"]]
    same = BASE["targets"][0]
    assert only(json.dumps({**BASE, "target": same}))["targets"] == [same]


def test_a_missing_target_is_asked_for_by_name() -> None:
    event = json.dumps({"action": "door.wobble", "actor": BASE["actor"]}).encode()
    with pytest.raises(InvalidEvent) as caught:
        parse_event(event, 1)
    assert caught.value.message.endswith(
        "an action of the class `other` needs `target` or `targets`"
    )


def test_a_login_needs_no_target() -> None:
    for action in ("user.login", "session.logged_out"):
        assert "targets" not in only(json.dumps({"action": action, "actor": BASE["actor"]}))


def test_times_are_stored_in_utc_to_the_microsecond() -> None:
    found = only(json.dumps({**BASE, "time": "2026-03-03T11:14:07.5+02:00"}))
    assert found["time"] == "2026-03-03T09:14:07.500000Z"
    [parsed], _ = parse_native(json.dumps({**BASE, "time": "1970-01-01T00:00:00Z"}).encode())
    assert parsed.time_us == 0
    assert parse_native(LINE)[0][0].time_us is None


def test_the_senders_numbers_leave_the_content() -> None:
    [parsed], _ = parse_native(json.dumps({**BASE, "source": {"seq": 7, "boot": "b"}}).encode())
    assert (parsed.seq, parsed.boot) == (7, "b")
    assert b"source" not in parsed.content
    assert parsed.content == parse_native(LINE)[0][0].content


def test_white_space_and_member_order_do_not_change_the_content() -> None:
    spread = json.dumps(dict(reversed(WHOLE.items())), indent=3)
    assert parse_event(spread.encode(), 1).content == parse_event(json.dumps(WHOLE).encode(),
                                                                  1).content


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_ndjson_counts_lines_blank_ones_included(end: bytes) -> None:
    body = end.join([LINE, b"", LINE, b"  ", LINE, b""])
    accepted, refused = parse_native(body)
    assert [parsed.line for parsed in accepted] == [1, 3, 5]
    assert not refused


def test_an_array_counts_positions() -> None:
    for text in (b"[" + LINE + b"," + LINE + b"]", b" [\n" + PRETTY + b",\n" + PRETTY + b"\n]\n"):
        accepted, refused = parse_native(text)
        assert [parsed.line for parsed in accepted] == [1, 2]
        assert not refused


def test_an_object_over_several_lines_is_one_event() -> None:
    assert only(PRETTY) == {**BASE, "operation": "delete"}
    assert only(b"\n\n" + PRETTY.replace(b"\n", b"\r\n") + b"\n\n") == only(LINE)


def test_pretty_printed_objects_may_follow_each_other_and_mix_with_lines() -> None:
    accepted, refused = parse_native(PRETTY + b"\n" + PRETTY + b"\n" + LINE + b"\n" + PRETTY)
    height = PRETTY.count(b"\n") + 1
    assert [parsed.line for parsed in accepted] == [1, 1 + height, 1 + 2 * height, 2 + 2 * height]
    assert not refused
    assert len({parsed.content for parsed in accepted}) == 1


def test_an_idempotency_key_names_lines_without_an_id() -> None:
    body = LINE + b"\n" + json.dumps({**BASE, "id": "own"}).encode() + b"\n" + PRETTY
    accepted, _ = parse_native(body, "K")
    assert [parsed.id for parsed in accepted] == ["K/1", "own", "K/3"]
    assert [json.loads(parsed.content)["id"] for parsed in accepted] == ["K/1", "own", "K/3"]


def test_control_characters_are_kept_as_escapes() -> None:
    found = parse_native(
        b'{"action":"a.read","actor":{"type":"user","id":"x\\u0000\\u001b[31m"},'
        b'"target":{"type":"t","id":"i"},"data":"\\n\\u0000"}'
    )[0][0].content
    assert b"\n" not in found
    assert b'"x\\u0000\\u001b[31m"' in found
    assert b'"data":"\\n\\u0000"' in found


def test_no_content_holds_a_line_end_or_exceeds_what_a_body_has_room_for() -> None:
    room = CONTENT_BYTES - len(parse_event(LINE, 1).content) - len(',"data":""')
    largest = json.dumps({**BASE, "data": "x" * room}).encode()
    assert len(parse_event(largest, 1).content) == CONTENT_BYTES == limits.BODY_BYTES - 20_480
    with pytest.raises(InvalidEvent) as caught:
        parse_event(json.dumps({**BASE, "data": "x" * (room + 1)}).encode(), 1)
    assert (caught.value.code, caught.value.field) == ("too_large", "data")


def test_whatever_names_token_and_ledger_add_a_body_keeps_its_bound():
    wide, escaped = "\U0001f600", "\x01"  # 4 bytes where only printable text may stand, else 6
    source = Source(limits.SOURCES, wide * limits.NAME_CHARS)
    via = Via(
        protocol="import", parser="cloudtrail/1", peer="f" * 45, backfill=True,
        tls=escaped * limits.HEADER_CHARS,
    )
    flags = ("time_absent", "time_assumed", "ahead", "late", "probable_repeat", "guessed")
    event = Parsed(
        content=b"{}", idempotent=b"", line=1, flags=flags, kind="unparsed", seq=(1 << 64) - 1,
        boot=escaped * limits.NAME_CHARS,
    )
    encoder = _Encoder(0, 0)
    encoder.add(Work(source, via, [event]), [_Verdict(b"", (1 << 63) - 1, False)])
    (ledger,) = encoder.bodies
    key = "\xff" * (limits.NAME_CHARS // 2)
    token = msgspec.json.encode({"id": f"{key}/65536", "tenant": wide * limits.NAME_CHARS})
    assert len(ledger) + len(token) <= limits.ADDED_BYTES


def test_a_request_beyond_its_limits_is_refused_as_a_whole() -> None:
    with pytest.raises(TooLarge):
        parse_native(b" " * (limits.REQUEST_BYTES + 1))
    with pytest.raises(TooLarge):
        parse_native(b"{}\n" * (limits.REQUEST_EVENTS + 1))
    with pytest.raises(TooLarge):
        parse_native(b"[" + b"{}," * limits.REQUEST_EVENTS + b"{}]")


def test_the_last_moment_and_the_first_are_times() -> None:
    last = parse_event(json.dumps({**BASE, "time": "9999-12-31T23:59:59.999999Z"}).encode(), 1)
    moment = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    assert last.time_us == to_us(moment) == 253_402_300_799_999_999


names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(
    st.fixed_dictionaries(
        {
            "action": st.sampled_from(["a.read", "doc.page.update", "x.frob"]),
            "actor": st.fixed_dictionaries(
                {"type": st.sampled_from(["user", "agent"]), "id": names}, optional={"name": names}
            ),
            "targets": st.lists(
                st.fixed_dictionaries({"type": names, "id": names}, optional={"name": names}),
                min_size=1, max_size=3,
            ),
        },
        optional={
            "time": st.datetimes(datetime(1970, 1, 2), datetime(9999, 12, 30)).map(
                lambda moment: moment.isoformat() + "Z"
            ),
            "id": names, "labels": st.dictionaries(names, names, max_size=3),
            "data": st.recursive(
                st.none() | st.integers() | names,
                lambda inner: st.dictionaries(names, inner, max_size=3), max_leaves=5,
            ),
            "outcome": st.sampled_from(["success", "denied"]),
        },
    ),
    st.booleans(),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_a_member_that_stands_twice_is_always_noticed(
    members: dict[str, object], ascii_only: bool, spaced: bool, random: object
) -> None:
    """The cheap proofs of the parser (lengths, counts) never let a twin through."""
    marks = (", ", " : ") if spaced else (",", ":")
    text = json.dumps(members, ensure_ascii=ascii_only, separators=marks)
    parse_event(text.encode(), 1)
    name = random.choice(sorted(members))  # type: ignore[attr-defined]
    twin = json.dumps({name: members[name]}, ensure_ascii=ascii_only, separators=marks)
    for twice in (twin[:-1] + marks[0] + text[1:], text[:-1] + marks[0] + twin[1:]):
        with pytest.raises(InvalidEvent) as caught:
            parse_event(twice.encode(), 1)
        assert (caught.value.code, caught.value.field) == ("duplicate_key", name)


@pytest.mark.parametrize("line", [b"\x0b", b"\x0c", b"\x1c", b"\xc2\xa0"])
def test_a_line_of_what_is_no_white_space_in_json_is_refused(line: bytes) -> None:
    accepted, refused = parse_native(b"\n" + line + b"\n \t\r\n")
    assert not accepted
    assert [one.line for one in refused] == [2]
