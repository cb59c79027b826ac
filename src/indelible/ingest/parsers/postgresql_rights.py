"""SQL statements that define objects and roles and give rights: what they name and change.

CREATE, ALTER, DROP, COMMENT ON, GRANT, REVOKE, SET (PostgreSQL manual, part VI). A change is told
where the statement says the new state; what it was before is not in it.
"""

from __future__ import annotations

from typing import Final

from indelible.ingest.parsers.postgresql_reading import Reading, Statement, Told

_ADJECTIVES: Final = (
    "temp", "temporary", "unlogged", "global", "local", "unique", "recursive", "trusted",
    "procedural", "constraint", "default",
)
_NAMED_ON: Final = ("policy", "trigger", "rule", "index")


def definition(verb: str, reading: Reading) -> Statement:
    """CREATE, ALTER, DROP, COMMENT ON: the kind and its names, and what is changed of them."""
    if verb == "comment":
        reading.take("on")
    if verb == "create" and reading.take("or"):
        reading.take("replace")
    while verb == "create" and reading.at(*_ADJECTIVES):
        reading.step()
    if verb == "drop" and reading.take("owned"):
        reading.take("by")
        return Statement("drop_owned", "role", reading.names())
    kind = reading.kind()
    if kind == "system":
        return setting(verb, reading, "system")
    if kind == "default_privileges":
        return _defaults(reading)
    reading.unless()
    if kind == "user_mapping":
        reading.take("for")
        roles = reading.names()
        server = reading.take("server") and reading.name()
        mapped = tuple(("role", one) for one in roles)
        return Statement(verb, kind, (server,) if server else (), mapped)
    names = reading.names() if verb == "drop" else tuple(filter(None, (reading.name(),)))
    others: tuple[tuple[str, str], ...] = ()
    if kind in _NAMED_ON:
        for word in reading.rest():
            if word.kind == "name" and word.text == "on":
                reading.unless()
                others = tuple(("table", one) for one in (reading.name(),) if one)
                break
    changes = _alteration(kind, names, reading) if verb in ("create", "alter") else ()
    if verb == "create":
        changes = tuple(one._replace(op="add") for one in changes)
    return Statement(verb, kind, names, others, changes=changes)


_SWITCHES: Final = (
    "superuser", "createdb", "createrole", "inherit", "login", "replication", "bypassrls",
)


def _alteration(kind: str, names: tuple[str, ...], reading: Reading) -> tuple[Told, ...]:
    """What CREATE ROLE and ALTER tell of the new state."""
    if reading.take("rename"):
        if reading.take("to") and names and (name := reading.name()):
            return (Told(("name",), "replace", names[0], name),)
        return ()
    if reading.take("owner"):
        reading.take("to")
        owner = reading.name()
        return (Told(("owner",), "replace", None, owner),) if owner else ()
    if reading.at("set", "reset") and kind in ("role", "database"):
        return setting("alter", reading, kind).changes
    if kind != "role":
        return ()
    found: list[Told] = []
    for word in reading.rest():
        plain = word.text.removeprefix("no")
        if word.kind != "name":
            continue
        if word.text in _SWITCHES or plain in _SWITCHES:
            found.append(Told((plain,), "replace", None, word.text in _SWITCHES))
        elif word.text == "limit":
            found.append(Told(("connection_limit",), "replace", None, reading.value()))
        elif word.text == "until":
            found.append(Told(("valid_until",), "replace", None, reading.value()))
    return tuple(found)


def setting(verb: str, reading: Reading, kind: str = "setting") -> Statement:
    """SET, RESET, ALTER SYSTEM SET: the parameter and its new value; SET ROLE: the role."""
    if kind != "setting" and not reading.at("set", "reset"):
        return Statement(verb, kind)
    doing = verb if kind == "setting" else reading.step().text
    reading.take("session", "local") if doing == "set" else None
    if reading.take("authorization", "role"):
        role = reading.step().text if reading.ahead.kind in ("name", "quoted", "string") else ""
        if doing == "reset" or role in ("default", "none"):
            return Statement("reset", "role")
        return Statement("assume", "role", (role,) if role else ())
    if reading.at("session") and doing == "reset":
        reading.step()
        return Statement("reset", "role")
    if verb == "set" and reading.at("transaction", "session", "constraints"):
        return Statement(verb, "transaction")
    name = reading.name()
    if name == "time" and reading.take("zone"):
        return Statement(verb, kind, ("timezone",),
                         changes=(Told(("timezone",), "replace", None, reading.value()),))
    path = tuple(name.split("."))
    told = Statement(verb, kind, (name,) if name and kind == "setting" else ())
    if name and kind == "system":
        told = told._replace(others=(("setting", name),))
    if doing == "reset" or not reading.take("to", "="):
        return told._replace(changes=(Told(path, "remove"),) if name and doing == "reset" else ())
    return told._replace(changes=(Told(path, "replace", None, reading.value()),))


def rights(verb: str, reading: Reading) -> Statement:
    """GRANT and REVOKE, of rights on objects and of roles."""
    granted: list[str] = []
    words: list[str] = []
    option = False
    while reading.ahead.kind != "end" and not reading.at("on", "to", "from", ";"):
        if reading.at("("):
            reading.brackets()
        elif reading.take(","):
            granted.append(" ".join(words))
            words = []
        elif reading.take("for"):  # REVOKE GRANT OPTION FOR: the right itself stays
            words, option = [], True
        else:
            words.append(reading.step().text)
    granted.append(" ".join(words))
    what = tuple(one for one in granted if one)
    kind, names = "role", what
    if reading.take("on"):
        if reading.take("all"):  # ALL TABLES IN SCHEMA
            kind = reading.kind()
            reading.take("in")
            reading.take("schema")
            names = reading.names()
            kind = "schema" if names else kind
        else:
            kind = reading.kind() or "table"
            names = reading.names()
    reading.take("to", "from")
    receivers = _receivers(reading)
    if kind == "role":
        changes = tuple(Told(("members", one), "", None, one) for one in receivers)
    else:
        upper = [one.upper() for one in what]
        changes = tuple(Told(("privileges", one), "", None, upper) for one in receivers)
    told = tuple(
        one._replace(op="add") if verb == "grant" else Told(one.path, "remove", one.after)
        for one in changes
    )
    others = tuple(("role", one) for one in receivers)
    return Statement(verb, kind, names, others, () if option else told)


def _receivers(reading: Reading) -> tuple[str, ...]:
    found: list[str] = []
    while True:
        reading.take("group")
        one = reading.name()
        if not one:
            break
        found.append(one)
        if not reading.take(","):
            break
    return tuple(found)


def _defaults(reading: Reading) -> Statement:
    """ALTER DEFAULT PRIVILEGES: who gets which rights on objects to come, in which schemas."""
    schemas: tuple[str, ...] = ()
    while reading.ahead.kind != "end" and not reading.at("grant", "revoke", ";"):
        if reading.take("schema"):
            schemas = reading.names()
        else:
            reading.step()
    if not reading.at("grant", "revoke"):
        return Statement("alter", "default_privileges")
    told = rights(reading.step().text, reading)
    return Statement("alter", "default_privileges", schemas, told.others, told.changes)
