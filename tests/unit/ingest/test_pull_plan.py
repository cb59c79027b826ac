"""What an API is asked next, and what its answers mean."""

from __future__ import annotations

import json
import random
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from indelible.base import limits
from indelible.base.clock import MICROS
from indelible.ingest.protocols.pull_answers import Answer, next_link
from indelible.ingest.protocols.pull_description import (
    VENDORS,
    Description,
    described,
    read_description,
)
from indelible.ingest.protocols.pull_items import items_of, raws_of
from indelible.ingest.protocols.pull_plan import (
    Ask,
    Plan,
    State,
    Step,
    decode_state,
    encode_state,
)

NOW = 1_780_272_000 * MICROS  # 2026-06-01T00:00:00Z
HOUR, DAY = 3_600 * MICROS, 86_400 * MICROS
BASE = "https://api.example.org"
VALUES = {"url": BASE, "org": "acme", "directory": "d1", "client": "c", "subject": "a@x"}


def plan(vendor: str = "slack", stream: str = "events", **changes: Any) -> Plan:
    api = described(vendor)
    for part, members in changes.items():
        api = replace(api, **{part: replace(getattr(api, part), **members)})
    base = f"{BASE}/api/v1.0/d1/activity/feed" if vendor == "m365" else BASE
    return Plan(api, VALUES, stream, base)


def answer(body: Any = None, status: int = 200, **headers: str) -> Answer:
    names = {name.replace("_", "-").lower(): value for name, value in headers.items()}
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, names, data)


def asked(made: Plan, state: State, now: int = NOW) -> tuple[Ask, State]:
    following = made.next(state, now)
    assert following.ask is not None
    return following.ask, following.state


def query(ask: Ask) -> dict[str, str]:
    return {name: value[0] for name, value in parse_qs(urlsplit(ask.url).query).items()}


def slack(*ids: int, cursor: str = "") -> dict[str, Any]:
    return {
        "entries": [{"id": f"i{number}", "date_create": 1_780_000_000} for number in ids],
        "response_metadata": {"next_cursor": cursor},
    }


# --- windows


def test_a_new_stream_begins_as_far_back_as_described_and_asks_no_longer_window_at_once() -> None:
    made = plan("slack")
    ask, state = asked(made, made.begin(NOW))
    begin, end = int(query(ask)["oldest"]), int(query(ask)["latest"])
    assert begin == (NOW - 7 * DAY) // MICROS - 6 * 3_600  # deep at first
    assert end == (NOW - 6 * DAY) // MICROS
    assert (state.from_us, state.until_us) == (begin * MICROS, end * MICROS)


def test_windows_follow_one_another_with_an_overlap_until_now_and_then_wait() -> None:
    made = plan("slack", window={"deep": "", "deep_every": ""})
    state, seen = made.begin(NOW), []
    while True:
        following = made.next(state, NOW)
        if following.ask is None:
            break
        seen.append((following.state.from_us, following.state.until_us))
        state = made.took(following.state, following.ask, answer(slack()), NOW).state
    assert len(seen) == 7
    assert seen[-1][1] == NOW
    assert all(two[0] == one[1] - 15 * 60 * MICROS for one, two in pairwise(seen))
    assert following.due_us == NOW + 60 * MICROS
    assert state.since_us == NOW


def test_a_deep_window_comes_again_after_its_time() -> None:
    made = plan("slack")
    state = State(began_us=0, since_us=NOW, deep_us=NOW)
    _, shallow = asked(made, state, NOW + HOUR)
    assert (shallow.deep, shallow.from_us) == (False, NOW - 15 * 60 * MICROS)
    ask, deep = asked(made, state, NOW + 7 * HOUR)
    assert (deep.deep, deep.from_us) == (True, NOW - 6 * HOUR)
    after = made.took(deep, ask, answer(slack()), NOW + 7 * HOUR).state
    assert (after.deep, after.deep_us) == (False, NOW + 7 * HOUR)


def test_a_window_is_read_page_by_page_and_its_query_stays_the_same() -> None:
    made = plan("slack")
    ask, state = asked(made, made.begin(NOW))
    step = made.took(state, ask, answer(slack(1, 2, cursor="c=1&x")), NOW)
    assert [item.id for item in step.items] == ["i1", "i2"]
    second, state = asked(made, step.state, NOW + HOUR)
    assert query(second) == {**query(ask), "cursor": "c=1&x"}
    step = made.took(state, second, answer(slack(3)), NOW + HOUR)
    assert (step.state.page, step.state.until_us) == ("", 0)
    assert step.state.since_us == state.until_us


