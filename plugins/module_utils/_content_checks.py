# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Named checks for the content of a config file before it goes live."""

from __future__ import annotations

import json
from collections.abc import Callable


class ContentProblem(Exception):
    """The content is not what the program would accept; the message shows no values."""


def check_json(content: bytes) -> object:
    """Well-formed JSON."""
    try:
        return json.loads(content)
    except UnicodeDecodeError:
        raise ContentProblem("it is not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise ContentProblem(
            "it is not JSON: %s in line %d, column %d" % (error.msg, error.lineno, error.colno)
        ) from None


def check_mcp_servers(content: bytes) -> object:
    """One of the two known shapes: {"servers": [{"name": …}]} or {"mcpServers": {name: {…}}}."""
    document = check_json(content)
    if isinstance(document, dict):
        if isinstance(document.get("servers"), list):
            _check_each([(_name_of(entry), entry) for entry in document["servers"]])
            return document
        if isinstance(document.get("mcpServers"), dict):
            _check_each(list(document["mcpServers"].items()))
            return document
    raise ContentProblem('it has neither {"servers": [...]} nor {"mcpServers": {...}}')


def _name_of(entry: object) -> object:
    return entry.get("name") if isinstance(entry, dict) else None


def _check_each(servers: list[tuple[object, object]]) -> None:
    seen: set[str] = set()
    for number, (name, entry) in enumerate(servers, start=1):
        if not isinstance(entry, dict):
            raise ContentProblem("server number %d is not an object" % number)
        if not isinstance(name, str) or not name:
            raise ContentProblem('server number %d has no "name"' % number)
        if name in seen:
            raise ContentProblem(f"the server {name} appears twice")
        seen.add(name)
        _check_server(name, entry)


def _check_server(name: str, entry: dict[str, object]) -> None:
    if not any(isinstance(entry.get(key), str) and entry[key] for key in ("command", "url")):
        raise ContentProblem(f'the server {name} has neither a "command" nor a "url"')
    arguments = entry.get("args", [])
    if not isinstance(arguments, list) or not all(isinstance(argument, str) for argument in arguments):
        raise ContentProblem(f'"args" of the server {name} is not a list of strings')
    if not isinstance(entry.get("enabled", True), bool):
        raise ContentProblem(f'"enabled" of the server {name} is neither true nor false')


CHECKS: dict[str, Callable[[bytes], object]] = {"json": check_json, "mcp_servers": check_mcp_servers}
