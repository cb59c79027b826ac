"""`indelible`: the table of commands, loaded only when called, and the one place for errors."""

from __future__ import annotations

import importlib
import itertools
import os
import sys
from typing import NamedTuple, NoReturn

import click

from indelible import __version__
from indelible.base.errors import EXIT_ERROR, EXIT_OK, IndelibleError


class Entry(NamedTuple):
    """Where a command lives, and its line in the overview."""

    module: str
    attribute: str
    help: str


SECTIONS: dict[str, dict[str, Entry]] = {
    "Start": {
        "demo": Entry("demo", "demo", "A ledger with a year of a company in it, live."),
        "init": Entry("init", "init", "Make a new, empty ledger in a folder."),
        "serve": Entry("serve", "serve", "Run the server of a ledger."),
        "token": Entry("token", "token", "Create, list and revoke tokens."),
        "source": Entry("source", "source", "Add, list, show and disable sources."),
        "audit-policy": Entry(
            "audit_policy", "audit_policy", "Decide what is kept of what arrives."
        ),
        "import": Entry("import_", "import_", "Store events from files."),
        "parser": Entry("parser", "parser", "List, try and draft parsers of formats."),
    },
    "Watch": {
        "coverage": Entry("coverage", "coverage", "Which auditing is on, off or unknown."),
    },
    "Find": {
        "search": Entry("search", "search", "Find events."),
        "show": Entry("search", "show", "Show one event from evidence, with its verdict."),
        "history": Entry("search", "history", "What happened to one thing, change by change."),
        "timeline": Entry("search", "timeline", "What one actor did, day by day."),
        "tail": Entry("search", "tail", "Follow events as they arrive."),
    },
    "Prove": {
        "prove": Entry("prove", "prove", "Write a bundle that proves events to a third party."),
        "export": Entry("prove", "export", "Write out the log, or the events of a search."),
        "verify": Entry("check", "verify", "Is it true? Check cryptography and content."),
        "keys": Entry("keys", "keys", "Show or rotate the log's keys."),
        "witness": Entry("witness", "witness", "Add and list witnesses."),
    },
    "Keep": {
        "status": Entry("status", "status", "How the ledger is."),
        "fsck": Entry("check", "fsck", "Is it whole? Check every file; change nothing."),
        "seal": Entry("keep", "seal", "Seal the journal into evidence now."),
        "reindex": Entry("keep", "reindex", "Rebuild columns and the id index from evidence."),
        "backup": Entry("keep", "backup", "Copy a running ledger, consistently."),
        "restore": Entry("keep", "restore", "Go on from a backup."),
        "register": Entry("keep", "register", "Mend a lost register."),
        "clock": Entry("keep", "clock", "Accept the clock after a step."),
    },
}
COMMANDS = {name: entry for section in SECTIONS.values() for name, entry in section.items()}


class Commands(click.Group):
    """The top of the tree: imports a command's module when it is called, and renders errors."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        entry = COMMANDS.get(name)
        if entry is None:
            return None
        module = importlib.import_module(f"indelible.cli.{entry.module}")
        command: object = getattr(module, entry.attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, section in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, entry.help) for name, entry in section.items()])

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except IndelibleError as error:
            from indelible.cli.output import print_error

            print_error(error, json=self._json)
            ctx.exit(error.exit_code)
        except click.ClickException as error:
            self._misused(ctx, error)
        except BrokenPipeError:
            # The reader of our output has gone (`indelible search ... | head`): not an error.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(EXIT_OK)
        except OSError as error:
            from indelible.cli.output import print_error

            named = f"{error.filename}: " if error.filename else ""
            failed = IndelibleError(
                f"{named}{error.strerror or error}", code="system",
                remedy="The operating system refused it; mend the named cause and try again.",
            )
            print_error(failed, json=self._json)
            ctx.exit(EXIT_ERROR)

    _json = False

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        self._json = "--json" in itertools.takewhile(lambda word: word != "--", args)
        try:
            return super().parse_args(ctx, args)
        except click.ClickException as error:
            self._misused(ctx, error)

    def _misused(self, ctx: click.Context, error: click.ClickException) -> NoReturn:
        """A command line that cannot be understood: click's own words, or the one document."""
        if not self._json:
            raise error
        from indelible.cli.failures import Misused
        from indelible.cli.output import print_error

        where = error.ctx if isinstance(error, click.UsageError) and error.ctx else ctx
        remedy = f"`{where.command_path} --help` says how it is written."
        print_error(Misused(error.format_message(), remedy=remedy), json=True)
        ctx.exit(error.exit_code)


EPILOG = """\b
Most commands talk to a running server (--url or INDELIBLE_URL, default
http://127.0.0.1:8440, with the token in the file that --token-file or
INDELIBLE_TOKEN_FILE names)
or to the folder of a stopped one (--data DIR).

\b
Exit codes: 0 fine, 1 error, 2 usage, 3 refused, 4 tampered or damaged,
5 not reachable.

\b
First steps:
  indelible demo
  indelible init ledger --origin audit.example.com/main
"""


@click.command(
    "indelible", cls=Commands, epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="indelible")
def cli() -> None:
    """An audit log that can prove what it holds."""


def main() -> None:
    """Entry point of the `indelible` program."""
    cli(prog_name="indelible")


if __name__ == "__main__":
    main()
