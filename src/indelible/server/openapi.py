"""OpenAPI 3.1, made from the table of routes: it cannot say what the server does not do."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import msgspec
from starlette.responses import Response

import indelible
from indelible.access import GRANTABLE, PERMISSIONS, Permission
from indelible.server.call import Call, encoded
from indelible.server.route import PATH_PART, Access, Parameter, Route, template
from indelible.server.schemas import Schema, describe

_TYPES: dict[str, Schema] = {
    "text": {"type": "string"},
    "integer": {"type": "integer", "minimum": 0},
    "flag": {"type": "string", "enum": ["0", "1"]},
    "time": {"type": "string", "examples": ["2026-03-03", "2026-03-03T09:14:07Z", "7d"]},
}


class ErrorDetail(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is wrong, where, and what to do about it. `code` never changes its meaning."""

    code: str
    message: str
    remedy: str
    doc: str
    field: str = ""
    position: int = 0


class ErrorAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The one shape of every error."""

    error: ErrorDetail


def document(routes: Sequence[Route]) -> Schema:
    """The whole description."""
    types: list[type[msgspec.Struct]] = [ErrorAnswer]
    for route in routes:
        types.extend(kind for kind in (route.asks, route.answer) if isinstance(kind, type))
    of, components = describe(types)
    paths: dict[str, Schema] = {}
    for route in routes:
        paths.setdefault(template(route.path), {})[route.method.lower()] = _operation(route, of)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Indelible",
            "version": indelible.__version__,
            "summary": "An audit log that can prove what it holds",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _content(kind: object, of: dict[type, Schema]) -> Schema:
    if isinstance(kind, str):
        binary = kind not in ("application/json", "text/plain")
        return {kind: {"schema": {"type": "string", **({"format": "binary"} if binary else {})}}}
    assert isinstance(kind, type)
    return {"application/json": {"schema": of[kind]}}


def _operation(route: Route, of: dict[type, Schema]) -> Schema:
    open_to_all = route.access in (Access.OPEN, Access.SIGNED)
    able = [role.value for role in GRANTABLE if route.permission in PERMISSIONS[role]]
    operation: Schema = {
        "operationId": route.name,
        "summary": route.summary,
        "description": "Open to everybody."
        if route.access is Access.OPEN
        else "Open to whoever signs with the source's secret."
        if route.access is Access.SIGNED
        else f"Permission `{route.permission.value}`: {', '.join(able)}."
        + (" Or a client certificate that a source names."
           if route.access is Access.CERTIFICATE else "")
        + (" Open to everybody when `publish` is on." if route.access is Access.PUBLISHED else ""),
        "parameters": [
            *({"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
              for name in PATH_PART.findall(route.path)),
            *(_parameter(parameter) for parameter in route.parameters),
        ],
        "responses": {
            str(route.status): {
                "description": route.summary,
                **({} if route.status == 204 else {"content": _content(route.answer, of)}),
            },
            "default": {
                "description": "An error",
                "content": {"application/json": {"schema": of[ErrorAnswer]}},
            },
        },
        "x-permission": None if open_to_all else route.permission.value,
    }
    if open_to_all:
        operation["security"] = []
    elif route.access is Access.PUBLISHED:
        operation["security"] = [{}, {"token": []}]
    if route.asks is not None:
        operation["requestBody"] = {"required": True, "content": _content(route.asks, of)}
    return operation


def _parameter(parameter: Parameter) -> Schema:
    schema = dict(_TYPES[parameter.type])
    if parameter.default:
        number = parameter.type == "integer"
        schema["default"] = int(parameter.default) if number else parameter.default
    return {
        "name": parameter.name,
        "in": "query",
        "description": parameter.help,
        "required": parameter.required,
        "schema": schema,
    }


@lru_cache(maxsize=1)
def _encoded() -> bytes:
    from indelible.server.table import ROUTES as EVERY  # the table lists this module's route too

    return msgspec.json.encode(document(EVERY))


async def openapi(call: Call) -> Response:
    """This description."""
    return encoded(_encoded())


ROUTES = (
    Route(
        method="GET",
        path="/openapi.json",
        permission=Permission.DESCRIBE,
        name="openapi",
        summary="This description",
        handler=openapi,
        answer="application/json",
    ),
)