def test_windows_end_at_the_time_of_the_service_where_our_clock_is_ahead() -> None:
    made = plan("slack", window={"deep": "", "deep_every": ""})
    state = State(began_us=0, since_us=NOW - HOUR)
    ask, state = asked(made, state)
    step = made.took(state, ask, answer(slack(), date="Sun, 31 May 2026 23:00:00 GMT"), NOW)
    following = made.next(replace(step.state, due_us=0, since_us=NOW - 2 * HOUR), NOW)
    assert following.state.until_us == NOW - HOUR


def test_a_clock_that_is_behind_changes_nothing() -> None:
    made = plan("slack", window={"deep": "", "deep_every": ""})
    ask, state = asked(made, State(began_us=0, since_us=NOW - HOUR))
    made.took(state, ask, answer(slack(), date="Mon, 01 Jun 2026 03:00:00 GMT"), NOW)
    assert made.next(State(began_us=0, since_us=NOW - HOUR), NOW).state.until_us == NOW


def test_a_clock_that_jumped_back_makes_nobody_wait_longer_than_a_beat() -> None:
    made = plan("slack")
    state = State(began_us=0, since_us=NOW, due_us=NOW + 400 * DAY)
    following = made.next(state, NOW)
    assert following.ask is None
    assert following.due_us == NOW + 60 * MICROS


def test_what_is_not_kept_any_more_is_told_once_and_asking_goes_on() -> None:
    made = plan("github")
    state = State(began_us=NOW - 400 * DAY, since_us=NOW - 200 * DAY)
    for now in (NOW - 120 * MICROS, NOW - 60 * MICROS, NOW):  # until the time is sure
        ask, state = asked(made, state, now)
        step = made.took(state, ask, answer([]), now)
        state = step.state
    assert "2025-11-13T00:00:00Z to 2025-12-03T00:00:00Z" in step.lost
    assert made.next(step.state, NOW + HOUR).lost == ""


def test_a_first_beginning_that_is_further_back_than_anything_kept_is_no_gap() -> None:
    made = plan("m365", "Audit.General")
    state = made.begin(NOW)
    assert made.next(state, NOW + 600 * MICROS).lost == ""


# --- pages


def test_links_to_the_next_page_are_found_among_others() -> None:
    header = '<https://a/x?y=1,2>; title="next"; rel="prev", <https://a/z>; rel="last next"'
    assert next_link(header) == "https://a/z"
    assert next_link("<https://a/z>; rel=next") == "https://a/z"
    assert next_link('<https://a/z>; rel="nextish"') == ""
    assert next_link("") == ""
    assert next_link("https://a/z; rel=next") == "broken:"


@pytest.mark.parametrize(
    "link", ["https://evil.example/x", "http://api.example.org/x", "https://api.example.org:444/x",
             "https://api.example.org@evil.example/x"],
)
def test_a_link_to_another_host_is_not_followed(link: str) -> None:
    made = plan("github")
    ask, state = asked(made, made.begin(NOW))
    events = [{"_document_id": "a", "@timestamp": 1_780_000_000_000}]
    step = made.took(state, ask, answer(events, link=f'<{link}>; rel="next"'), NOW)
    assert "another host" in step.trouble
    assert step.retry
    assert len(step.items) == 1
    again, _ = asked(made, step.state, NOW + DAY)  # the window is open: nothing is passed over
    assert again == ask


@pytest.mark.parametrize(("vendor", "said"), [
    ("slack", {"ok": True}), ("google_workspace", {"message": "maintenance"}),
])
def test_an_answer_without_the_list_passes_nothing_over(vendor: str, said: Any) -> None:
    made = plan(vendor)
    ask, state = asked(made, made.begin(NOW))
    step = made.took(state, ask, answer(said), NOW)
    assert "not as described" in step.trouble
    assert step.retry
    assert asked(made, step.state, NOW + DAY)[0] == ask


