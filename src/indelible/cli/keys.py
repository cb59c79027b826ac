"""`indelible keys`: what verifiers need, and rotation."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from indelible.cli.options import FOLDER, Client, Output, talks
from indelible.cli.output import decode
from indelible.cli.visible import visible


class KeysAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Answer of GET /v1/keys."""

    vkey: str
    mldsa44: str = msgspec.field(name="vkey.mldsa44")


@click.group()
def keys() -> None:
    """Show or rotate the log's keys.

    \b
    Examples:
      indelible keys show -o .
      indelible keys rotate data
    """


@keys.command()
@click.option("-o", "--output", type=FOLDER, metavar="DIR",
              help="Also write the files log.vkey and log.vkey.mldsa44 into DIR.")
@talks()
def show(client: Client, out: Output, output: Path | None) -> None:
    """Show the two public keys that verify the log. They are no secret: give them away.

    \b
    Examples:
      indelible keys show
      indelible keys show -o keys && indelible-verify bundle.zip --key keys/log.vkey
    """
    raw = client.get("/v1/keys")
    found = decode(raw, KeysAnswer)
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        (output / "log.vkey").write_text(found.vkey.strip() + "\n", "utf-8")
        (output / "log.vkey.mldsa44").write_text(found.mldsa44.strip() + "\n", "utf-8")
    if out.json:
        out.document(raw)
        return
    out.say(visible(found.vkey.strip()))
    if output is None:
        out.say(visible(found.mldsa44.strip()))
    else:
        out.note(f"written to {output / 'log.vkey'} and {output / 'log.vkey.mldsa44'}")


@keys.command()
@click.argument("what", type=click.Choice(("signing", "data")))
@talks()
def rotate(client: Client, out: Output, what: str) -> None:
    """Rotate the signing keys (a record under the old ones, both sign for 30 days), or the data
    key that wraps every file's own key.

    \b
    Examples:
      indelible keys rotate data
      indelible keys rotate signing
    """
    raw = client.post("/v1/keys/rotate", {"what": what}, endless=True)

    def tell(account: dict[str, object]) -> None:
        out.say(f"The {what} key is rotated.")
        out.facts([(name, _told(name, value)) for name, value in account.items()], indent="  ")
        if what == "signing":
            out.say("Give verifiers the new keys, log.vkey and log.vkey.mldsa44: "
                    "indelible keys show -o DIR")

    out.answer(raw, dict[str, object], tell)


def _told(name: str, value: object) -> str:
    """A member of an account; of keys their ids, since an ML-DSA key alone has 1.8 kB."""
    if name not in ("vkey", "vkey.mldsa44", "replaces"):
        return visible(str(value))
    keys = value if isinstance(value, list) else [value]
    return ", ".join(visible("+".join(str(key).split("+", 2)[:2])) for key in keys)
