"""How this house is kept, held by a machine: sizes, clocks, words, and docs that cannot rot."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = [ROOT / "src", ROOT / "packages/verify/src", ROOT / "packages/witness/src"]
MODULE_LINES = 500
FUNCTION_LINES = 70
COLUMNS = 100

LONG_FUNCTIONS: dict[str, str] = {}
"""`module:function` with the reason why it may be longer."""

LONG_MODULES: dict[str, str] = {}
"""Path with the reason why it may be longer."""

CLOCK_ALLOWED = {
    "src/indelible/base/clock.py": "it is the clock",
    "src/indelible/base/random.py": "it is the source of randomness",
    "src/indelible/app/serve.py": "the parent only waits",
}


def modules() -> Iterator[Path]:
    """Every Python module of the product."""
    for source in SOURCES:
        yield from sorted(source.rglob("*.py"))


def named(path: Path) -> str:
    """The path from the project's root."""
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", list(modules()), ids=named)
def test_a_module_reads_in_one_sitting(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    assert len(lines) <= MODULE_LINES or named(path) in LONG_MODULES
    tree = ast.parse(path.read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            name = f"{named(path)}:{node.name}"
            assert length <= FUNCTION_LINES or name in LONG_FUNCTIONS, (name, length)
    wide = [number for number, line in enumerate(lines, 1) if len(line) > COLUMNS]
    assert not wide or "simulate" in named(path) or "catalogue" in named(path), wide


NUMBERS_BESIDE_THE_CODE: dict[str, tuple[str, ...]] = {
    "a format or a protocol gives it": (
        "event/aws_catalogue.py VERSION", "event/catalogue.py VERSION", "event/strict.py _QUOTE",
        "ingest/elements.py ID_DIGITS", "ledger/journal.py MARK", "ledger/scan.py H",
        "ledger/seen.py RECORD_BYTES", "ledger/seen_run.py HEADER_BYTES",
        "ledger/seen_run.py BITS_A_KEY", "ledger/seen_run.py SECTIONS",
        "ledger/tree_state.py _H", "ledger/tree_state.py MAX_LEVEL",
        "proof/bundle.py _MODE", "proof/commitment.py SALT_SIZE", "proof/commitment.py ENTRY_SIZE",
        "proof/commitment.py BLOCK_EVENTS", "proof/commitment.py ENTRY_VERSION",
        "proof/commitment.py MAX_BODY_BYTES", "proof/keys.py ED25519",
        "proof/keys.py COSIGNATURE_V1", "proof/keys.py MLDSA44", "proof/keys.py KEY_ID_SIZE",
        "proof/keys.py MAX_TIMESTAMP", "proof/path.py HASH_SIZE",
        "proof/receipt.py MAX_PROOF_HASHES", "proof/strict.py MAX_U64",
        "proof/strict.py MAX_NAME_BYTES", "proof/tile.py TILE_WIDTH", "proof/tile.py TILE_HEIGHT",
        "proof/tile.py MAX_LEVEL", "proof/tile.py MAX_INDEX", "proof/tile.py MAX_ENTRY_BYTES",
        "ingest/protocols/datagrams.py _DATAGRAM_BYTES",
        "ingest/protocols/journal_export.py _LENGTH_BYTES",
        "ingest/protocols/journal_export.py _NAME_MOST",
        "ingest/protocols/kafka_records.py CREATED", "ingest/protocols/kafka_records.py _SCHEMA",
        "ingest/protocols/nats_server.py _NOT_FOUND",
        "ingest/protocols/relp.py _HEADER_MOST", "store/source_rows.py NONCE_BYTES",
        "store/column_file.py _BLOOM_NDV_MAX", "store/pieces.py PIECE_BYTES",
        "store/pieces.py TAG_BYTES", "store/pieces.py HEADER_BYTES_MAX", "store/records.py TAG",
    ),
    "the width of an integer": (
        "ingest/parsers/native_rules.py _SEQ_MAX", "language/values.py NUMBER_MAX",
        "server/search.py _SIZE_MAX", "server/tail.py _INDEX_MAX",
    ),
    "of the operating system": (
        "app/process.py _PR_SET_PDEATHSIG", "ingest/protocols/datagrams.py _RCVBUFFORCE",
        "base/errors.py EXIT_OK", "base/errors.py EXIT_ERROR",
        "base/errors.py EXIT_USAGE", "base/errors.py EXIT_REFUSED", "base/errors.py EXIT_DAMAGED",
        "base/errors.py EXIT_UNREACHABLE",
    ),
    "arithmetic of time": (
        "base/clock.py MICROS", "ingest/completeness/rhythm.py _HOURS",
        "ingest/protocols/kafka_check.py _DAY_MS", "ingest/protocols/nats_server.py NANOS",
        "query/aggregate.py _WEEK_US", "query/aggregate.py _MONDAY_US",
    ),
    "how a line is laid out for a reader": (
        "cli/demo_server.py _LOG_LINES", "cli/import_.py _SHOWN", "cli/output.py _LEAST",
        "cli/rows.py _OTHERS", "cli/rows.py _VALUE_CHARS", "cli/shown.py _TEXT",
        "event/changes.py SHOWN_CHARS",
        "event/sentence.py _LONG", "event/sentence.py _SHOWN", "server/search.py _ASKED_VALUES",
    ),
    "a choice of quality, not a bound": (
        "ingest/completeness/rhythm.py _SLOWEST", "cli/demo.py EVENTS",
        "cli/demo.py _LIVE_PER_SECOND", "event/strict.py _AROUND",
        "ingest/parsers/cloudtrail_targets.py _FAR", "ingest/submission.py NOT_STORED",
        "store/column_file.py _BLOOM_FPP",
        "store/evidence.py LARGE_BODY_BYTES", "store/evidence.py LEVEL",
        "store/evidence.py LEVEL_LARGE",
    ),
}
"""Constants that are no limits, with the reason; every other number is in `base/limits.py`."""

_BOUNDING_WORDS = {"limit", "maxlen", "maxsize", "max_workers", "timeout"}
_BOUNDING_CALLS = {
    "Queue", "Semaphore", "ThreadPoolExecutor", "ProcessPoolExecutor", "setitimer", "settimeout",
    "sleep", "timeout", "wait", "wait_for",
}


def _number(node: ast.expr | None) -> bool:
    """Whether an expression is made of literal numbers only."""
    if isinstance(node, ast.Constant):
        return type(node.value) in (int, float)
    if isinstance(node, ast.UnaryOp):
        return _number(node.operand)
    return isinstance(node, ast.BinOp) and _number(node.left) and _number(node.right)


def _numbers(tree: ast.Module) -> Iterator[str]:
    """Constants with a number of their own, and numbers given where a bound belongs."""
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
        for target in targets:
            if isinstance(target, ast.Name) and target.id.isupper() and _number(node.value):
                yield target.id
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            called = node.func.id if isinstance(node.func, ast.Name) else called
            given = [word.value for word in node.keywords if word.arg in _BOUNDING_WORDS]
            given += node.args[:1] if called in _BOUNDING_CALLS else []
            for value in given:
                if _number(value) and ast.unparse(value) not in ("0", "1", "1 << 62"):
                    yield f"line {value.lineno}: {ast.unparse(value)}"


def test_every_bound_stands_in_the_table_of_limits() -> None:
    room = ROOT / "src" / "indelible"
    found = {
        f"{path.relative_to(room).as_posix()} {number}"
        for path in sorted(room.rglob("*.py"))
        if path != room / "base/limits.py" and "simulate" not in path.parts
        for number in _numbers(ast.parse(path.read_text("utf-8")))
    }
    assert found == {name for names in NUMBERS_BESIDE_THE_CODE.values() for name in names}


_BANNED_CALLS = re.compile(
    r"\b(time\.(time|monotonic|perf_counter|process_time|thread_time|clock_gettime|sleep)\w*"
    r"|loop\.time\(|datetime\.(now|utcnow|today)|date\.today"
    r"|(?<!base\.)random\.[A-Za-z]\w*|os\.(urandom|getrandom)|secrets\.|uuid\."
    r"|from (time|random|secrets|uuid|numpy\.random) import)"
)


@pytest.mark.parametrize(
    "path", [p for p in modules() if "src/indelible/" in named(p)], ids=named
)
def test_time_and_chance_come_in_through_base_only(path: Path) -> None:
    if named(path) in CLOCK_ALLOWED:
        return
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        found = _BANNED_CALLS.search(line)
        assert found is None, f"{named(path)}:{number} calls {found and found[0]}"


@pytest.mark.parametrize(
    "line",
    [
        "began = time.monotonic()", "time.perf_counter_ns()", "random.Random(7)",
        "random.choice(names)", "np.random.default_rng(1)", "from time import monotonic",
        "from random import choice", "loop.time()", "os.urandom(8)", "datetime.now(UTC)",
    ],
)
def test_a_clock_or_a_die_is_recognised(line: str) -> None:
    assert _BANNED_CALLS.search(line)


@pytest.mark.parametrize(
    "line", ["from indelible.base.random import seeded", "indelible.base.random.seeded(1)",
             "monotonic()", "row.time", "at random. The next"],
)
def test_what_comes_through_base_is_no_clock_and_no_die(line: str) -> None:
    assert _BANNED_CALLS.search(line) is None


@pytest.mark.parametrize("path", list(modules()), ids=named)
def test_every_public_name_says_what_it_is(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    assert ast.get_docstring(tree) or path.name == "__main__.py"
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            assert node.name.startswith("_") or ast.get_docstring(node), (named(path), node.name)


_KINDS_OF = ("verification", "retention", "audit", "security", "bucket", "resource", "password")


@pytest.mark.parametrize("path", list(modules()), ids=named)
def test_prose_says_which_kind_of_policy_it_means(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            for found in re.finditer(r"(\w+) policy\b", ast.get_docstring(node) or ""):
                assert (found[1] or "").lower() in _KINDS_OF, (named(path), found[0])


def _tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True
    ).stdout
    return [ROOT / name for name in listed.decode().split("\0") if name]


def test_no_machine_path_is_committed() -> None:
    words = re.compile("/" + "work/|/tmp/" + "bash|/root" + "/")
    for path in _tracked():
        if path.suffix in (".zip", ".png", ".gz") or not path.is_file():
            continue
        found = words.search(path.read_text("utf-8", "replace"))
        assert found is None, f"{named(path)} names {found and found[0]}"


def test_the_lock_holds_names_versions_and_hashes_only() -> None:
    for name in ("run.txt", "dev.txt"):
        text = (ROOT / "requirements" / name).read_text()
        assert "--hash=sha256:" in text
        assert "://" not in text
    packages = (ROOT / "tests" / "clients" / "pino_loki" / "package-lock.json").read_text()
    assert '"integrity": "sha512-' in packages
    assert "://" not in packages


def test_every_module_of_the_product_is_imported_by_another_or_is_an_entry() -> None:
    product = [path for path in modules() if "src/indelible/" in named(path)]
    text = "\n".join(path.read_text("utf-8") for path in product)
    tests = "\n".join(
        path.read_text("utf-8") for path in (ROOT / "tests").rglob("*.py")
    )
    for path in product:
        if path.name in ("__init__.py", "__main__.py"):
            continue
        dotted = named(path).removeprefix("src/").removesuffix(".py").replace("/", ".")
        parent, _, leaf = dotted.rpartition(".")
        listed = rf"from {re.escape(parent)} import (\([^)]*|[^\n]*)\b{leaf}\b"
        used = dotted in text or f'"{leaf}"' in text or re.search(listed, text)
        assert used or dotted in tests, f"nothing imports {dotted}"
