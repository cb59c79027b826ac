"""The command `indelible-verify`."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, NoReturn

from indelible_verify import limits
from indelible_verify.archive import read_small
from indelible_verify.bundle import verify_bundle
from indelible_verify.errors import Refused, UsageProblem, VerifyError
from indelible_verify.log import verify_log
from indelible_verify.note import Key
from indelible_verify.progress import Progress
from indelible_verify.proof import verify_proof
from indelible_verify.report import as_json, as_text
from indelible_verify.trust import Trust, make_trust
from indelible_verify.verdict import EXIT_ERROR, EXIT_REFUSED, EXIT_USAGE, Report
from indelible_verify.verification_policy import parse_verification_policy
from indelible_verify.view import visible

_PROOF_BYTES: Final = limits.NOTE_BYTES + 16_384
_EPILOG: Final = """\
exit codes: 0 proven (erased, pruned, declared gaps and missing witnesses are said);
1 any other error; 2 usage; 3 the file is no evidence at all;
4 tampered, truncated, rolled back, forked, stripped, stale, unreadable or withheld.

Keys come from you, never from what is verified. A key is a file with one vkey line, or the line
itself; every key given must have a valid line. Nothing is read from the network."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and give its exit code. Installed as `indelible-verify`."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    arguments = list(sys.argv[1:] if argv is None else argv)
    command = arguments[0] if arguments and arguments[0] in ("log", "proof") else "bundle"
    json_asked = "--json" in arguments
    try:
        options = _parser(command, json_asked).parse_args(arguments[command != "bundle" :])
        report = _run(command, options)
    except UsageProblem as error:
        return _fail(json_asked, "usage", str(error), EXIT_USAGE)
    except Refused as error:
        return _fail(json_asked, "refused", str(error), EXIT_REFUSED)
    except (VerifyError, OSError) as error:
        return _fail(json_asked, "error", str(error), EXIT_ERROR)
    sys.stdout.write(as_json(report) + "\n" if options.json else as_text(report))
    sys.stdout.flush()
    return report.exit


class _Parser(argparse.ArgumentParser):
    """argparse, but a wrong command line is the one JSON object too where JSON was asked for."""

    json_asked = False

    def error(self, message: str) -> NoReturn:
        if self.json_asked:
            raise UsageProblem(message)
        super().error(message)


def _parser(command: str, json_asked: bool) -> argparse.ArgumentParser:
    prog = "indelible-verify" + ("" if command == "bundle" else f" {command}")
    texts = {
        "bundle": "Verify an evidence bundle offline. Other forms: indelible-verify log DIR ..."
        " (an exported log), indelible-verify proof FILE ... (a single tlog-proof).",
        "log": "Verify an exported log (tlog-tiles): every entry, every tile, the root.",
        "proof": "Verify a single tlog-proof against the body it is about.",
    }
    parser = _Parser(
        prog=prog,
        description=texts[command],
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.json_asked = json_asked
    metavar = {"bundle": "BUNDLE.zip", "log": "DIR", "proof": "FILE.tlog-proof"}[command]
    parser.add_argument("path", metavar=metavar, type=Path)
    parser.add_argument(
        "--key", action="append", default=[], metavar="VKEY", help="log key, file or text; repeat"
    )
    parser.add_argument("--policy", type=Path, metavar="FILE", help="verification policy (TOML)")
    parser.add_argument(
        "--against", type=Path, metavar="OLD.ckpt", help="a checkpoint you kept from earlier"
    )
    parser.add_argument("--now", metavar="RFC3339", help="take this as the present time")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    if command == "bundle":
        parser.add_argument(
            "--view", type=Path, metavar="OUT.html", help="write the view made from verified data"
        )
    if command == "proof":
        parser.add_argument("--body", type=Path, metavar="FILE", required=True, help="the body")
    return parser


def _run(command: str, options: argparse.Namespace) -> Report:
    trust = _trust(options)
    if command == "log":
        with Progress(sys.stderr, shown=not options.json) as progress:
            return verify_log(options.path, trust, progress=progress)
    if command == "proof":
        body = read_small(options.body, limits.BODY_BYTES + 1)
        return verify_proof(read_small(options.path, _PROOF_BYTES), body, trust)
    return verify_bundle(options.path, trust, view_out=options.view)


def _trust(options: argparse.Namespace) -> Trust:
    demands = None
    if options.policy is not None:
        data = _given(options.policy, limits.VERIFICATION_POLICY_BYTES)
        demands = parse_verification_policy(data)
    held = None if options.against is None else read_small(options.against, limits.NOTE_BYTES)
    return make_trust(
        [read_key(key) for key in options.key],
        now=_now(options.now),
        verification_policy=demands,
        against=held,
    )


def _given(path: Path, top: int) -> bytes:
    try:
        return read_small(path, top)
    except Refused as error:
        raise UsageProblem(str(error)) from None


def read_key(given: str) -> Key:
    """A verifier key given as text or as a file of one line; raises UsageProblem."""
    try:
        return Key.parse(given)
    except UsageProblem as error:
        if given.count("+") >= 2 and not Path(given).exists():
            raise
        if not Path(given).is_file():
            raise UsageProblem(f"--key: {error}, and there is no such file") from None
    data = _given(Path(given), limits.KEY_FILE_BYTES)
    lines = data.decode("utf-8", "replace").splitlines()
    if len(lines) != 1:
        raise UsageProblem(f"{given}: a key file has exactly one line, this has {len(lines)}")
    return Key.parse(lines[0])


def _now(given: str | None) -> int:
    if given is None:
        return int(time.time())
    try:
        when = datetime.fromisoformat(given)
    except ValueError:
        raise UsageProblem(f"--now: {given!r} is not a time of RFC 3339") from None
    if when.tzinfo is None:
        raise UsageProblem("--now: the time has no zone; end it in Z")
    return int(when.timestamp())


def _fail(json_asked: bool, verdict: str, text: str, code: int) -> int:
    text = visible(text, 2_000)
    if json_asked:
        empty: dict[str, object] = {"origin": "", "size": 0, "root": "", "events": []}
        problems = [{"verdict": verdict, "text": text, "first": None, "last": None}]
        found = {"verdict": verdict, "exit": code, **empty, "problems": problems}
        print(json.dumps({**found, "proved": [], "not_proved": [], "said": []}))
    else:
        print(f"{verdict.upper()}: {text}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
