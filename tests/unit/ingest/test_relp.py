"""RELP sessions: whatever the pieces, the same frames; a peer that breaks the rules is told off."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indelible.base.limits import SYSLOG_BYTES
from indelible.ingest.protocols.relp import Answer, BadSession, Message, Session, accepted

OPEN = b"1 open 30 relp_version=0\ncommands=syslog\n"


def frame(number: int, command: bytes, data: bytes = b"") -> bytes:
    body = b" " + data if data else b""
    return b"%d %s %d%s\n" % (number, command, len(data), body)


OPENED = frame(1, b"open", b"relp_version=0\nrelp_software=test\ncommands=syslog")


def test_a_session_opens_with_offers_and_ends_with_close() -> None:
    session = Session()
    [offers] = session.feed(OPENED)
    assert isinstance(offers, Answer)
    assert offers.data.startswith(b"1 rsp ")
    assert b"200 OK\nrelp_version=0\n" in offers.data
    [closed] = session.feed(frame(2, b"close"))
    assert closed == Answer(b"2 rsp 0\n0 serverclose 0\n", ends=True)


def test_messages_come_with_the_numbers_that_answer_them() -> None:
    session = Session()
    session.feed(OPENED)
    found = session.feed(frame(2, b"syslog", b"<1>a\nb") + frame(3, b"syslog", b"<1>c\n"))
    assert found == [Message(2, b"<1>a\nb"), Message(3, b"<1>c")]
    assert accepted(3) == b"3 rsp 6 200 OK\n"


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=5), st.data())
def test_the_pieces_in_which_frames_arrive_change_nothing(
    texts: list[bytes], data: st.DataObject
) -> None:
    stream = OPENED + b"".join(frame(n, b"syslog", text) for n, text in enumerate(texts, 2))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    session, found = Session(), []
    for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += session.feed(stream[a:b])
    assert [one.message for one in found if isinstance(one, Message)] == [
        text.rstrip(b"\r\n\0") for text in texts
    ]
    assert not session.inside


@pytest.mark.parametrize(
    "stream",
    [
        b"GET / HTTP/1.1\r\n",
        frame(1, b"syslog", b"before open"),
        OPENED + OPENED,
        OPENED + b"2 syslog 3 abcd\n",
        OPENED + b"2 syslog 5\n",
        OPENED + b"2 syslog 999999999 x",
        OPENED + b"x" * 60,
    ],
    ids=["http", "before open", "twice open", "wrong length", "no data", "too long", "noise"],
)
def test_a_peer_that_breaks_the_rules_ends_the_session(stream: bytes) -> None:
    session = Session()
    with pytest.raises(BadSession):
        session.feed(stream)


def test_a_header_that_has_only_begun_is_waited_for() -> None:
    session = Session()
    for n in range(len(OPENED) - 1):
        assert session.feed(OPENED[n : n + 1]) == []
        assert session.inside
    assert session.feed(OPENED[-1:])


def test_an_unknown_command_is_refused_and_the_session_goes_on() -> None:
    session = Session()
    found = session.feed(OPENED + frame(2, b"starttls") + frame(3, b"syslog", b"<1>x"))
    assert isinstance(found[1], Answer)
    assert b"2 rsp" in found[1].data
    assert b"500 " in found[1].data
    assert found[2] == Message(3, b"<1>x")


def test_a_long_message_is_cut_off_and_answered() -> None:
    session = Session()
    session.feed(OPENED)
    [found] = session.feed(frame(2, b"syslog", b"x" * (SYSLOG_BYTES + 9)))
    assert isinstance(found, Message)
    assert (len(found.message), found.whole) == (SYSLOG_BYTES, False)


def test_of_a_long_message_only_the_kept_part_is_held() -> None:
    session = Session()
    session.feed(OPENED)
    size = 10 * SYSLOG_BYTES
    found = session.feed(b"2 syslog %d " % size)
    left = size
    while left:
        found += session.feed(b"x" * min(left, 100_000))
        left -= min(left, 100_000)
        assert len(session._held) <= SYSLOG_BYTES + 100_100
    assert found == []
    found = session.feed(b"\n" + frame(3, b"syslog", b"<1>next"))
    assert found == [Message(2, b"x" * SYSLOG_BYTES, False), Message(3, b"<1>next")]
