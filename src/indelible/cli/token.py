"""`indelible token`: who may write, read, audit or administer."""

from __future__ import annotations

import os
from pathlib import Path

import click
import msgspec

from indelible.cli.client import path_of
from indelible.cli.failures import Refused
from indelible.cli.options import FILE, Client, Output, talks
from indelible.cli.output import decode
from indelible.cli.visible import visible

ROLES = ("writer", "reader", "auditor", "admin")


class Created(msgspec.Struct, frozen=True, kw_only=True):
    """Answer of POST /v1/tokens."""

    id: str
    token: str


class TokenView(msgspec.Struct, frozen=True, kw_only=True):
    """One token in a listing; the secret is not among what is stored."""

    id: str
    name: str
    role: str
    source: str | None = None
    tenant: str | None = None
    created: str = ""
    revoked: str | None = None


class TokenList(msgspec.Struct, frozen=True, kw_only=True):
    """Answer of GET /v1/tokens."""

    tokens: list[TokenView]


@click.group()
def token() -> None:
    """Create, list and revoke tokens.

    \b
    Roles: a writer sends events of one source; a reader searches, shows, proves and exports;
    an auditor also verifies and reads the status; an admin administers and reads no events.

    \b
    Examples:
      indelible token create --role writer --name billing -o billing.token
      indelible token list
    """


@token.command()
@click.option("--role", type=click.Choice(ROLES), required=True, help="What the token may do.")
@click.option("--name", required=True, metavar="N", help="Whose token it is; stands in events.")
@click.option("--source", metavar="S", help="Source a writer sends as.  [default: the name]")
@click.option("--tenant", metavar="T", help="Tenant of what a writer sends and others read.")
@click.option("-o", "--output", type=FILE, metavar="FILE",
              help="Write the token to a new file, mode 0600, instead of showing it.")
@talks()
def create(
    client: Client, out: Output, role: str, name: str, source: str | None, tenant: str | None,
    output: Path | None,
) -> None:
    """Create a token. It is shown this once; only its hash is stored.

    \b
    Examples:
      indelible token create --role writer --name billing --source billing -o billing.token
      indelible token create --data ledger --role admin --name ann -o admin.token
      INDELIBLE_TOKEN_FILE=admin.token indelible token create --role reader --name bob
    """
    if source is not None and role != "writer":
        raise click.UsageError("--source goes with --role writer.")
    if output is not None and output.exists():
        raise Refused(f"{output} is there already", remedy="Name a new file.")
    asked = {"role": role, "name": name}
    if role == "writer":
        asked["source"] = source or name
    if tenant is not None:
        asked["tenant"] = tenant
    raw = client.post("/v1/tokens", asked)
    made = decode(raw, Created)
    if output is not None:
        write_secret(output, made.token)
        shown = {**asked, "id": made.id, "file": str(output)}
        out.result(shown, [f"Token {visible(made.id)} ({role}) is in {visible(str(output))}."])
        return
    if out.json:
        out.document(raw)
        return
    out.say(visible(made.token))
    out.note(f"this is token {made.id} ({role}); it is not shown again")


def write_secret(path: Path, secret: str) -> None:
    """A new file that only its owner reads, with the secret in it."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(secret + "\n")


@token.command("list")
@talks()
def list_(client: Client, out: Output) -> None:
    """List tokens: id, name, role, source; never the secret.

    \b
    Examples:
      indelible token list
      indelible token list --json
    """

    def show(found: TokenList) -> None:
        if not found.tokens:
            out.say("There are no tokens.")
            return
        out.table(
            ("ID", "NAME", "ROLE", "SOURCE", "TENANT", "CREATED", "REVOKED"),
            [(t.id, t.name, t.role, t.source or "", t.tenant or "", t.created, t.revoked or "")
             for t in found.tokens],
        )

    out.answer(client.get("/v1/tokens"), TokenList, show)


@token.command()
@click.argument("token_id", metavar="ID")
@talks()
def revoke(client: Client, out: Output, token_id: str) -> None:
    """Revoke a token; it is refused from the next request on.

    \b
    Examples:
      indelible token revoke 4f1c22aa90d3be17
    """
    client.delete(path_of("v1", "tokens", token_id))
    out.result({"revoked": token_id}, [f"Token {visible(token_id)} is revoked."])
