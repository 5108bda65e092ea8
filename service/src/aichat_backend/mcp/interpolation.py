"""Placeholders in values of the configuration: `${env:NAME}`, `${file:/path}` and, in headers, `${user_id}`.

`${user_id:NAME}` is the same, and NAME where no user asks: when tools are listed.

What a placeholder brings in is text: a `${…}` inside it stays as it is. `$${` writes `${`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from aichat_backend.mcp.problems import EntryProblem

USER_ID = "user_id"

_PLACEHOLDER = re.compile(r"\$\$\{|\$\{(?P<word>[^{}]*)\}|\$\{")
_USER_ID = re.compile(r"[A-Za-z0-9_.@-]{1,128}")
_READABLE_BY_EVERYONE = 0o004
_LARGEST_FILE = 65_536


class HeaderValue(Struct, frozen=True):
    """A header's value; None in it is the place of the user's id."""

    pieces: tuple[str | None, ...]
    listed_as: str | None = None
    """What stands in that place while tools are listed, which is done for all users at once."""

    @property
    def names_user(self) -> bool:
        """Whether it is different for each user."""
        return None in self.pieces

    def for_user(self, user_id: str) -> str:
        """The value for this user.

        Raises:
            ValueError: such an id has no place in a header.
        """
        if not _USER_ID.fullmatch(user_id):
            raise ValueError("the user's id cannot be written into a header")
        return "".join(user_id if piece is None else piece for piece in self.pieces)

    def for_listing(self) -> str | None:
        """The value while tools are listed; None when there is none without a user."""
        if not self.names_user:
            return self.text
        return None if self.listed_as is None else self.for_user(self.listed_as)

    @property
    def text(self) -> str:
        """The value of a header that is the same for all users."""
        return "".join(piece or "" for piece in self.pieces)


class Filled(Struct, frozen=True):
    """A value with its placeholders filled in."""

    value: HeaderValue
    secrets: tuple[str, ...] = ()
    """What must not be shown of it."""
    warnings: tuple[str, ...] = ()


def fill(text: str, environment: Mapping[str, str]) -> Filled:
    """Fill in what comes from the environment and from files.

    Raises:
        EntryProblem: a placeholder is unknown, or what it names is missing; the message tells the remedy.
    """
    pieces: list[str | None] = []
    listed_as: str | None = None
    secrets: list[str] = []
    warnings: list[str] = []
    for piece in _split(text):
        match piece:
            case str():
                pieces.append(piece)
            case ("env", name):
                pieces.append(_from_environment(name, environment))
                secrets.append(pieces[-1] or "")
            case ("file", path):
                found, odd = _from_file(Path(path))
                pieces.append(found)
                secrets.append(found)
                warnings += odd
            case (_, name):
                pieces.append(None)
                listed_as = name or listed_as
    return Filled(HeaderValue(tuple(pieces), listed_as), tuple(secrets), tuple(warnings))


def check_placeholders(text: str) -> None:
    """Whether every placeholder is one that is known.

    Raises:
        EntryProblem: one is not.
    """
    for _piece in _split(text):
        pass


def has_placeholder(text: str) -> bool:
    """Whether it looks as if something were to be filled in."""
    return _PLACEHOLDER.search(text) is not None


def _split(text: str) -> Iterator[str | tuple[str, str]]:
    """The text's pieces: plain ones, and placeholders as (source, name)."""
    end = 0
    for found in _PLACEHOLDER.finditer(text):
        if found.start() > end:
            yield text[end : found.start()]
        end = found.end()
        if found[0] == "$${":
            yield "${"
            continue
        source, colon, name = (found["word"] or "").partition(":")
        if source not in (USER_ID, "env", "file") or not (name or source == USER_ID):
            raise EntryProblem(
                "has a placeholder that is not known; known are ${env:NAME}, ${file:/path} and, in headers, "
                "${user_id}; $${ writes ${"
            )
        if source == USER_ID and colon and not _USER_ID.fullmatch(name):
            raise EntryProblem("has a name in ${user_id:NAME} that no user can have: letters, digits, and any of _.@-")
        yield source, name
    if end < len(text):
        yield text[end:]


def _from_environment(name: str, environment: Mapping[str, str]) -> str:
    value = environment.get(name, "")
    if not value:
        raise EntryProblem(
            f"takes the variable {name}, which is not set: set it in the service's environment, or use ${{file:/path}}"
        )
    return value


def _from_file(path: Path) -> tuple[str, list[str]]:
    if not path.is_absolute():
        raise EntryProblem("takes a file by a relative path: write the whole path, from / on")
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
        everyone = path.stat().st_mode & _READABLE_BY_EVERYONE
    except OSError as error:
        raise EntryProblem(
            f"takes a file that cannot be read ({error.strerror}): create it, readable for the service's user",
            detail=str(path),
        ) from error
    try:
        text = content.decode().strip()
    except UnicodeDecodeError as error:
        raise EntryProblem("takes a file that is not text", detail=str(path)) from error
    if not text or len(content) > _LARGEST_FILE:
        raise EntryProblem("takes a file that is empty or too large for a value", detail=str(path))
    return text, [f"{path} is readable by everyone on this machine: chmod 0640 it"] if everyone else []
