"""From a vendor's name for what was done to `object` and `verb`, by the catalogue of verbs. Pure.

`CreateAPIClient`, `api_client.created`, `API client created` and `Created a new API client` all
say create of an api_client. The verb is looked for at the end and at the beginning of the name;
a name without a known verb stays whole.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from indelible.base.limits import ACTION_CHARS, REMEMBERED
from indelible.event.actions import present_of, singular
from indelible.ingest.parsers.guess_tables import named
from indelible.ingest.parsers.pick import part

_HUMPS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+|[0-9]+")
_WORDS = re.compile(r"[^a-z0-9]+")
_API = re.compile(r"v\d+(?:(?:alpha|beta)\d*)?")
_SMALL: Final = named(
    "a an the of to in on from for by with has have was were been is are be and as into via s"
    " successfully successful success unsuccessful failed failure new old existing"
)
_NOUNS: Final = named(
    """access approval audit backup change check comment connect contact dispatch draft email
    escalation export file fork grant hold import invite invitation issue launch link lock log mail
    mark order pay permit place point post process query record refund report request reset
    restore review run scan schedule score search set share shield sign signal sort split sso start
    stop sync tag test transfer trigger update upgrade upload view watch"""
)
"""Verbs of the catalogue that are as often nouns: at a name's beginning they are only the verb
when nothing at its end is."""
_ENDINGS: Final = named(
    "event action operation request activity call command audit log failed failure succeeded"
    " success error attempt attempted completed complete started ended finished denied allowed"
    " permitted blocked rejected accepted"
)
"""What may stand behind the verb and says nothing of it."""


_ACTS: Final = dict(
    pair.split("=") for pair in named(
        """authentication=authenticate authorization=authorize creation=create deletion=delete
        modification=modify removal=remove registration=register activation=activate
        deactivation=deactivate installation=install assignment=assign revocation=revoke
        execution=execute termination=terminate elevation=elevate impersonation=impersonate
        rotation=rotate rejection=reject addition=add insertion=insert retrieval=retrieve
        publication=publish submission=submit signon=logon"""
    )
)
"""Nouns that name an act, and the verb of each."""


class Done(NamedTuple):
    """What was done to what kind of thing; either may be ''."""

    object: str
    verb: str


_SAME: Final = {
    **dict.fromkeys(("log_in", "logon", "log_on", "signin", "sign_in"), "login"),
    **dict.fromkeys(("log_out", "logoff", "log_off", "signout", "sign_out"), "logout"),
    "sign_up": "signup",
}
"""Spellings of one verb."""


def done(name: str) -> Done:
    """The object and the verb, in the present, of a vendor's name; no verb: ('', the name).

    Of a name that is longer than an action its beginning.
    """
    return _done(name[:ACTION_CHARS])


@lru_cache(maxsize=REMEMBERED)
def _done(name: str) -> Done:
    found = _parted(name)
    return Done(found.object, _SAME.get(found.verb, found.verb))


def _parted(name: str) -> Done:
    pieces = [piece for piece in re.split(r"[.:/]+", name) if piece.strip()]
    if len(pieces) > 1:
        return _dotted(pieces)
    return _split(words(name)) or Done("", "_".join(words(name)))


def in_text(text: str) -> Done | None:
    """The verb of a sentence (`User ann created API key k1`), looked for in its first words."""
    spoken = text[:ACTION_CHARS].split()[:12]
    said = [word.strip("'\"().,;:!").lower() for word in spoken]
    for at, word in enumerate(said):
        two = "_".join(said[at : at + 2])
        for verb, end in ((two, at + 2), (word, at + 1)):
            known = present_of(verb)
            if known and (known != word or not at or word not in _NOUNS):
                thing = _thing(_plain(spoken[end : end + 3]))
                return Done(thing, _SAME.get(known, known))
    act = next((_ACTS[word] for word in said if word in _ACTS), "")
    return Done("", act) if act else None


def _plain(spoken: list[str]) -> list[str]:
    """The words up to the first that is a name, an id or the end of a clause."""
    kept = []
    for word in spoken:
        bare = word.strip("'\".,;:!")
        if not (bare.isascii() and bare.isalpha()):
            break
        kept.append(bare.lower())
        if bare != word:
            break
    return kept


def words(name: str) -> list[str]:
    """A name in lower-case words, whichever way it is written."""
    spaced = "_".join(_HUMPS.findall(name)) if name.isascii() and _mixed(name) else name
    return [word for word in _WORDS.split(spaced.lower()) if word] or [part(name)]


def has_verb(name: str) -> bool:
    """Whether the catalogue knows a verb in a vendor's name."""
    return bool(present_of(done(name).verb))


