"""The command `indelible-witness`."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import uvicorn

from indelible_verify import Key, UsageProblem
from indelible_witness.app import FOLDER_VARIABLE, open_witness
from indelible_witness.cosigner import WitnessError, create_cosigner
from indelible_witness.state import State


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command: 0 fine, 1 an error, 2 usage, 3 refused."""
    options = _parser().parse_args(argv)
    try:
        return int(options.run(options))
    except UsageProblem as error:
        print(f"usage: {error}", file=sys.stderr)
        return 2
    except WitnessError as error:
        print(f"refused: {error}", file=sys.stderr)
        return 3
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="indelible-witness",
        description="A C2SP tlog-witness. It cosigns a log's checkpoint only when it continues"
        " every checkpoint seen before. Run it on another machine than the log's, and never bring"
        " back an older state.sqlite: the state is the witness's memory.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    init = commands.add_parser("init", help="make keys and an empty state; print the vkeys")
    init.add_argument("folder", metavar="DIR", type=Path)
    init.add_argument("--name", required=True, help="key name, such as witness.example/w1")
    init.set_defaults(run=_init)
    add = commands.add_parser("add-log", help="follow a log")
    add.add_argument("folder", metavar="DIR", type=Path)
    add.add_argument("--vkey", required=True, action="append", help="a log key, text or file")
    add.add_argument("--origin", help="the log's origin; default: the name of its key")
    add.set_defaults(run=_add_log)
    serve = commands.add_parser("serve", help="answer over HTTP until SIGTERM")
    serve.add_argument("folder", metavar="DIR", type=Path)
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=int, default=8450)
    serve.add_argument("--tls-cert", type=Path, help="certificate chain (PEM); needs --tls-key")
    serve.add_argument("--tls-key", type=Path, help="its private key (PEM)")
    serve.set_defaults(run=_serve)
    show = commands.add_parser("show", help="show keys, logs, and refused checkpoints")
    show.add_argument("folder", metavar="DIR", type=Path)
    show.add_argument("--json", action="store_true", help="one JSON object, with whole notes")
    show.set_defaults(run=_show)
    return parser


def _init(options: argparse.Namespace) -> int:
    cosigner = create_cosigner(options.folder, options.name)
    State.create(options.folder, cosigner.keys[0])
    for key in cosigner.keys:
        print(key.vkey)
    return 0


def _add_log(options: argparse.Namespace) -> int:
    witness = open_witness(options.folder)
    keys = [_read_key(given) for given in options.vkey]
    origins = {options.origin or key.name for key in keys}
    if len(origins) != 1:
        raise UsageProblem("the keys bear different names: give --origin, or one log at a time")
    origin = origins.pop()
    if not 1 <= len(origin.encode("utf-8")) <= 255 or any(c < " " for c in origin):
        raise UsageProblem("an origin is one line of 1 to 255 bytes")
    witness.state.add_log(origin, keys, witness.clock())
    print(f"following {origin} with {len(witness.state.keys_of(origin))} keys")
    return 0


def _read_key(given: str) -> Key:
    path = Path(given)
    if given.count("+") < 2 and path.is_file():
        given = path.read_text("utf-8").strip()
    return Key.parse(given)


def _serve(options: argparse.Namespace) -> int:
    open_witness(options.folder)
    if (options.tls_cert is None) != (options.tls_key is None):
        raise UsageProblem("--tls-cert and --tls-key belong together")
    os.environ[FOLDER_VARIABLE] = str(options.folder.absolute())
    scheme = "http" if options.tls_cert is None else "https"
    print(f"witness on {scheme}://{options.host}:{options.port}", flush=True)
    uvicorn.run(
        "indelible_witness.app:from_environment",
        factory=True,
        host=options.host,
        port=options.port,
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        server_header=False,
        ssl_certfile=options.tls_cert,
        ssl_keyfile=options.tls_key,
    )
    return 0


def _show(options: argparse.Namespace) -> int:
    witness = open_witness(options.folder)
    heads = {origin: witness.state.head(origin) for origin in witness.state.origins()}
    refused = witness.state.evidence()
    if options.json:
        found = {
            "name": witness.cosigner.name,
            "vkeys": [key.vkey for key in witness.cosigner.keys],
            "logs": {
                origin: None
                if head is None
                else {"size": head.size, "root": head.root.hex(), "time": head.time}
                for origin, head in heads.items()
            },
            "evidence": [
                {
                    "origin": one.origin,
                    "time": one.time,
                    "reason": one.reason,
                    "size": one.size,
                    "note": one.note,
                    "known": one.known_note,
                }
                for one in refused
            ],
        }
        print(json.dumps(found))
        return 0
    print("\n".join(key.vkey for key in witness.cosigner.keys))
    for origin, head in heads.items():
        if head is None:
            print(f"{origin}: nothing cosigned yet")
        else:
            age = max(0, int(time.time()) - head.time)
            print(f"{origin}: size {head.size}, root {head.root.hex()}, {age} s ago")
    for one in refused:
        print(f"REFUSED {one.reason}: {one.origin} size {one.size} at {one.time}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
