"""Elasticsearch's bulk requests taken apart, and answers in its words. Pure.

Every document of an `index` or `create` action becomes one message, kept as it stands on its line;
its id is `INDEX/ID` where the sender gives one. `update` and `delete` are answered with an error
each: an audit log takes nothing back. The answers have an item for every action, in order, so that
a client finds each of its documents. Source: the reference of Elasticsearch, "Bulk API" and
"Index API".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from msgspec.structs import replace

from indelible.base.errors import IndelibleError, TooLarge
from indelible.base.limits import NAME_CHARS, REQUEST_EVENTS
from indelible.ingest.parsed import Parsed, Rejected
from indelible.ingest.parsers.contract import Given
from indelible.ingest.protocols.message import Message, Taken
from indelible.ingest.submission import NOT_STORED, SubmitResult

VERSION: Final = "9.99.0"
"""What clients are told: not older than any of theirs, and of the newest line they speak."""

CREATE: Final = "create"
INDEX: Final = "index"
_WITH_DOCUMENT: Final = frozenset((CREATE, INDEX, "update"))
_ACTIONS: Final = (*_WITH_DOCUMENT, "delete")
_TYPES: Final = {
    "unsupported_action": ("action_request_validation_exception", 400),
}
_REFUSED: Final = ("illegal_argument_exception", 400)
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class Item(NamedTuple):
    """One action of a request."""

    action: str
    into: str
    id: str = ""


class Bulk(NamedTuple):
    """The actions of a request in order, and what is in them; lines count actions from 1."""

    items: list[Item]
    taken: Taken


# --- requests


def take_bulk(body: bytes, index: str, given: Given) -> Bulk:
    """The actions of a bulk request; `index` is the one that its path names.

    What is neither an action nor the document of one is refused together with what belongs to it.
    Raises `TooLarge` beyond `limits.REQUEST_EVENTS` actions.
    """
    items: list[Item] = []
    messages: list[Message] = []
    refused: list[Rejected] = []
    for item, document, why in _actions(body, index):
        items.append(item)
        number = len(items)
        if number > REQUEST_EVENTS:
            raise TooLarge(f"more than {REQUEST_EVENTS} actions in one request")
        if why is not None:
            refused.append(replace(why, line=number))
        else:
            messages.append(message(number, item, document, given))
    return Bulk(items, Taken(messages, refused))


def take_one(body: bytes, item: Item, given: Given) -> Taken:
    """The one document of a request."""
    document = body.strip()
    why = _forbidden(item) if document else _refusal("missing_document", "there is no document")
    if why is not None:
        return Taken([], [replace(why, line=1)])
    return Taken([message(1, item, document, given)], [])


def message(number: int, item: Item, document: bytes, given: Given) -> Message:
    """A document as a message; its index is a label."""
    known = {"index": item.into} if item.into else {}
    into = item.into.replace("%", "%25").replace("/", "%2F")  # `<audit-{now/d}>` is a name
    ident = f"{into}/{item.id}" if item.id else ""
    return Message(
        number, document, replace(given, labels={**given.labels, **known}), id=ident
    )


def _actions(body: bytes, index: str) -> Iterator[tuple[Item, bytes, Rejected | None]]:
    lines = [line for line in body.split(b"\n") if line.strip()]
    at = 0
    while at < len(lines):
        item, why = _action(lines[at], index)
        at += 1
        document = b""
        if item is None:
            if at < len(lines) and _action(lines[at], index)[0] is None:
                at += 1  # what stands behind a broken action is its document
            yield Item(INDEX, index), b"", _refusal("bad_action_line", why)
            continue
        if item.action in _WITH_DOCUMENT:
            if at == len(lines):
                yield item, b"", _refusal("missing_document", "the action has no document")
                return
            document = lines[at].strip(b"\r")
            at += 1
        yield item, document, _forbidden(item)


def _forbidden(item: Item) -> Rejected | None:
    if item.action not in (INDEX, CREATE):
        why = f"an audit log is written once: {item.action} is not taken"
        return _refusal("unsupported_action", why)
    if len(item.into) + 1 + len(item.id) > NAME_CHARS:
        return _refusal("too_long", f"_index and _id have more than {NAME_CHARS} characters")
    return None


def _refusal(code: str, why: str) -> Rejected:
    return Rejected(line=0, field="", code=code, reason=why)


def _action(line: bytes, index: str) -> tuple[Item | None, str]:
    """The action of a line, or why it has none."""
    try:
        found: Any = _decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return None, f"not an action: {error}"
    name = next(iter(found)) if isinstance(found, dict) and len(found) == 1 else ""
    said = found[name] if name in _ACTIONS else None
    if not isinstance(said, dict):
        return None, f"not an action: an object with one of {', '.join(sorted(_ACTIONS))}"
    return Item(name, _word(said, "_index") or index, _word(said, "_id")), ""


def _word(said: dict[str, Any], name: str) -> str:
    value = said.get(name)
    if isinstance(value, str):
        return value
    return str(value) if type(value) is int else ""


# --- answers


def bulk_answer(
    bulk: Bulk, events: Sequence[Parsed], refused: Sequence[Rejected], result: SubmitResult,
    took_ms: int,
) -> bytes:
    """The answer to a bulk request: an item for each action, once every event is durable."""
    answers: list[dict[str, Any]] = [{}] * len(bulk.items)
    duplicates = frozenset(result.duplicates)
    for position, event in enumerate(events):
        item = bulk.items[event.line - 1]
        answers[event.line - 1] = stored(item, result.indexes[position], position in duplicates)
    for one in refused:
        answers[one.line - 1] = _refused(bulk.items[one.line - 1], one)
    return _encode({
        "took": took_ms,
        "errors": any("error" in answer for answer in answers),
        "items": [
            {item.action: answer} for item, answer in zip(bulk.items, answers, strict=True)
        ],
    })


def stored(item: Item, index: int, duplicate: bool) -> dict[str, Any]:
    """What is answered for a document that is in the log, at an index.

    A `create` of what is there already is a conflict, as Elasticsearch has it; an `index` of it is
    no change. Where the sender gave no id, the log's index stands for one. What the audit policy
    rolled up or dropped has no index: nothing changed either, and the sender is done with it.
    """
    if index == NOT_STORED:
        return {"_index": item.into, "_id": item.id, "result": "noop", "status": 200}
    about = {"_index": item.into, "_id": item.id or str(index)}
    if duplicate and item.action == CREATE:
        why = f"[{item.id}]: version conflict, document already exists (index {index} of the log)"
        return {**about, "status": 409, "error": problem("version_conflict_engine_exception", why)}
    return {
        **about, "_version": 1, "result": "noop" if duplicate else "created",
        "_shards": {"total": 1, "successful": 1, "failed": 0}, "_seq_no": index,
        "_primary_term": 1, "status": 200 if duplicate else 201,
    }


def _refused(item: Item, why: Rejected) -> dict[str, Any]:
    kind, status = _TYPES.get(why.code, _REFUSED)
    return {
        "_index": item.into, "_id": item.id, "status": status,
        "error": problem(kind, f"{why.reason} ({why.code})"),
    }


def refused(item: Item, why: Rejected) -> tuple[int, bytes]:
    """Status and body for a single document that was refused."""
    answer = _refused(item, why)
    return _whole(answer["error"]["type"], answer["error"]["reason"], answer["status"])


def one_answer(item: Item, index: int, duplicate: bool) -> tuple[int, bytes]:
    """Status and body for a single document that was taken."""
    answer = stored(item, index, duplicate)
    if "error" in answer:
        return _whole(answer["error"]["type"], answer["error"]["reason"], answer["status"])
    status: int = answer.pop("status")
    return status, _encode(answer)


def problem(kind: str, why: str) -> dict[str, str]:
    """An error as items have it."""
    return {"type": kind, "reason": why}


_BY_STATUS: Final = {
    401: "security_exception", 403: "security_exception", 404: "resource_not_found_exception",
    405: "method_not_allowed_exception", 413: "content_too_long_exception",
    415: "media_type_header_exception", 429: "es_rejected_execution_exception",
    503: "unavailable_shards_exception",
}


def failure(error: IndelibleError, status: int) -> bytes:
    """The body of an answer to a request of which nothing was stored."""
    kind = _BY_STATUS.get(status, "illegal_argument_exception" if status < 500 else "exception")
    why = f"{error.message} [{error.code}]. {error.remedy}"
    return _whole(kind, why, status)[1]


def _whole(kind: str, why: str, status: int) -> tuple[int, bytes]:
    about = problem(kind, why)
    return status, _encode({"error": {"root_cause": [about], **about}, "status": status})


# --- what clients ask for before they send


def info(name: str, cluster: str) -> bytes:
    """`GET /`: with the header X-Elastic-Product, what a client takes for Elasticsearch."""
    return _encode({
        "name": name, "cluster_name": cluster, "cluster_uuid": "_na_",
        "version": {
            "number": VERSION, "build_flavor": "default", "build_type": "indelible",
            "build_hash": "unknown", "build_date": "1970-01-01T00:00:00.000Z",
            "build_snapshot": False, "lucene_version": "10.0.0",
            "minimum_wire_compatibility_version": "8.0.0",
            "minimum_index_compatibility_version": "8.0.0",
        },
        "tagline": "You Know, for Search",
    })


LICENSE: Final = _encode({
    "license": {
        "status": "active", "uid": "indelible", "type": "basic", "mode": "basic",
        "issue_date_in_millis": 0, "start_date_in_millis": -1, "max_nodes": 1000,
        "issued_to": "indelible", "issuer": "indelible",
    }
})
"""`GET /_license`: shippers go on with a basic one that is active."""

XPACK: Final = _encode({
    "license": {"uid": "indelible", "type": "basic", "mode": "basic", "status": "active"},
    "features": {
        name: {"available": False, "enabled": False} for name in ("ilm", "monitoring", "security")
    },
    "tagline": "You know, for X",
})
"""`GET /_xpack`: nothing that a shipper would have to set up."""


def health(cluster: str) -> bytes:
    """`GET /_cluster/health`."""
    return _encode({
        "cluster_name": cluster, "status": "green", "timed_out": False, "number_of_nodes": 1,
        "number_of_data_nodes": 1, "active_primary_shards": 1, "active_shards": 1,
        "relocating_shards": 0, "initializing_shards": 0, "unassigned_shards": 0,
        "delayed_unassigned_shards": 0, "number_of_pending_tasks": 0,
        "number_of_in_flight_fetch": 0, "task_max_waiting_in_queue_millis": 0,
        "active_shards_percent_as_number": 100.0,
    })
