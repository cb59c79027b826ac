"""What to ask an API next, and what its answer means: a state machine, pure.

A source has one `State` for each stream (a content type, an application). `Plan.next` makes a
request of it, `Plan.took` events and the next state of the answer. A state is kept after the events
that came with it are durable, so a puller that is killed asks the last page again, and the ids of
events make that harmless.

Time goes by windows. Each begins where the one before ended, less an overlap (events may appear
late), and is read page by page; a link or token of the next page is part of the state. Windows end
at the API's own time (its `Date` header) where our clock is ahead of it, else events could fall
between two windows. How far was read never goes back, whatever a clock says.

What the API does not keep any more cannot be asked for: that is a gap, told once (`Step.lost`). It
is given up when the time is sure (`pull_clock`), or the API itself refuses it, and asked for until
then.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from urllib.parse import urlencode

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from indelible.base.clock import MICROS, parse_duration, to_us
from indelible.base.limits import (
    PULL_CLOCK_SECONDS,
    PULL_CONTENT_TRIES,
    PULL_CONTENTS,
    PULL_PAGES,
    REMEMBERED,
)
from indelible.ingest.protocols.circles import Circle
from indelible.ingest.protocols.pull_answers import (
    Answer,
    following_of,
    held_back,
    joined,
    retry_after,
    said_of,
    used_up,
)
from indelible.ingest.protocols.pull_aside import Aside, told
from indelible.ingest.protocols.pull_clock import ApiClock
from indelible.ingest.protocols.pull_description import (
    Description,
    fill,
    first_path,
    origin_of,
)
from indelible.ingest.protocols.pull_items import (
    Item,
    NotAnswer,
    codes_of,
    items_of,
    part_of,
    raws_of,
    text_of,
)

_ELSEWHERE: Final = (
    "the link to the next page leads to another host, or nowhere: give the source the url by which "
    "the API calls itself"
)
_CIRCLE: Final = "its pages go in a circle: one leads to itself, or to one before it"
_ENDLESS: Final = f"one window has taken more than {PULL_PAGES:,} pages, and there are more"
_BEHIND: Final = f"its clock is more than {PULL_CLOCK_SECONDS} s behind this machine's"
_UNSURE: Final = "whether it keeps all that is asked for is not sure yet: asked again"
_UNSTARTED: Final = "it says that collecting was not started, though it was"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR: Final = parse_duration("1h")


class State(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """How far a stream was read; times in microseconds since 1970 UTC.

    Everything before `since_us` was asked for. While a window is open (`until_us`), `from_us` is
    where it begins, `held_us` how late it was at the API when its first page came, `unsure` says
    that it may begin before what the API keeps, `page` is the link, token or number of its next
    page (the `pages` before it were read), and `contents` are the URLs of contents that the page
    `listing` named and that are yet to be fetched. `deep` says that it is a deep one, `deep_us`
    when the last deep one ended. `began_us` is when the source was first asked. `starting`: the API
    is to be told to begin to collect; `started`: it was told, and has listed nothing since. `tries`
    of the first of `contents` failed in a row; `aside` are those of which too many did.
    """

    began_us: int
    since_us: int
    until_us: int = 0
    from_us: int = 0
    due_us: int = 0
    deep_us: int = 0
    deep: bool = False
    page: str = ""
    listing: str = ""
    contents: tuple[str, ...] = ()
    starting: bool = False
    started: bool = False
    pages: int = 0
    held_us: int = 0
    unsure: bool = False
    tries: int = 0
    aside: Aside = Aside()


_encode = msgspec.json.Encoder().encode


def encode_state(state: State) -> bytes:
    """A state as it is kept: where contents are yet to be fetched, their page is listed again."""
    if state.contents:
        state = replace(state, page=state.listing, contents=(), tries=0)
    return _encode(replace(state, listing=""))


decode_state = msgspec.json.Decoder(State).decode


class Ask(NamedTuple):
    """A request without its credentials; `kind` is list, content or start."""

    kind: str
    method: str
    url: str


class Next(NamedTuple):
    """What to do next: `ask` something, or nothing before `due_us`. `lost` tells of a gap."""

    state: State
    ask: Ask | None
    due_us: int = 0
    lost: str = ""


class Step(NamedTuple):
    """What an answer means: events, and the state to keep once they are durable.

    `until_us` is before when nothing may be asked. `trouble` says what is wrong, `retry` that the
    same is to be asked again after a growing while, `renew` that the credentials were not taken.
    `odd` is what people should look at though asking goes on. `lost` tells of events that cannot be
    had any more. `beside`: a content that was put aside failed, which says nothing of the stream.
    """

    state: State
    items: Sequence[Item] = ()
    until_us: int = 0
    trouble: str = ""
    retry: bool = False
    renew: bool = False
    odd: str = ""
    lost: str = ""
    beside: bool = False


class Plan:
    """One stream of an API. `values` are the options of the source."""

    def __init__(self, api: Description, values: Mapping[str, str], stream: str, base: str) -> None:
        self._api, self._base = api, base
        self._values = {**values, "stream": stream}
        window = api.window
        self._overlap = parse_duration(window.overlap)
        self._longest = parse_duration(window.longest) if window.longest else 0
        self._oldest = parse_duration(window.oldest) if window.oldest else 0
        self._deep = parse_duration(window.deep) if window.deep else 0
        self._deep_every = parse_duration(window.deep_every) if window.deep_every else 0
        self._beat = parse_duration(api.pace.beat)
        first = parse_duration(values.get("since") or window.first)
        self._first = min(first, self._oldest or first)
        self._links = api.paging.by in ("link", "header", "url")
        self._clock = ApiClock()
        self._circle = Circle()
        self._fetched: OrderedDict[str, None] = OrderedDict()
        self._whys: dict[str, str] = {}  # what is wrong with contents; not kept: it may be secret

    def begin(self, now_us: int) -> State:
        """The state of a stream that was never asked."""
        return State(began_us=now_us, since_us=now_us - self._first)

    # --- asking

    def next(self, state: State, now_us: int) -> Next:
        """The next request of a stream."""
        if not all(map(self._ours, [*state.contents, *([state.page] if self._links else [])])):
            # kept under another address
            state = replace(state, page="", contents=(), until_us=0, tries=0)
        if strange := [url for url in state.aside.urls if not self._ours(url)]:
            state = replace(state, aside=Aside(tuple(filter(self._ours, state.aside.urls))))
            lost = f"{len(strange)} contents yet to be fetched are on another host"
            return Next(state, None, now_us, lost)
        if state.starting:
            assert self._api.start is not None
            start = self._api.start
            return Next(state, Ask("start", start.method, self._url(start.path, start.query, {})))
        if state.aside.urls and min(state.aside.due_us, now_us + self._beat) <= now_us:
            return Next(state, Ask("content", "GET", state.aside.urls[0]))
        if state.contents:
            return Next(state, Ask("content", "GET", state.contents[0]))
        if state.until_us or (state.page and self._api.window.resume == "link"):
            due = min(state.due_us, now_us + self._beat)
            if due > now_us:
                return Next(state, None, due)
            return Next(state, self._page(state))
        due = min(state.due_us, now_us + self._beat)  # a clock that jumped makes nobody wait
        if due > now_us:
            return Next(state, None, due)
        return self._opened(state, now_us)

    def _opened(self, state: State, now_us: int) -> Next:
        """A new window."""
        now, lost, unsure = self._clock.now(now_us), "", False
        oldest = now - self._oldest if self._oldest else 0
        if state.since_us < oldest:
            if self._clock.sure(now_us):
                lost = self._gap(state, oldest)
                state = replace(state, since_us=oldest)
            else:
                unsure, oldest = True, state.since_us if self._new(state) else 0
        since = min(state.since_us, now)
        deep = bool(self._deep) and now - state.deep_us >= self._deep_every
        begin = max(since - (self._deep if deep else self._overlap), oldest, 0)
        until = min(since + self._longest, now) if self._longest else now
        state = replace(
            state, from_us=begin, until_us=max(until, begin + MICROS), page="", pages=0,
            held_us=0, unsure=unsure, deep=deep,
        )
        return Next(state, self._page(state), 0, lost)

    def _gap(self, state: State, oldest: int) -> str:
        """What is lost when it begins anew at the oldest that is kept."""
        if state.since_us >= oldest or self._new(state):
            return ""
        return f"events from {_shown(state.since_us)} to {_shown(oldest)} are not kept any more"

    def _new(self, state: State) -> bool:
        """Whether nothing was ever asked for to its end."""
        return state.since_us <= state.began_us - self._first

    def _page(self, state: State) -> Ask:
        paging = self._api.paging
        if state.page and self._links:
            return Ask("list", "GET", state.page)
        given = {
            "since": self._time(state.from_us), "until": self._time(state.until_us),
            "page": state.page,
        }
        request = self._api.request
        more = {paging.name: state.page} if state.page else {}
        return Ask("list", "GET", self._url(request.path, {**request.query, **more}, given))

    def _url(self, path: list[str], query: Mapping[str, str], given: Mapping[str, str]) -> str:
        values = {**self._values, **given}
        where = fill(first_path(path, values), values, escape=True)
        filled = {name: fill(text, values) for name, text in query.items()}
        asked = urlencode({name: value for name, value in filled.items() if value})
        return f"{self._base}{where}?{asked}" if asked else f"{self._base}{where}"

    def _time(self, us: int) -> str:
        form = self._api.window.format
        if form in ("s", "ms"):
            return str(us // (MICROS if form == "s" else 1_000))
        moment = _EPOCH + timedelta(microseconds=us)
        return moment.strftime("%Y-%m-%dT%H:%M:%S") + ("Z" if form == "rfc3339" else "")

    def _ours(self, url: str) -> bool:
        """Whether credentials may be sent to a URL."""
        return not url or (url.isascii() and origin_of(url) == origin_of(self._base))

    # --- answers

    def took(self, state: State, ask: Ask, answer: Answer, now_us: int) -> Step:
        """What an answer to `ask`, which was made of `state`, means."""
        new = self._new(state)
        self._clock.took(answer.headers, now_us, 0 if new else state.since_us)
        now = self._clock.now(now_us)
        try:
            if 200 <= answer.status < 300:
                step = self._good(state, ask, answer, now_us)
            else:
                codes = codes_of(answer.body, self._api.errors.code)
                step = self._bad(state, ask, answer, codes, now_us)
        except NotAnswer as error:
            step = self.unanswered(state, ask, f"the answer is not as described: {error}", now_us)
        if not step.until_us and (until := used_up(answer, now_us)):
            step = step._replace(until_us=until)
        odd = _ENDLESS if step.state.pages > PULL_PAGES else _BEHIND if self._clock.behind else ""
        odds = filter(None, (odd, told(step.state.aside, self._whys)))
        step = step._replace(odd="; ".join(odds))
        if new and state.began_us - now > PULL_CLOCK_SECONDS * MICROS:
            step = step._replace(state=self.begin(now))  # it was begun by a clock that is ahead
        return step

    def unanswered(self, state: State, ask: Ask, why: str, now_us: int) -> Step:
        """What it means that `ask` has no answer, or none that can be used.

        A content of which that is so again and again is put aside, and the others are gone on with.
        """
        due = now_us + self._beat
        if ask.kind == "content" and ask.url in state.aside.urls:
            self._whys[ask.url] = why
            return Step(replace(state, aside=state.aside.last(ask.url, due)), beside=True)
        if ask.kind != "content" or state.aside.full:
            return Step(state, trouble=why, retry=True)
        if state.tries + 1 < PULL_CONTENT_TRIES:
            return Step(replace(state, tries=state.tries + 1), trouble=why, retry=True)
        self._whys[ask.url] = why
        state = replace(self._without(state, ask.url), aside=state.aside.last(ask.url, due))
        return self._onward(state, now_us)._replace(trouble=why, retry=True)

    def _without(self, state: State, url: str) -> State:
        """The state when a content needs not be fetched any more, or not now."""
        if url not in state.contents:
            self._whys.pop(url, None)
            return replace(state, aside=state.aside.without(url))
        contents = tuple(one for one in state.contents if one != url)
        return replace(state, contents=contents, tries=0)

    def _good(self, state: State, ask: Ask, answer: Answer, now_us: int) -> Step:
        if ask.kind == "start":
            again, due = state.started, now_us + self._beat
            state = replace(state, starting=False, started=True, due_us=due)
            return Step(state, trouble=_UNSTARTED if again else "", retry=again)
        raws = raws_of(answer.body, self._api.items.path if ask.kind == "list" else "")
        if raws is None:
            if codes := codes_of(answer.body, self._api.errors.code):
                return self._bad(state, ask, answer, codes, now_us)
            empty = self._api.items.empty
            if not empty or part_of(answer.body, empty) is None:
                raise NotAnswer(f"it has no list {self._api.items.path!r}")
            raws = []
        if ask.kind == "content":
            return self._fetched_one(state, ask.url, now_us, items_of(raws, self._api.items))
        state = replace(state, started=False)
        if not state.page:
            state = replace(state, held_us=min(state.until_us, self._clock.now(now_us)))
        following = following_of(self._api.paging, answer, state.page, len(raws))
        if following and self._links:
            following = joined(ask.url, following)
        if not following.isprintable() or (self._links and not self._ours(following)):
            # the window stays open: what is on that page is neither read nor passed over
            items = [] if self._api.contents is not None else items_of(raws, self._api.items)
            return Step(state, items, trouble=_ELSEWHERE, retry=True)
        if following and following == state.page and not raws and (
            self._api.window.resume == "time"
        ):
            following = ""
        if self._goes_round(state, raws, following):
            # asked again, in case it was a mistake: what is behind that page is not passed over
            if self._api.contents is None:
                return Step(state, items_of(raws, self._api.items), trouble=_CIRCLE, retry=True)
            step = self._listed(state, raws, state.page, now_us)
            return step._replace(trouble=_CIRCLE, retry=True)
        state = replace(state, pages=state.pages + 1)
        if self._api.contents is not None:
            return self._listed(state, raws, following, now_us)
        items = items_of(raws, self._api.items)
        if self._api.window.resume == "link":
            return self._resumed(state, items, following, now_us)
        time = items[-1].time if items else UNSET
        if self._api.window.order == "ascending" and time is not UNSET and not state.unsure:
            state = replace(state, since_us=max(state.since_us, min(to_us(time), _end(state))))
        return self._onward(replace(state, page=following), now_us, items)

    def _goes_round(self, state: State, raws: list[bytes], following: str) -> bool:
        """Whether the page that came leads to one that was read. A link that is kept does, rightly,
        as long as there is nothing new behind it."""
        if not state.page or (self._api.window.resume == "link" and not raws):
            self._circle.begin()
            if not raws:
                return False
        return self._circle.closes(state.page, following, raws)

    def _listed(self, state: State, raws: list[bytes], following: str, now_us: int) -> Step:
        """Places of contents: fetched one by one before the next page."""
        assert self._api.contents is not None
        links = dict.fromkeys(text_of(raw, self._api.contents.link) for raw in raws)
        links.pop("", None)
        strange = [link for link in links if not self._ours(link) and link not in self._fetched]
        for link in strange:
            self._remember(link)
        lost = f"{len(strange)} listed contents are on another host" if strange else ""
        links = dict.fromkeys(filter(self._ours, links))
        if len(links) > PULL_CONTENTS:
            raise NotAnswer(f"it lists more than {PULL_CONTENTS} contents on one page")
        known = {*self._fetched, *state.aside.urls}
        contents = tuple(link for link in links if link not in known)
        state = replace(state, page=following, listing=state.page, contents=contents, tries=0)
        step = self._onward(state, now_us)
        return step._replace(trouble=step.trouble or lost, lost=step.lost or lost)

    def _resumed(
        self, state: State, items: list[Item], following: str, now_us: int
    ) -> Step:
        """A stream whose next page's link is kept for ever."""
        state = replace(state, page=following or state.page, until_us=0, from_us=0)
        if items:
            due = state.due_us if following else now_us + self._beat
            return Step(replace(state, due_us=due), items)
        state = replace(state, due_us=now_us + self._beat, pages=0)
        return self._passed(state, self._clock.now(now_us), now_us)

    def _fetched_one(
        self, state: State, url: str, now_us: int, items: Sequence[Item] = ()
    ) -> Step:
        """A content came, or is gone; the window of one that was put aside was gone on with."""
        self._remember(url)
        beside = url in state.aside.urls
        state = self._without(state, url)
        return Step(state, items) if beside else self._onward(state, now_us, items)

    def _onward(self, state: State, now_us: int, items: Sequence[Item] = ()) -> Step:
        """The state as it is, or with its window closed when nothing is left of it."""
        if state.page or state.contents:
            return Step(state, items)
        end = _end(state)
        caught_up = self._clock.now(now_us) - end < self._beat
        state = replace(
            state, until_us=0, from_us=0, held_us=0, pages=0, deep=False,
            deep_us=end if state.deep else state.deep_us,
            due_us=now_us + self._beat if caught_up else 0,
        )
        return self._passed(state, end, now_us)._replace(items=items)

    def _passed(self, state: State, end: int, now_us: int) -> Step:
        """Everything before `end` was asked for; what of it was not there to be had is told."""
        lost = ""
        if state.unsure and self._oldest:
            oldest = self._clock.now(now_us) - self._oldest
            lost = self._gap(state, oldest)
            if lost and not self._clock.sure(now_us):
                return Step(state, trouble=_UNSURE, retry=True)
        state = replace(state, since_us=max(state.since_us, end), unsure=False)
        return Step(state, lost=lost)

    def _remember(self, url: str) -> None:
        """Contents are listed again in each overlap; those that were fetched need not be again."""
        self._fetched[url] = None
        while len(self._fetched) > REMEMBERED:
            self._fetched.popitem(last=False)

    # --- what goes wrong

    def _bad(
        self, state: State, ask: Ask, answer: Answer, codes: set[str], now_us: int
    ) -> Step:
        api, said = self._api, said_of(answer.status, codes)
        if answer.status == 429 or codes & set(api.pace.throttled) or held_back(answer):
            until = retry_after(answer, now_us) or used_up(answer, now_us)
            return Step(state, until_us=until, trouble=said, retry=not until)
        if answer.status == 401:
            return Step(state, trouble=said, retry=True, renew=True)
        if api.start is not None and codes & set(api.start.when) and ask.kind != "start":
            again = state.started  # else a start that starts nothing would be repeated at once
            state = replace(state, starting=True, until_us=0, page="", contents=(), tries=0)
            return Step(state, trouble=_UNSTARTED if again else "", retry=again)
        if ask.kind == "content" and api.contents is not None and (
            codes & set(api.contents.gone) or answer.status in (404, 410)
        ):
            step = self._fetched_one(state, ask.url, now_us)
            gone = "a listed content is not kept any more"
            return step._replace(trouble=said, lost=step.lost or gone)
        if codes & set(api.errors.too_old) and self._oldest:
            oldest = max(self._clock.now(now_us) - self._oldest, state.from_us + _HOUR)
            since = max(state.since_us, oldest + self._overlap)
            return Step(
                replace(state, since_us=since, until_us=0, from_us=0, page="", deep=False),
                trouble=said, lost=f"events before {_shown(oldest)} are not kept any more",
            )
        refused = ask.kind == "list" and answer.status in (400, 404, 410, 422)
        if refused and state.unsure and not state.page:
            state = replace(state, until_us=0, from_us=0)  # given up as soon as the time is sure
        if refused and state.page:
            state = replace(state, page="", until_us=0, from_us=0, deep=False)
            return Step(state, trouble=f"the next page was refused ({said}); asked anew",
                        retry=True)
        return self.unanswered(state, ask, said, now_us)


def _end(state: State) -> int:
    """Where an open window ends: not later than it was at the API when its first page came."""
    return min(state.until_us, state.held_us or state.until_us)


def _shown(us: int) -> str:
    return (_EPOCH + timedelta(microseconds=us)).strftime("%Y-%m-%dT%H:%M:%SZ")