def _mixed(name: str) -> bool:
    return not name.islower() and not name.isupper()


def _dotted(pieces: list[str]) -> Done:
    """`iam.role.create`, `admin:CreateUser`, `v1.compute.subnetworks.patch`, `login.failed`."""
    kept = [piece for piece in pieces if not _API.fullmatch(piece.lower())] or pieces
    if len(kept) > 1 and kept[-1].lower() in _ENDINGS and present_of("_".join(words(kept[-2]))):
        kept = kept[:-1]
    last = _split(words(kept[-1]))
    if last is not None:
        before = "_".join(_thing(words(piece)) for piece in kept[-2:-1])
        return Done(last.object or before, last.verb)
    first = present_of("_".join(words(kept[0])))
    if first and first not in _NOUNS:
        return Done(part("_".join(kept[1:])), first)
    return Done(part("_".join(kept[:-1])), part(kept[-1]))


def _split(said: list[str]) -> Done | None:
    """Object and verb of words, or None without a verb."""
    ends = list(said)
    while len(ends) > 1 and ends[-1] in _ENDINGS and not _strong(ends):
        ends.pop()
    for found in (_at_end(ends), _at_start(said), _in_middle(said)):
        if found is not None:
            return found
    return None


def _strong(said: list[str]) -> bool:
    """Whether the last word is the verb after all (`backup_completed` has none before it)."""
    return not any(present_of(word) or word in _ACTS for word in said[:-1])


def _at_end(said: list[str]) -> Done | None:
    """`user_logged_in`, `role_deleted`, `member_add`; a noun that is also a verb only alone."""
    for count in (2, 1):
        last = "_".join(said[-count:])
        verb = present_of(last) or _ACTS.get(last, "")
        if not verb or len(said) < count:
            continue
        plain = verb == said[-1] and count == 1
        if plain and verb in _NOUNS and len(said) > 1 and present_of(said[0]):
            continue
        return Done(_thing(said[:-count]), verb)
    return None


def _at_start(said: list[str]) -> Done | None:
    """`create_api_client`, `log_in_user`; but `shared_content_add_member` adds."""
    for count in (2, 1):
        first = "_".join(said[:count])
        verb = present_of(first) or _inflected(first)
        if not verb or len(said) < count:
            continue
        if verb != first and any(present_of(word) == word and word not in _NOUNS
                                 for word in said[count + 1 : -1]):
            continue
        rest = said[count:]
        if rest[:1] in (["or"], ["and"]) and present_of("_".join(rest[1:2])):
            rest = rest[2:]  # create or update
        return Done(_thing(rest), verb)
    return None


def _inflected(word: str) -> str:
    """`changing` and `changes` are change; '' when it is no form of a known verb."""
    for ending, more in (("ing", ("", "e")), ("es", ("", "e")), ("s", ("",))):
        stem = word.removesuffix(ending)
        if stem != word:
            for present in (*(stem + one for one in more), stem[:-1]):
                if present and present_of(present) == present:
                    return present
    return ""


def _in_middle(said: list[str]) -> Done | None:
    """`user_logged_in_as_user`, `admin logged out because of ...`: the first verb in it."""
    for at in range(1, len(said) - 1):
        for count in (2, 1):
            verb = present_of("_".join(said[at : at + count]))
            if verb and not (verb == said[at] and verb in _NOUNS):
                front = [word for word in said[:at] if word not in _SMALL]
                return Done(_thing(front or said[at + count :]), verb)
    return None


def _thing(said: list[str]) -> str:
    """Words as the name of one thing: without articles, in the singular, at most four."""
    kept: list[str] = []
    for word in said:
        if word in _SMALL:
            if kept:
                break
            continue
        kept.append(word)
    kept = kept[:4]
    return "_".join([*kept[:-1], singular(kept[-1])]) if kept else ""