def test_an_api_that_leaves_an_empty_list_out_says_so() -> None:
    made = plan("google_workspace")
    ask, state = asked(made, made.begin(NOW))
    step = made.took(state, ask, answer({"kind": "admin#reports#activities"}), NOW)
    assert not step.trouble
    assert step.state.until_us == 0


def test_an_ascending_window_that_breaks_off_goes_on_at_its_last_event() -> None:
    made = plan("github")
    ask, state = asked(made, made.begin(NOW))
    last = NOW - 3 * DAY
    events = [{"_document_id": str(n), "@timestamp": (last - n) // 1_000} for n in (9, 0)]
    step = made.took(state, ask, answer(events, link=f'<{BASE}/p2>; rel="next"'), NOW)
    assert step.state.since_us == last
    ask, state = asked(made, step.state)
    assert ask.url == f"{BASE}/p2"
    step = made.took(state, ask, answer({"message": "bad cursor"}, 422), NOW)
    assert (step.retry, step.state.page, step.state.until_us) == (True, "", 0)
    ask, state = asked(made, step.state)
    assert state.from_us == last - 6 * HOUR


def test_pages_by_number_end_with_an_empty_one() -> None:
    made = plan("slack", paging={"by": "page", "name": "page", "path": ""})
    ask, state = asked(made, made.begin(NOW))
    for number in (2, 3):
        step = made.took(state, ask, answer(slack(number)), NOW)
        ask, state = asked(made, step.state)
        assert query(ask)["page"] == str(number)
    assert made.took(state, ask, answer(slack()), NOW).state.until_us == 0


def test_pages_by_a_url_in_the_answer() -> None:
    made = plan("slack", paging={"by": "url", "name": "", "path": "@odata.nextLink"})
    ask, state = asked(made, made.begin(NOW))
    made.took(state, ask, answer({"entries": [], "@odata": 1}), NOW)
    body = {"entries": [{"id": "a"}], "@odata.nextLink": f"{BASE}/next"}
    made = plan("slack", paging={"by": "url", "name": "", "path": "next.link"})
    body = {"entries": [{"id": "a"}], "next": {"link": f"{BASE}/next"}}
    step = made.took(state, ask, answer(body), NOW)
    assert asked(made, step.state)[0].url == f"{BASE}/next"


def test_an_empty_page_that_names_itself_ends_the_window() -> None:
    made = plan("slack")
    ask, state = asked(made, made.begin(NOW))
    state = replace(state, page="c1")
    assert made.took(state, ask, answer(slack(cursor="c1")), NOW).state.until_us == 0


# --- a link that is kept


def test_okta_keeps_its_next_link_and_asks_it_again_on_the_beat() -> None:
    made = plan("okta")
    ask, state = asked(made, made.begin(NOW))
    assert query(ask) == {
        "since": "2026-05-24T23:50:00Z", "sortOrder": "ASCENDING", "limit": "1000"
    }
    link = f'<{BASE}/api/v1/logs?after=1>; rel="next"'
    step = made.took(state, ask, answer([{"uuid": "a"}], link=link), NOW)
    ask, state = asked(made, step.state)
    assert ask.url == f"{BASE}/api/v1/logs?after=1"
    step = made.took(state, ask, answer([], link=link), NOW)
    assert step.state.since_us == NOW
    assert made.next(step.state, NOW).due_us == NOW + 60 * MICROS
    assert asked(made, step.state, NOW + 60 * MICROS)[0].url == ask.url


def test_a_kept_link_that_is_refused_gives_way_to_the_time() -> None:
    made = plan("okta")
    state = State(began_us=0, since_us=NOW - HOUR, page=f"{BASE}/api/v1/logs?after=1")
    ask, state = asked(made, state)
    step = made.took(state, ask, answer({"errorCode": "E0000001"}, 400), NOW)
    assert step.retry
    assert query(asked(made, step.state)[0])["since"] == "2026-05-31T22:50:00Z"


def test_a_link_that_was_kept_under_another_address_is_not_asked() -> None:
    made = plan("okta")
    for page in ("https://old.example/api/v1/logs?after=1", "nonsense", "//evil.example/x"):
        state = State(began_us=0, since_us=NOW, page=page, contents=("https://old.example/c",))
        assert query(asked(made, state)[0])["since"]


def test_an_answer_without_a_link_loses_none() -> None:
    made = plan("okta")
    state = State(began_us=0, since_us=NOW, page=f"{BASE}/api/v1/logs?after=1")
    ask, state = asked(made, state)
    step = made.took(state, ask, answer([{"uuid": "a"}]), NOW)
    assert step.state.page == state.page
    assert made.next(step.state, NOW).ask is None


# --- contents


def m365_listing(*numbers: int) -> list[dict[str, str]]:
    return [{"contentUri": f"{BASE}/api/v1.0/d1/activity/feed/audit/{n}"} for n in numbers]


def test_microsoft_lists_contents_that_are_fetched_before_the_next_page() -> None:
    made = plan("m365", "Audit.General")
    ask, state = asked(made, made.begin(NOW))
    assert query(ask)["startTime"] == "2026-05-25T01:00:00"
    assert query(ask)["contentType"] == "Audit.General"
    step = made.took(state, ask, answer(m365_listing(1, 2), nextpageuri=f"{BASE}/p2"), NOW)
    kinds = []
    while (following := made.next(step.state, NOW)).ask is not None and len(kinds) < 4:
        kinds.append((following.ask.kind, following.ask.url.rpartition("/")[2]))
        body: Any = [{"Id": "e1"}] if following.ask.kind == "content" else m365_listing()
        step = made.took(following.state, following.ask, answer(body), NOW)
    assert kinds[:3] == [("content", "1"), ("content", "2"), ("list", "p2")]


def test_a_content_is_fetched_once_though_an_overlap_lists_it_again() -> None:
    made = plan("m365", "Audit.General")
    ask, state = asked(made, State(began_us=0, since_us=NOW - HOUR))
    step = made.took(state, ask, answer(m365_listing(1)), NOW)
    content, state = asked(made, step.state)
    step = made.took(state, content, answer([{"Id": "e1"}]), NOW)
    ask, state = asked(made, step.state, NOW + HOUR)
    assert made.took(state, ask, answer(m365_listing(1, 2)), NOW).state.contents == (
        m365_listing(2)[0]["contentUri"],
    )


def test_a_content_that_failed_is_fetched_again() -> None:
    made = plan("m365", "Audit.General")
    ask, state = asked(made, State(began_us=0, since_us=NOW - HOUR))
    step = made.took(state, ask, answer(m365_listing(1)), NOW)
    content, state = asked(made, step.state)
    step = made.took(state, content, answer({"error": {"code": "AF50000"}}, 500), NOW)
    assert step.retry
    assert asked(made, step.state)[0] == content


def test_a_missing_subscription_is_started_and_then_listed() -> None:
    made = plan("m365", "Audit.General")
    ask, state = asked(made, made.begin(NOW))
    step = made.took(state, ask, answer({"error": {"code": "AF20022"}}, 400), NOW)
    assert not step.retry
    ask, state = asked(made, step.state)
    assert (ask.kind, ask.method) == ("start", "POST")
    assert ask.url.startswith(f"{BASE}/api/v1.0/d1/activity/feed/subscriptions/start?contentType=")
    step = made.took(state, ask, answer({"status": "enabled"}), NOW)
    assert asked(made, step.state, NOW + 60 * MICROS)[0].kind == "list"


def test_contents_on_other_hosts_are_not_fetched() -> None:
    made = plan("m365", "Audit.General")
    ask, state = asked(made, made.begin(NOW))
    listing = [*m365_listing(1), {"contentUri": "https://evil.example/audit/2"}]
    step = made.took(state, ask, answer(listing), NOW)
    assert "1 listed contents are on another host" in step.lost
    assert len(step.state.contents) == 1
    step = made.took(state, ask, answer(listing), NOW)  # the overlap lists it again
    assert step.lost == ""


@pytest.mark.parametrize("again", [1, 5])
def test_too_old_a_beginning_is_told_and_moved_until_it_is_taken(again: int) -> None:
    made = plan("m365", "Audit.General")
    state, begins = State(began_us=0, since_us=NOW - 5 * DAY), []
    for _ in range(again):
        ask, state = asked(made, state)
        begins.append(state.from_us)
        step = made.took(state, ask, answer({"error": {"code": "AF20030"}}, 400), NOW)
        assert step.lost
        state = step.state
    assert begins == sorted(set(begins))


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
