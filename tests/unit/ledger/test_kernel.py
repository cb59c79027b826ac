"""What is done for each event: heads found for a whole batch are those of each body."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from indelible.event.model import Via
from indelible.ingest.parsers.native import parse_native
from indelible.ledger.incoming import Source, Work
from indelible.ledger.kernel import head_of, heads_of
from indelible.ledger.writer import _Encoder, _Verdict

_TEXT = st.text(st.sampled_from('",:{}\\kind event')) | st.just(',"kind":"key","received":"')
_EVENT = st.fixed_dictionaries(
    {"action": st.just("a.read"), "actor": st.fixed_dictionaries(
        {"type": st.just("user"), "id": _TEXT.filter(bool)}
    ), "targets": st.just([{"type": "t", "id": "1"}])},
    optional={
        "data": st.dictionaries(st.sampled_from(["kind", "received", "x"]), _TEXT | st.integers()),
        "source": st.fixed_dictionaries({"seq": st.integers(1, 3)}),
        "why": st.fixed_dictionaries({"text": _TEXT}),
    },
)


@given(st.lists(_EVENT, min_size=1, max_size=8), _TEXT)
def test_the_heads_of_a_batch_are_those_of_its_bodies(
    events: list[dict[str, object]], peer: str
) -> None:
    parsed, _ = parse_native("\n".join(map(json.dumps, events)).encode())
    via = Via(protocol="http", parser="native/1", peer=peer)
    encoder = _Encoder(0, 1_790_000_000_000_000)
    work = Work(Source(7, 'x,"kind":"'), via, parsed)
    encoder.add(work, [_Verdict(bytes(24), None, False)] * len(parsed))
    assert heads_of(encoder.bodies) == [head_of(body) for body in encoder.bodies] == encoder.heads
