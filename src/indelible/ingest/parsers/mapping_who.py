"""The actor of a mapping, and who stands behind: `[actor]`, `[[actor]]`, `behind`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeAlias

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from indelible.base.limits import DELEGATION, NAME_CHARS
from indelible.event.model import Actor, ActorType, Auth, Event
from indelible.ingest.parsers.guess_told import type_of_word
from indelible.ingest.parsers.mapping_conditions import Holds, condition
from indelible.ingest.parsers.mapping_errors import Member, Place, known_only
from indelible.ingest.parsers.mapping_paths import Get
from indelible.ingest.parsers.mapping_values import as_text, constant, name_of, text_of, value_of
from indelible.ingest.parsers.pick import behind as with_behind
from indelible.ingest.parsers.pick import is_cut

_TYPES: Final = {kind.value: kind for kind in ActorType}
_OF_ACTOR: Final = ("type", "id", "name", "email", "when")
_MORE: Final = ("session", "auth", "own_id", "behind")


class Who(NamedTuple):
    """An actor, and the vendor's own id of them."""

    actor: Actor
    own_id: str


def has_cut(event: Event) -> bool:
    """Whether a name of an event was too long to be told whole."""
    actor = event.actor
    behind = () if actor.on_behalf_of is UNSET else actor.on_behalf_of
    touched = () if event.targets is UNSET else event.targets
    return any(is_cut(one.id) for one in (actor, *behind, *touched))


WhoOf: TypeAlias = Callable[[Any, Any], Who | None]


class _Plan(NamedTuple):
    """The functions that one table of an actor means."""

    holds: Holds | None
    type: Get
    id: Get
    name: Get
    email: Get


def who_of(place: Place, said: Any) -> WhoOf:
    """The function that finds the actor: the first of several tables that has an id."""
    member: Member = ("actor",)
    if isinstance(said, list):
        options = [_who(place, (*member, at), one) for at, one in enumerate(said)]
    else:
        options = [_who(place, member, said)]
    if not options:
        raise place.bad(member, "a mapping says who acted")
    if len(options) == 1:
        return options[0]

    def first(here: Any, root: Any) -> Who | None:
        for option in options:
            found = option(here, root)
            if found is not None:
                return found
        return None

    return first


def _who(place: Place, member: Member, said: Any) -> WhoOf:
    plan = _plan(place, member, said, _MORE)
    session = text_of(place, (*member, "session"), said["session"]) if "session" in said else None
    own = text_of(place, (*member, "own_id"), said["own_id"]) if "own_id" in said else None
    auth = _auth(place, (*member, "auth"), said["auth"]) if "auth" in said else None
    rows = said.get("behind", [])
    if not isinstance(rows, list):
        raise place.bad((*member, "behind"), "behind is an array of tables, nearest first")
    chain = [_plan(place, (*member, "behind", at), one, ()) for at, one in enumerate(rows)]

    def find(here: Any, root: Any) -> Who | None:
        actor = _actor(plan, here, root)
        if actor is None:
            return None
        if session is not None and (found := session(here, root)):
            actor = replace(actor, session=found)
        if auth is not None and (proof := auth(here, root)) is not UNSET:
            actor = replace(actor, auth=proof)
        if chain:
            others = [one for plan in chain if (one := _actor(plan, here, root)) is not None]
            actor = with_behind(actor, others[:DELEGATION])
        return Who(actor, own(here, root) if own is not None else "")

    return find


def _plan(place: Place, member: Member, said: Any, more: tuple[str, ...]) -> _Plan:
    if not isinstance(said, dict):
        raise place.bad(member, "an actor is a table with type and id")
    known_only(place, member, said, (*_OF_ACTOR, *more))
    if "id" not in said:
        raise place.bad(member, "an actor has an id", 'Add id = "path.of.the.id" here.')
    holds = condition(place, (*member, "when"), said["when"]) if "when" in said else None
    kind = said.get("type", "=user")
    if isinstance(kind, str) and kind.startswith("=") and kind[1:] not in _TYPES:
        raise place.bad(
            (*member, "type"), f"{kind[1:]!r} is no type of actor",
            f"Types are {', '.join(_TYPES)}.",
        )
    texts = (text_of(place, (*member, name), said[name]) if name in said else constant("")
             for name in ("name", "email"))
    ident = name_of(place, (*member, "id"), said["id"])
    return _Plan(holds, value_of(place, (*member, "type"), kind), ident, *texts)


def _actor(plan: _Plan, here: Any, root: Any) -> Actor | None:
    if plan.holds is not None and not plan.holds(here, root):
        return None
    ident = plan.id(here, root)
    if not ident:
        return None
    kind = plan.type(here, root)
    name = plan.name(here, root)
    return Actor(
        type=_TYPES.get(kind) or type_of_word(kind[:NAME_CHARS]) or ActorType.USER
        if type(kind) is str else ActorType.USER,
        id=ident,
        name=name if name and name != ident else UNSET,
        email=plan.email(here, root) or UNSET,
    )


def _auth(place: Place, member: Member, said: Any) -> Callable[[Any, Any], Auth | UnsetType]:
    """`auth = { method = ..., mfa = ... }`; mfa is a truth value, or a text that says one."""
    if not isinstance(said, dict):
        raise place.bad(member, "auth is a table of method and mfa")
    known_only(place, member, said, ("method", "mfa"))
    method = text_of(place, (*member, "method"), said["method"]) if "method" in said else None
    mfa = value_of(place, (*member, "mfa"), said["mfa"]) if "mfa" in said else None

    def proof(here: Any, root: Any) -> Auth | UnsetType:
        by = method(here, root) if method is not None else ""
        told = as_text(mfa(here, root)).lower() if mfa is not None else ""
        if not by and told not in _TRUTH:
            return UNSET
        return Auth(method=by or UNSET, mfa=_TRUTH.get(told, UNSET))

    return proof


_TRUTH: Final[dict[str, bool]] = {
    "true": True, "yes": True, "1": True, "false": False, "no": False, "0": False,
}
