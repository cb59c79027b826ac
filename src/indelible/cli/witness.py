"""`indelible witness`: who remembers the log elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

import click
import msgspec

from indelible.cli.client import path_of
from indelible.cli.options import Client, Output, talks
from indelible.cli.output import age_text
from indelible.cli.visible import visible
from indelible.server.rooms import WitnessView


class WitnessList(msgspec.Struct, frozen=True, kw_only=True):
    """Answer of GET /v1/witnesses."""

    witnesses: list[WitnessView]


def witness_table(out: Output, witnesses: Sequence[WitnessView]) -> None:
    """Which witness cosigned how much, how long ago, and what went wrong last."""
    out.table(
        ("NAME", "COSIGNED", "AGE", "URL", "LAST ERROR"),
        [(w.name, "never" if w.size is None else f"{w.size:,}",
          "" if w.age_seconds is None else age_text(w.age_seconds), w.url, w.error)
         for w in witnesses],
        right=(1, 2),
    )


@click.group()
def witness() -> None:
    """Add, list and remove witnesses: programs elsewhere that remember how large the log was.

    \b
    Examples:
      indelible witness add w1 https://witness.example "witness.example/w1+1234abcd+BA..."
      indelible witness list
    """


@witness.command()
@click.argument("name")
@click.argument("witness_url", metavar="URL")
@click.argument("vkey")
@talks()
def add(client: Client, out: Output, name: str, witness_url: str, vkey: str) -> None:
    """Ask one more witness to cosign every checkpoint from the next beat on.

    URL is where its add-checkpoint answers, VKEY its verifier key. A witness on the ledger's own
    machine is no witness: whoever rewrites one rewrites both.

    \b
    Examples:
      indelible witness add w1 https://witness.example "witness.example/w1+1234abcd+BA..."
    """
    client.post("/v1/witnesses", {"name": name, "url": witness_url, "vkey": vkey})
    out.result({"added": name}, [f"Witness {visible(name)} is asked from the next beat on."])


@witness.command("list")
@talks()
def list_(client: Client, out: Output) -> None:
    """List witnesses: what each last cosigned, and how long ago.

    \b
    Examples:
      indelible witness list
    """

    def show(found: WitnessList) -> None:
        if not found.witnesses:
            out.say("No witness is configured: nobody elsewhere remembers this log's size.")
            return
        witness_table(out, found.witnesses)

    out.answer(client.get("/v1/witnesses"), WitnessList, show)


@witness.command()
@click.argument("name")
@talks()
def remove(client: Client, out: Output, name: str) -> None:
    """Ask a witness no more; what it cosigned stays.

    \b
    Examples:
      indelible witness remove w1
    """
    client.delete(path_of("v1", "witnesses", name))
    out.result({"removed": name}, [f"Witness {visible(name)} is asked no more."])
