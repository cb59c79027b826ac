"""What answers of an API mean: failures, items, states that are kept, and hostile ones."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from indelible.base import limits
from indelible.base.clock import MICROS
from indelible.ingest.protocols.pull_answers import Answer
from indelible.ingest.protocols.pull_description import (
    VENDORS,
    Description,
    described,
    read_description,
)
from indelible.ingest.protocols.pull_items import items_of, raws_of
from indelible.ingest.protocols.pull_plan import Plan, State, Step, decode_state, encode_state
from support.planned import BASE, NOW, VALUES, answer, asked, m365_listing, plan

# --- what goes wrong


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "7"}, 7), ({"retry_after": "Mon, 01 Jun 2026 00:00:09 GMT"}, 9),
        ({"retry_after": "999999999"}, limits.PULL_WAIT_SECONDS),
        ({"x_rate_limit_remaining": "0", "x_rate_limit_reset": "1780272012"}, 12),
        ({"x_ratelimit_remaining": "0", "x_ratelimit_reset": "30"}, 30),
    ],
)
def test_a_throttled_request_waits_as_it_is_told(headers: dict[str, str], seconds: int) -> None:
    made = plan("github")
    ask, state = asked(made, made.begin(NOW))
    step = made.took(state, ask, answer({}, 429, **headers), NOW)
    assert (step.until_us - NOW) // MICROS == seconds
    assert not step.retry
    assert step.state == state


def test_a_throttled_request_without_a_time_waits_by_itself() -> None:
    made = plan("github")
    ask, state = asked(made, made.begin(NOW))
    assert made.took(state, ask, answer({}, 429, retry_after="soon"), NOW).retry


@pytest.mark.parametrize(
    ("vendor", "body", "status", "headers"),
    [
        ("github", {}, 403, {"retry_after": "5"}),
        ("github", {}, 403, {"x_ratelimit_remaining": "0", "x_ratelimit_reset": "5"}),
        ("slack", {"ok": False, "error": "ratelimited"}, 200, {"retry_after": "5"}),
        ("m365", {"error": {"code": "AF429"}}, 400, {"retry_after": "5"}),
        ("google_workspace", {"error": {"errors": [{"reason": "quotaExceeded"}]}}, 403,
         {"retry_after": "5"}),
    ],
)
def test_vendors_say_in_their_own_ways_that_it_was_too_much(
    vendor: str, body: Any, status: int, headers: dict[str, str]
) -> None:
    made = plan(vendor)
    ask, state = asked(made, made.begin(NOW))
    assert made.took(state, ask, answer(body, status, **headers), NOW).until_us == NOW + 5 * MICROS


def test_a_used_up_allowance_is_waited_for_after_a_good_answer_too() -> None:
    made = plan("okta")
    ask, state = asked(made, made.begin(NOW))
    step = made.took(
        state, ask,
        answer([{"uuid": "a"}], x_rate_limit_remaining="0", x_rate_limit_reset="1780272012"), NOW,
    )
    assert step.until_us == NOW + 12 * MICROS
    assert len(step.items) == 1
    assert not step.trouble


def test_a_refused_credential_is_renewed_and_nothing_is_forgotten() -> None:
    made = plan("google_workspace", "admin")
    ask, state = asked(made, made.begin(NOW))
    step = made.took(replace(state, page="p9"), ask, answer({}, 401), NOW)
    assert (step.renew, step.retry) == (True, True)
    assert step.state.page == "p9"


@pytest.mark.parametrize("status", [500, 502, 404, 418, 302])
def test_any_other_failure_asks_the_same_again(status: int) -> None:
    made = plan("google_workspace", "admin")
    ask, state = asked(made, made.begin(NOW))
    step = made.took(state, ask, answer(b"<html>", status), NOW)
    assert step == Step(state, trouble=f"status {status}", retry=True)


def test_an_error_shows_its_code_and_nothing_else_of_the_answer() -> None:
    made = plan("m365", "Audit.General")
    ask, state = asked(made, made.begin(NOW))
    body = {"error": {"code": "AF10001\x1b[2J" + "x" * 9_999, "message": "token eyJ0"}}
    step = made.took(state, ask, answer(body, 403), NOW)
    assert "eyJ0" not in step.trouble
    assert "\x1b" not in step.trouble
    assert len(step.trouble) < 200


# --- items


def test_items_keep_their_exact_text() -> None:
    body = b'{"a": {"b": [ {"id" : 1,  "x":"\\u0041"} , {"id":2}\n] } }'
    raws = raws_of(body, "a.b")
    assert raws == [b'{"id" : 1,  "x":"\\u0041"}', b'{"id":2}']


def test_items_without_an_id_are_called_by_their_text() -> None:
    items = described("google_workspace").items
    one, two, three, four = items_of(
        [b'{"id":{"time":"2026-06-01T00:00:00Z","uniqueQualifier":"-1","applicationName":"x"}}',
         b'{"id":{"time":"2026-06-01T00:00:00Z"}}', b"7", b'{"id":{"time":true}}'], items
    )
    assert one.id == "x/2026-06-01T00:00:00Z/-1"
    assert two.id.startswith("sha256/")
    assert three.id.startswith("sha256/")
    assert (three.record, three.time) == (None, UNSET)
    assert len({one.id, two.id, three.id, four.id}) == 4


@pytest.mark.parametrize(
    ("vendor", "raw"),
    [
        ("okta", b'{"uuid":"a","published":"2026-06-01T00:00:00.000Z"}'),
        ("github", b'{"_document_id":"a","@timestamp":1780272000000}'),
        ("slack", b'{"id":"a","date_create":1780272000}'),
        ("m365", b'{"Id":"a","CreationTime":"2026-06-01T00:00:00"}'),
    ],
)
def test_times_are_read_as_each_vendor_writes_them(vendor: str, raw: bytes) -> None:
    (item,) = items_of([raw], described(vendor).items)
    assert item.id == "a"
    assert item.time is not UNSET
    assert item.time.isoformat() == "2026-06-01T00:00:00+00:00"


# --- states and hostile answers


def test_a_state_survives_its_keeping() -> None:
    state = State(began_us=1, since_us=2, until_us=3, page="p", starting=True, deep=True)
    assert decode_state(encode_state(state)) == state


def test_contents_that_are_yet_to_be_fetched_are_listed_again_after_a_restart() -> None:
    """So that a page of thousands is not kept anew with each of them."""
    made = plan("m365", "Audit.General")
    first, state = asked(made, made.begin(NOW))
    step = made.took(state, first, answer(m365_listing(1, 2), nextpageuri=f"{BASE}/p2"), NOW)
    kept = encode_state(step.state)
    content, state = asked(made, step.state)
    assert encode_state(made.took(state, content, answer([{"Id": "a"}]), NOW).state) == kept
    assert asked(made, decode_state(kept))[0] == first
    state = replace(step.state, contents=(), page=f"{BASE}/p2")
    second, state = asked(made, state)
    step = made.took(state, second, answer(m365_listing(3)), NOW)
    assert asked(made, decode_state(encode_state(step.state)))[0] == second


_VALUES: list[Any] = [None, True, 0, -1, 10**30, 1e308, "", "x" * 5_000, [], {}, [[]], "\ud800"]


def _hostile(chance: random.Random, depth: int = 0) -> Any:
    kind = chance.random()
    names = ["entries", "items", "id", "uuid", "response_metadata", "next_cursor", "nextPageToken",
             "error", "code", "contentUri", "@timestamp", "date_create", "published", "errors"]
    if kind < 0.3 or depth > 4:
        return chance.choice(_VALUES)
    if kind < 0.6:
        return [_hostile(chance, depth + 1) for _ in range(chance.randrange(4))]
    return {chance.choice(names): _hostile(chance, depth + 1) for _ in range(4)}


@pytest.mark.parametrize("vendor", VENDORS)
def test_no_answer_makes_a_plan_fail(vendor: str) -> None:
    """Whatever comes back: no exception, and always something to do next."""
    chance = random.Random(vendor)
    made, now = plan(vendor, "Audit.General"), NOW
    state = made.begin(now)
    for _ in range(3_000):
        following = made.next(state, now)
        if following.ask is None:
            assert following.due_us > now
            now, state = following.due_us, following.state
            continue
        assert following.ask.url.startswith(BASE)
        body = json.dumps(_hostile(chance)).encode()
        if chance.random() < 0.3:
            body = body[: chance.randrange(len(body) + 1)]
        headers = {
            chance.choice(["link", "date", "retry-after", "nextpageuri", "x-ratelimit-remaining",
                           "x-ratelimit-reset"]):
            chance.choice(["0", "-1", "9" * 40, "Mon", f'<{BASE}/n>; rel="next"', f"{BASE}/n",
                           "http://[", "https://evil.example/", "\udcff", "Sun, 31 Feb 2026"])
            for _ in range(3)
        }
        status = chance.choice([200, 200, 200, 206, 301, 400, 401, 403, 404, 410, 422, 429, 500])
        step = made.took(following.state, following.ask, Answer(status, headers, body), now)
        state = decode_state(encode_state(step.state))
        now = max(now, step.until_us) + (MICROS if step.retry else 0)


# --- descriptions


def test_a_description_may_put_anything_of_its_options_into_a_url_but_safely() -> None:
    made = Plan(described("github"), {**VALUES, "org": "a/../b?c&d"}, "events", BASE)
    ask, _ = asked(made, made.begin(NOW))
    assert ask.url.startswith(f"{BASE}/orgs/a%2F..%2Fb%3Fc%26d/audit-log?phrase=created%3A%3E%3D")


def test_an_enterprise_is_asked_where_one_is_named() -> None:
    made = Plan(described("github"), {"enterprise": "big"}, "events", BASE)
    assert asked(made, made.begin(NOW))[0].url.startswith(f"{BASE}/enterprises/big/audit-log?")


def test_descriptions_of_ones_own_are_read() -> None:
    text = """
        name = "own"
        about = "of our own"
        base = "https://audit.example.org"
        auth = { kind = "header", header = "X-Key", value = "{secret}" }
        request = { path = ["/events"], query = { from = "{since}" } }
        items = { path = "data", id = ["id"] }
    """
    found: Description = read_description(text, "own.toml")
    assert (found.parser, found.streams) == ("auto", ["events"])
