"""Pages of an answer, a link that is kept, contents that are listed: all of it, from one host."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from indelible.base.clock import MICROS
from indelible.ingest.protocols.pull_answers import next_link
from indelible.ingest.protocols.pull_plan import State
from support.planned import BASE, DAY, HOUR, NOW, answer, asked, m365_listing, plan, query, slack

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
