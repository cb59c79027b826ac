"""JSON Schemas of the types that cross HTTP.

`msgspec` cannot put a `Raw` default into a schema, so each type is described by a twin: the same
members, where "any JSON" may be absent.
"""

from __future__ import annotations

import types
from collections.abc import Sequence
from typing import Union, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, UNSET, Raw, UnsetType

Schema = dict[str, object]
REFERENCE = "#/components/schemas/{name}"


def describe(kinds: Sequence[type[msgspec.Struct]]) -> tuple[dict[type, Schema], dict[str, Schema]]:
    """A schema for each type (a reference), and the components they refer to."""
    twins: dict[type, type] = {}
    wanted = [_twin(kind, twins) for kind in kinds]
    schemas, components = msgspec.json.schema_components(wanted, ref_template=REFERENCE)
    return dict(zip(kinds, schemas, strict=True)), components


def _twin(kind: type[msgspec.Struct], twins: dict[type, type]) -> type:
    if kind in twins:
        return twins[kind]
    fields: list[tuple[str, object, object]] = []
    for member in msgspec.structs.fields(kind):
        hint, default = _rewritten(member.type, twins), member.default
        if isinstance(default, Raw):
            hint, default = Raw | UnsetType, UNSET
        chosen = msgspec.field(name=member.encode_name, default=default)
        if member.default_factory is not NODEFAULT:
            chosen = msgspec.field(
                name=member.encode_name, default_factory=member.default_factory
            )
        fields.append((member.name, hint, chosen))
    twin = msgspec.defstruct(
        kind.__name__,
        fields,
        kw_only=True,
        forbid_unknown_fields=kind.__struct_config__.forbid_unknown_fields,
        namespace={"__doc__": kind.__doc__},
    )
    twins[kind] = twin
    return twin


def _rewritten(hint: object, twins: dict[type, type]) -> object:
    """A type with every struct in it replaced by its twin."""
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return _twin(hint, twins)
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return Union[tuple(_rewritten(part, twins) for part in arguments)]  # noqa: UP007
    if origin in (list, tuple, dict):
        return origin[tuple(_rewritten(part, twins) for part in arguments)]
    return hint
