"""Services that answer as five vendors do, and that do everything that services do on bad days.

Each holds events with the time at which they happened and the time at which they can be seen
(later, for some). It pages, repeats events across pages, throttles, fails, hangs up in the middle
of an answer, and lets tokens expire. `Service` runs one in a thread.
"""

from __future__ import annotations

import base64
import json
import random
import threading
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import uvicorn
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from support.served import free_port

JSON = {"content-type": "application/json"}


class Stored:
    """One event: its exact text, when it happened, from when on it can be seen."""

    def __init__(self, number: int, raw: str, happened: float, seen: float, stream: str) -> None:
        self.number, self.raw, self.happened, self.seen = number, raw, happened, seen
        self.stream = stream


class Vendor:
    """What the five have in common. `faults` is how often something goes wrong."""

    name = ""
    secret = "s3cret-of-the-source"
    streams: tuple[str, ...] = ("events",)
    page = 7

    def __init__(self, seed: int = 1, faults: float = 0.0) -> None:
        self.chance = random.Random(seed)
        self.faults = faults
        self.events: list[Stored] = []
        self.asked: list[str] = []
        self.outcomes: dict[str, int] = {}
        self.tokens: dict[str, float] = {}
        self.url = ""
        self._lock = threading.Lock()

    # --- events

    def happen(self, count: int = 1, ago: float = 0.0, late: float = 0.0) -> None:
        """Events that happened `ago` seconds ago and can be seen `late` seconds from now on."""
        with self._lock:
            for _ in range(count):
                number, now = len(self.events), time.time()
                stream = self.streams[number % len(self.streams)]
                raw = self.event(number, now - ago, stream)
                self.events.append(Stored(number, raw, now - ago, now + late, stream))

    def visible(self, since: float, until: float, stream: str = "events") -> list[Stored]:
        """The events of a stream that happened from `since` to `until` and can be seen."""
        now = time.time()
        with self._lock:
            found = [
                one for one in self.events
                if one.seen <= now and since <= one.happened <= until and one.stream == stream
            ]
        return sorted(found, key=lambda one: (one.happened, one.number))

    @property
    def raws(self) -> set[bytes]:
        """The texts of all events."""
        with self._lock:
            return {one.raw.encode() for one in self.events}

    def event(self, number: int, happened: float, stream: str) -> str:
        """The text of an event, spaced as nobody would space it again."""
        raise NotImplementedError

    # --- answers

    def paged(self, events: list[Stored], after: int) -> tuple[list[Stored], int]:
        """A page from `after` on and where the next one begins; sometimes it repeats an event."""
        end = after + self.page
        start = after - 1 if after and self.chance.random() < 0.3 else after
        return events[start:end], end if end < len(events) else 0

    def routes(self) -> list[Route]:
        """What the service answers."""
        raise NotImplementedError

    def app(self) -> Starlette:
        """The service."""
        return Starlette(routes=self.routes())

    def on_bad_days(
        self, answer: Callable[[Request], Response]
    ) -> Callable[[Request], Any]:
        """`answer`, or one of the things that happen instead of it."""

        async def endpoint(request: Request) -> Response:
            self.asked.append(str(request.url))
            if self.chance.random() < self.faults:
                return self._fault(answer, request)
            found = answer(request)
            self._count(str(found.status_code))
            return found

        return endpoint

    def _fault(self, answer: Callable[[Request], Response], request: Request) -> Response:
        kind = self.chance.choice(["429", "429 without a time", "500", "503", "cut", "garbage"])
        self._count(kind)
        match kind:
            case "429":
                return Response("{}", 429, {**JSON, "retry-after": "1"})
            case "429 without a time":
                return Response("{}", 429, JSON)
            case "500":
                return Response("<html>sorry</html>", 500)
            case "503":
                return Response("", 503, {"retry-after": "0"})
            case "garbage":
                return Response('{"items": [', 200, JSON)
            case _:
                body = bytes(answer(request).body)
                return StreamingResponse(_broken(body[: len(body) // 2]), 200, JSON)

    def _count(self, what: str) -> None:
        self.outcomes[what] = self.outcomes.get(what, 0) + 1

    def token(self, seconds: float) -> str:
        """A token that counts for so long."""
        name = f"token-{len(self.tokens)}-{self.chance.random()}"
        self.tokens[name] = time.time() + seconds
        return name

    def allowed(self, request: Request) -> bool:
        """Whether the token of a request counts now; sometimes it has been withdrawn."""
        said = request.headers.get("authorization", "").removeprefix("Bearer ")
        if self.faults and self.chance.random() < 0.05:
            self.tokens.pop(said, None)
        return self.tokens.get(said, 0.0) > time.time()


async def _broken(part: bytes) -> AsyncIterator[bytes]:
    yield part
    raise RuntimeError("the service hangs up")


def iso(at: float, digits: int = 3) -> str:
    """An RFC 3339 time in UTC."""
    text = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
    return f"{text[: 20 + digits] if digits else text[:19]}Z"


def seconds(text: str) -> float:
    """The time of an RFC 3339 text, with or without its zone."""
    return datetime.fromisoformat(text.removesuffix("Z") + "+00:00").timestamp()


def listed(events: list[Stored]) -> str:
    """A JSON array of the texts, as they are."""
    return "[ " + " ,\n".join(one.raw for one in events) + " ]"


class Okta(Vendor):
    """Polling requests: by the order in which events became visible, with a next link always."""

    name = "okta"

    def event(self, number: int, happened: float, stream: str) -> str:
        return (
            f'{{"uuid": "0000-{number:06d}", "published":"{iso(happened)}",'
            f' "eventType" : "user.session.start", "severity":"INFO", "displayMessage":"log in",'
            f' "actor":{{"id":"00u1","type":"User","alternateId":"user{number % 9}@example.org"}},'
            f' "outcome":{{"result":"SUCCESS"}}, "target":[], "client":{{}}, "version":"0"}}'
        )

    def routes(self) -> list[Route]:
        return [Route("/api/v1/logs", self.on_bad_days(self.logs))]

    def logs(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"SSWS {self.secret}":
            return Response('{"errorCode":"E0000011"}', 401, JSON)
        query = request.query_params
        if "until" in query or query.get("sortOrder") != "ASCENDING":
            return Response('{"errorCode":"E0000001"}', 400, JSON)
        now = time.time()
        with self._lock:
            order = sorted(
                (one for one in self.events if one.seen <= now),
                key=lambda one: (one.seen, one.number),
            )
        if "after" in query:
            seen, number = query["after"].split("_")
            last = (float(seen), int(number))
        else:
            last = (seconds(query["since"]), -1)
        rest = [one for one in order if (one.seen, one.number) > last][: self.page]
        if rest:
            last = (rest[-1].seen, rest[-1].number)
        following = f"{self.url}/api/v1/logs?after={last[0]!r}_{last[1]}&sortOrder=ASCENDING"
        headers = {**JSON, "link": f'<{self.url}/x>; rel="self", <{following}>; rel="next"'}
        return Response(listed(rest), 200, headers)


class GitHub(Vendor):
    """Ascending, a Link header with a cursor, the time as part of a phrase."""

    name = "github"

    def event(self, number: int, happened: float, stream: str) -> str:
        return (
            f'{{ "@timestamp":{int(happened * 1000)}, "_document_id" : "doc_{number}",'
            f' "action":"repo.create", "actor":"user{number % 9}", "org":"acme",'
            f'"created_at":{int(happened * 1000)}, "repo":"acme\\/repo{number}"}}'
        )

    def routes(self) -> list[Route]:
        return [Route("/orgs/acme/audit-log", self.on_bad_days(self.log))]

    def log(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {self.secret}":
            return Response('{"message":"Bad credentials"}', 401, JSON)
        query = request.query_params
        if query.get("include") != "all" or query.get("order") != "asc":
            return Response('{"message":"unexpected"}', 422, JSON)
        since = seconds(query["phrase"].removeprefix("created:>="))
        after = int(query.get("after", "0"))
        if after and self.faults and self.chance.random() < 0.05:
            return Response('{"message":"the cursor is not valid any more"}', 422, JSON)
        page, following = self.paged(self.visible(since, time.time()), after)
        headers = {**JSON, "x-ratelimit-remaining": "17"}
        if following:
            url = request.url.include_query_params(after=following)
            headers["link"] = f'<{url}>; rel="next", <{self.url}/first>; rel="first"'
        return Response(listed(page), 200, headers)


class Slack(Vendor):
    """Descending, a cursor in the answer, times in seconds."""

    name = "slack"

    def event(self, number: int, happened: float, stream: str) -> str:
        return (
            f'{{"id":"id-{number}","date_create" :{int(happened)},"action":"user_login",'
            f'"actor":{{"type":"user","user":{{"id":"W{number % 9}","name":"n","email":'
            f'"user{number % 9}@example.org","team":"T"}}}},"entity":{{"type":"user","user":'
            f'{{"id":"W1","name":"n","email":"e@example.org","team":"T"}}}},"context":{{}} }}'
        )

    def routes(self) -> list[Route]:
        return [Route("/audit/v1/logs", self.on_bad_days(self.logs))]

    def logs(self, request: Request) -> Response:
        if request.headers.get("authorization") != f"Bearer {self.secret}":
            return Response('{"ok":false,"error":"invalid_auth"}', 401, JSON)
        if self.faults and self.chance.random() < 0.05:
            return Response('{"ok":false,"error":"ratelimited"}', 200, JSON)
        query = request.query_params
        found = self.visible(float(query["oldest"]), float(query["latest"]))[::-1]
        after = int(base64.b64decode(query.get("cursor", "")) or b"0")
        page, following = self.paged(found, after)
        cursor = base64.b64encode(b"%d" % following).decode() if following else ""
        body = f'{{"entries":{listed(page)},"response_metadata":{{"next_cursor":"{cursor}"}}}}'
        return Response(body, 200, JSON)


class GoogleWorkspace(Vendor):
    """A signed assertion for a token that expires, applications, descending, page tokens."""

    name = "google_workspace"
    streams = ("admin", "login")
    token_seconds = 3_600.0

    def __init__(self, seed: int = 1, faults: float = 0.0) -> None:
        super().__init__(seed, faults)
        self.key = rsa.generate_private_key(65_537, 2_048)
        pem = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()
        self.secret = json.dumps(
            {"type": "service_account", "client_email": "puller@project.example",
             "private_key_id": "k1", "private_key": pem}
        )

    def event(self, number: int, happened: float, stream: str) -> str:
        return (
            f'{{"kind":"admin#reports#activity","id":{{"time":"{iso(happened)}",'
            f'"uniqueQualifier":"-{number}","applicationName":"{stream}","customerId":"C1"}},'
            f' "etag":"\\"x{number}\\"", "actor":{{"email":"user{number % 9}@example.org",'
            f'"profileId":"1"}}, "ipAddress":"203.0.113.9", "events":[{{"type":"login",'
            f'"name":"login_success","parameters":[]}}]}}'
        )

    def routes(self) -> list[Route]:
        path = "/admin/reports/v1/activity/users/all/applications/{application}"
        return [
            Route(path, self.on_bad_days(self.activities)),
            Route("/token", self.exchange, methods=["POST"]),
        ]

    async def exchange(self, request: Request) -> Response:
        form = parse_qs((await request.body()).decode())
        head, claim, signature = form["assertion"][0].split(".")
        self.key.public_key().verify(
            _unpadded(signature), f"{head}.{claim}".encode(), padding.PKCS1v15(), SHA256()
        )
        said = json.loads(_unpadded(claim))
        assert json.loads(_unpadded(head)) == {"alg": "RS256", "typ": "JWT", "kid": "k1"}
        assert said["sub"] == "admin@example.org"
        assert said["aud"] == f"{self.url}/token"
        assert said["scope"].endswith("admin.reports.audit.readonly")
        assert abs(said["iat"] - time.time()) < 60
        token = self.token(self.token_seconds)
        body = {"access_token": token, "expires_in": int(self.token_seconds)}
        return Response(json.dumps(body), 200, JSON)

    def activities(self, request: Request) -> Response:
        if not self.allowed(request):
            return Response('{"error":{"status":"UNAUTHENTICATED"}}', 401, JSON)
        if self.faults and self.chance.random() < 0.05:
            body = '{"error":{"code":403,"errors":[{"reason":"userRateLimitExceeded"}]}}'
            return Response(body, 403, JSON)
        query = request.query_params
        found = self.visible(
            seconds(query["startTime"]), seconds(query["endTime"]),
            request.path_params["application"],
        )[::-1]
        page, following = self.paged(found, int(query.get("pageToken", "0")))
        parts = ['"kind":"admin#reports#activities"']
        if page:
            parts.append(f'"items": {listed(page)}')
        if following:
            parts.append(f'"nextPageToken":"{following}"')
        return Response("{" + ",".join(parts) + "}", 200, JSON)


class M365(Vendor):
    """Subscriptions, contents listed by the time they became available, fetched one by one."""

    name = "m365"
    streams = ("Audit.General", "Audit.Exchange")
    directory = "41463f53-8812-40f4-890f-865bf6e35190"
    token_seconds = 3_600

    def __init__(self, seed: int = 1, faults: float = 0.0) -> None:
        super().__init__(seed, faults)
        self.subscribed: set[str] = set()
        self.gone: set[int] = set()

    def event(self, number: int, happened: float, stream: str) -> str:
        return (
            f'{{"CreationTime":"{iso(happened, 0)[:-1]}","Id":"id-{number}",'
            f' "Operation":"UserLoggedIn","OrganizationId":"{self.directory}","RecordType":15,'
            f'"ResultStatus":"Success","UserKey":"k","UserType":0,"Workload":"Exchange",'
            f'"UserId":"user{number % 9}@example.org"}}'
        )

    def routes(self) -> list[Route]:
        root = f"/api/v1.0/{self.directory}/activity/feed"
        return [
            Route(f"{root}/subscriptions/start", self.start, methods=["POST"]),
            Route(f"{root}/subscriptions/content", self.on_bad_days(self.content)),
            Route(f"{root}/audit/{{number:int}}", self.on_bad_days(self.blob)),
            Route(f"/{self.directory}/oauth2/v2.0/token", self.exchange, methods=["POST"]),
        ]

    async def exchange(self, request: Request) -> Response:
        form = parse_qs((await request.body()).decode())
        if form.get("client_secret") != [self.secret] or form.get("client_id") != ["client-1"]:
            body = {"error": "invalid_client", "error_description": str(form)}
            return Response(json.dumps(body), 401, JSON)
        assert form["grant_type"] == ["client_credentials"]
        assert form["scope"] == [f"{self.url}/.default"]
        body = {"access_token": self.token(self.token_seconds), "expires_in": self.token_seconds}
        return Response(json.dumps(body), 200, JSON)

    def start(self, request: Request) -> Response:
        if not self.allowed(request):
            return Response("{}", 401, JSON)
        self.subscribed.add(request.query_params["contentType"])
        return Response('{"status":"enabled"}', 200, JSON)

    def content(self, request: Request) -> Response:
        query = request.query_params
        if not self.allowed(request):
            return Response("{}", 401, JSON)
        if query["contentType"] not in self.subscribed:
            return _error("AF20022", 400)
        since, until = seconds(query["startTime"]), seconds(query["endTime"])
        if until - since > 86_400 or since < time.time() - 7 * 86_400:
            return _error("AF20030", 400)
        now = time.time()
        with self._lock:
            found = sorted(
                (one for one in self.events
                 if one.stream == query["contentType"] and one.seen <= now
                 and since <= max(one.seen, one.happened) < until),
                key=lambda one: one.seen,
            )
        after = int(query.get("nextPage", "0"))
        page, following = self.paged(found, after)
        root = f"{self.url}/api/v1.0/{self.directory}/activity/feed"
        body = [
            {"contentType": one.stream, "contentId": str(one.number),
             "contentUri": f"{root}/audit/{one.number}"}
            for one in page
        ]
        headers = dict(JSON)
        if following:
            headers["nextpageuri"] = str(request.url.include_query_params(nextPage=following))
        return Response(json.dumps(body), 200, headers)

    def blob(self, request: Request) -> Response:
        if not self.allowed(request):
            return Response("{}", 401, JSON)
        number = request.path_params["number"]
        if number in self.gone:
            return _error("AF20051", 400)
        return Response(listed([self.events[number]]), 200, JSON)


def _error(code: str, status: int) -> Response:
    body = json.dumps({"error": {"code": code, "message": "as the vendor says it"}})
    return Response(body, status, JSON)


def _unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


VENDORS: tuple[type[Vendor], ...] = (Okta, GitHub, Slack, GoogleWorkspace, M365)

OPTIONS = {
    "okta": {}, "github": {"org": "acme"}, "slack": {},
    "google_workspace": {"subject": "admin@example.org", "streams": "admin,login",
                         "login": "{url}/token"},
    "m365": {"directory": M365.directory, "client": "client-1", "login": "{url}",
             "streams": "Audit.General,Audit.Exchange"},
}


class Service:
    """A vendor that listens, in a thread; `stop` and `start` again on the same port."""

    def __init__(self, vendor: Vendor) -> None:
        self.vendor = vendor
        self.port = free_port()
        vendor.url = f"http://127.0.0.1:{self.port}"

    @property
    def options(self) -> dict[str, str]:
        """What a source needs that asks this service."""
        given = OPTIONS[self.vendor.name]
        return {"url": self.vendor.url, **{
            name: value.replace("{url}", self.vendor.url) for name, value in given.items()
        }}

    def start(self) -> None:
        """Listen."""
        config = uvicorn.Config(
            self.vendor.app(), host="127.0.0.1", port=self.port, log_level="critical", ws="none",
        )
        self._server = uvicorn.Server(config)
        self._server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        until = time.monotonic() + 20
        while not self._server.started:
            assert time.monotonic() < until
            time.sleep(0.01)

    def stop(self) -> None:
        """Hang up on everybody."""
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(10)

    def __enter__(self) -> Service:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()
