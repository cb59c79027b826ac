"""The HTTP API, its description and its documentation say the same."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest
from tests.unit.server.fake_rooms import House

from indelible.access import GRANTABLE, PERMISSIONS, Permission
from indelible.server.metrics import METRICS
from indelible.server.route import Access, template
from indelible.server.table import ROUTES

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "reference"


@pytest.fixture
def house(tmp_path):
    found = House(tmp_path)
    yield found
    found.close()


@pytest.fixture
def described(house):
    return house.ask("GET", "/openapi.json", "writer").json


def _key(route):
    return f"{route.method} {template(route.path)}"


def test_every_route_is_described_and_nothing_else(described):
    assert described["openapi"] == "3.1.0"
    found = {
        f"{method.upper()} {path}"
        for path, operations in described["paths"].items()
        for method in operations
    }
    assert found == {_key(route) for route in ROUTES}


def test_every_description_says_the_permission_and_the_credential(described):
    for route in ROUTES:
        operation = described["paths"][template(route.path)][route.method.lower()]
        assert operation["operationId"] == route.name
        if route.access in (Access.OPEN, Access.SIGNED):
            assert operation["security"] == []
            assert operation["x-permission"] is None
            continue
        assert operation["x-permission"] == route.permission.value
        able = [role.value for role in GRANTABLE if route.permission in PERMISSIONS[role]]
        assert ", ".join(able) in operation["description"]
        published = route.access is Access.PUBLISHED
        assert operation.get("security") == ([{}, {"token": []}] if published else None)
    assert described["security"] == [{"token": []}]


def test_operation_names_are_unique():
    names = [route.name for route in ROUTES]
    assert len(set(names)) == len(names)
    keys = [_key(route) for route in ROUTES]
    assert len(set(keys)) == len(keys)


def test_every_reference_in_the_description_leads_somewhere(described):
    text = json.dumps(described)
    references = set(re.findall(r'"\$ref": "#/components/schemas/([^"]+)"', text))
    assert references <= set(described["components"]["schemas"])
    assert set(described["components"]["schemas"]) == references


def test_every_path_parameter_is_described(described):
    for path, operations in described["paths"].items():
        for operation in operations.values():
            named = [p["name"] for p in operation["parameters"] if p["in"] == "path"]
            assert named == re.findall(r"\{(\w+)\}", path)


def _schema(described, schema):
    reference = schema.get("$ref")
    if reference is None:
        return schema
    return described["components"]["schemas"][reference.rsplit("/", 1)[1]]


ANSWERS = {
    "GET /v1/keys": ("writer", "/v1/keys"),
    "GET /v1/status": ("auditor", "/v1/status"),
    "GET /v1/events/{index}": ("reader", "/v1/events/0"),
    "GET /v1/tokens": ("admin", "/v1/tokens"),
    "GET /v1/witnesses": ("admin", "/v1/witnesses"),
    "GET /v1/verifications": ("auditor", "/v1/verifications"),
    "GET /healthz": (None, "/healthz"),
    "GET /readyz": (None, "/readyz"),
}


@pytest.mark.parametrize(("key", "asked"), ANSWERS.items())
def test_an_answer_has_the_members_its_description_names(house, described, key, asked):
    house.post(b'{"action":"user.login","actor":{"type":"user","id":"ann"}}')
    method, path = key.split(" ")
    role, target = asked
    answer = house.ask(method, target, role)
    assert answer.status == 200
    operation = described["paths"][path][method.lower()]
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    described_members = _schema(described, schema)
    assert set(answer.json) <= set(described_members["properties"])
    assert set(described_members.get("required", [])) <= set(answer.json)


def test_the_answer_to_events_has_the_members_its_description_names(house, described):
    answer = house.post(b'{"action":"user.login","actor":{"type":"user","id":"ann"}}\n{}')
    schema = described["components"]["schemas"]["SubmitAnswer"]
    assert set(schema["required"]) == set(answer.json)
    optional = {"receipts", "summarised", "dropped_by_rule", "unparsed"}
    assert set(schema["properties"]) == {*answer.json, *optional}


def test_an_error_has_the_members_its_description_names(house, described):
    error = house.ask("GET", "/v1/search?q=)", "reader").json["error"]
    detail = described["components"]["schemas"]["ErrorDetail"]
    assert set(error) <= set(detail["properties"])
    assert set(detail["required"]) <= set(error)


# --- documentation


def _rows(name):
    return [line for line in (DOCS / name).read_text().splitlines() if line.startswith("| `")]


def test_every_route_is_documented_with_its_permission_and_roles():
    rows = {row.split("`")[1]: row for row in _rows("api.md") if row.count("|") == 5}
    assert set(rows) == {_key(route) for route in ROUTES}
    for route in ROUTES:
        row = rows[_key(route)]
        assert route.summary in row
        if route.access is Access.OPEN:
            assert "| none | everybody |" in row
            continue
        if route.access is Access.SIGNED:
            assert "| none | whoever signs with the source's secret |" in row
            continue
        able = ", ".join(r.value for r in GRANTABLE if route.permission in PERMISSIONS[r])
        assert f"| `{route.permission.value}` | {able}" in row
        assert ("`publish`" in row) is (route.access is Access.PUBLISHED)


def test_every_parameter_is_documented():
    rows = [row.split("|") for row in _rows("api.md") if row.count("|") == 6]
    documented = {(row[1].strip(" `"), row[2].strip(" `"), row[5].strip()) for row in rows}
    expected = {(_key(r), p.name, p.help) for r in ROUTES for p in r.parameters}
    assert documented == expected


def test_every_role_and_permission_is_documented():
    rows = [row.split("|") for row in _rows("roles.md") if row.count("|") == 7]
    found = {
        row[1].strip(" `"): [cell.strip() == "yes" for cell in row[3:7]] for row in rows
    }
    assert found == {
        permission.value: [permission in PERMISSIONS[role] for role in GRANTABLE]
        for permission in Permission
    }


def _source():
    return sorted((ROOT / "src" / "indelible").rglob("*.py"))


def test_every_recorded_action_is_documented():
    text = (DOCS / "roles.md").read_text()
    documented = set(re.findall(r"`(indelible\.[a-z_.]+)`", text)) - {"indelible.access.role"}
    used = set()
    for path in [*(ROOT / "src/indelible/server").glob("*.py")]:
        used |= set(re.findall(r'"(indelible\.[a-z_]+(?:\.[a-z_]+)?)"', path.read_text()))
    used -= {"indelible.server"}
    assert documented == used


def test_every_metric_is_documented():
    documented = {
        re.match(r"\| `(\w+)", row)[1]: row for row in _rows("metrics.md")
    }
    assert set(documented) == set(METRICS)
    for name, metric in METRICS.items():
        assert f"| {metric.type} | {metric.help} |" in documented[name]
        if metric.labels:
            assert "{" + ", ".join(metric.labels) + "}" in documented[name]


def _is_code(node: ast.AST) -> bool:
    if isinstance(node, ast.keyword):
        return node.arg == "code"
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "code"


def _codes():
    """Every code that the source gives an error: class members, and `code=` of calls.

    What a bucket's records say of an event (`Reason`) are no errors.
    """
    for path in _source():
        if path.name in ("digests_records.py", "s3_records.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            value = node.value if _is_code(node) else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str) and value.value:
                yield value.value


def test_every_error_code_is_documented_and_no_other():
    documented = re.findall(r"^### (\w+)$", (DOCS / "errors.md").read_text(), re.M)
    assert len(set(documented)) == len(documented)
    missing = set(_codes()) - set(documented)
    assert missing == set()
    assert set(documented) - set(_codes()) == set()
