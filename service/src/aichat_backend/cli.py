"""`aichat-backend`: serve, show the effective settings, check them, look after the database."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from aichat_backend import __version__
from aichat_backend.config.places import DEFAULT_INI, PROGRAM
from aichat_backend.config.source_options import source_options
from aichat_backend.imports import uncollected


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; the result is its exit status."""
    options = _parser().parse_args(arguments)
    # Imported only here: `--version`, `--help` and a usage error need no settings, and answer at once.
    with uncollected():
        from aichat_backend.commands import run
    return run(options)


def _parser() -> argparse.ArgumentParser:
    sources = source_options()
    parser = argparse.ArgumentParser(prog=PROGRAM, description="The AI chat backend of PMM.", parents=[sources])
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    parser.set_defaults(command="serve")
    commands = parser.add_subparsers(metavar="COMMAND", title="commands (without one: serve)")
    for name, summary in (
        ("config", "print the effective settings, secrets masked"),
        ("check", "check the settings, the database and the provider"),
    ):
        command = commands.add_parser(name, help=summary, description=f"{summary.capitalize()}.", parents=[sources])
        command.set_defaults(command=name)
        _add_ini(command)
    audit = commands.add_parser(
        "audit",
        help="print the audit trail as lines of JSON",
        description="Print what was decided and done, oldest first, as lines of JSON.",
        parents=[sources],
    )
    audit.set_defaults(command="audit")
    _add_ini(audit)
    audit.add_argument("--since", metavar="TIME", help="leave out what is older than this date, or date and time")
    audit.add_argument("--user", metavar="ID", help="the entries of this user alone")
    database = commands.add_parser("db", help="look after the database", description="Look after the database.")
    _add_database_commands(database.add_subparsers(metavar="COMMAND", title="commands", required=True), sources)
    return parser


def _add_database_commands(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], sources: argparse.ArgumentParser
) -> None:
    for name, summary in (
        ("status", "tell which database it is, in which state, and what is in it"),
        ("upgrade", "bring its schema up to date, as every start does"),
        ("copy", "copy all of it to another one; can be broken off and run again"),
    ):
        command = commands.add_parser(name, help=summary, description=f"{summary.capitalize()}.", parents=[sources])
        command.set_defaults(command=f"db {name}")
        _add_ini(command)
        if name == "copy":
            command.add_argument("--to", metavar="URL", required=True, help="the database to copy to")


def _add_ini(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--ini",
        metavar="FILE",
        type=Path,
        help=f"the ini file of the service, for its environment and options (otherwise {DEFAULT_INI}, if it is there)",
    )
