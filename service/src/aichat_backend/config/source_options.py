"""The options that say which configuration file is read: of a command in a shell, and of the service."""

from __future__ import annotations

import argparse
from pathlib import Path

from aichat_backend.config.places import DEFAULT_FILE


def source_options() -> argparse.ArgumentParser:
    """A parser of these options alone; what it does not find it leaves out of its result.

    With `parse_known_args` it raises `argparse.ArgumentError` for what it cannot take.
    """
    parser = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS, exit_on_error=False)
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--env-only", action="store_true", help="read no configuration file")
    group.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        help=f"read this configuration file (otherwise {DEFAULT_FILE}, if it is there)",
    )
    return parser
