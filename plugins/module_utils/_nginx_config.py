# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Read just enough of an nginx configuration to find server blocks, and keep one include line in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

MARK = "# managed by percona.pmm_ai_chat"


class NginxProblem(Exception):
    """The configuration cannot be read or has no place for us; the message says what is missing."""


@dataclass
class Directive:
    """A directive with its place; a block's directives are its children."""

    words: list[str]
    start: int
    end: int = 0
    opened: int = 0
    closed: int = 0
    children: list[Directive] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.words[0]

    @property
    def is_block(self) -> bool:
        return self.opened > 0


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0

    def problem(self, what: str, at: int) -> NginxProblem:
        return NginxProblem("line %d: %s" % (self.text.count("\n", 0, at) + 1, what))

    def directives(self, opened: int | None) -> list[Directive]:
        found: list[Directive] = []
        current: Directive | None = None
        while True:
            self._skip_blanks()
            if self.position >= len(self.text):
                if opened is not None:
                    raise self.problem("this block is never closed", opened)
                if current is not None:
                    raise self.problem("this directive never ends", current.start)
                return found
            start = self.position
            character = self.text[start]
            if character == "}":
                if opened is None or current is not None:
                    raise self.problem("unexpected }", start)
                return found
            if character in ";{":
                if current is None:
                    raise self.problem(f"unexpected {character}", start)
                self._finish(current, character)
                found.append(current)
                current = None
                continue
            word = self._word()
            if current is None:
                current = Directive([], start)
            current.words.append(word)

    def _finish(self, directive: Directive, character: str) -> None:
        self.position += 1
        if character == "{":
            directive.opened = self.position
            if directive.name.endswith("_by_lua_block"):
                self._skip_code(directive)
            else:
                directive.children = self.directives(directive.opened - 1)
            directive.closed = self.position
            self.position += 1
        directive.end = self.position

    def _skip_code(self, directive: Directive) -> None:
        depth = 1
        while depth:
            if self.position >= len(self.text):
                raise self.problem("this block is never closed", directive.start)
            depth += {"{": 1, "}": -1}.get(self.text[self.position], 0)
            self.position += 1
        self.position -= 1

    def _skip_blanks(self) -> None:
        while self.position < len(self.text):
            if self.text[self.position].isspace():
                self.position += 1
            elif self.text[self.position] == "#":
                newline = self.text.find("\n", self.position)
                self.position = len(self.text) if newline < 0 else newline
            else:
                return

    def _word(self) -> str:
        start = self.position
        first = self.text[start]
        if first in "\"'":
            return self._quoted(first)
        while self.position < len(self.text):
            character = self.text[self.position]
            if character == "\\":
                self.position += 2
            elif self.text.startswith("${", self.position):
                self.position = max(self.text.find("}", self.position), self.position + 1) + 1
            elif character.isspace() or character in ";{}":
                break
            else:
                self.position += 1
        return self.text[start : self.position]

    def _quoted(self, quote: str) -> str:
        start = self.position
        self.position += 1
        while self.position < len(self.text) and self.text[self.position] != quote:
            self.position += 2 if self.text[self.position] == "\\" else 1
        if self.position >= len(self.text):
            raise self.problem("this quote is never closed", start)
        self.position += 1
        return self.text[start + 1 : self.position - 1]


def parse(text: str) -> list[Directive]:
    """The configuration as a tree of directives."""
    return _Parser(text).directives(None)


def _servers(directives: list[Directive]) -> Iterator[Directive]:
    for directive in directives:
        if directive.name == "server" and directive.is_block:
            yield directive
        elif directive.name == "http" and directive.is_block:
            yield from _servers(directive.children)


def listens_on(server: Directive) -> set[int]:
    """The TCP ports of a server block."""
    ports = set()
    for directive in server.children:
        if directive.name != "listen" or len(directive.words) < 2 or directive.words[1].startswith("unix:"):
            continue
        last = directive.words[1].rsplit(":", 1)[-1]
        ports.add(int(last) if last.isdigit() else 80)
    return ports


def _ours(text: str, server: Directive, path: str) -> list[Directive]:
    """The includes of the path, and those with our mark, which another path may have had before."""
    includes = (each for each in server.children if each.name == "include")
    return [each for each in includes if each.words[1:] == [path] or _after(text, each) == MARK]


def _after(text: str, directive: Directive) -> str:
    """What follows on the directive's line."""
    return text[directive.end :].partition("\n")[0].strip()


def superseded(text: str, path: str) -> list[str]:
    """The files of includes with our mark that are not the path."""
    found = {each.words[1] for server in _servers(parse(text)) for each in _ours(text, server, path)}
    return sorted(found - {path})


def with_include(text: str, path: str, ports: list[int]) -> str:
    """The text with one include of ours, that of the path, in each server block that listens on one of the ports."""
    servers = list(_servers(parse(text)))
    if not any(listens_on(server) & set(ports) for server in servers):
        raise NginxProblem(
            "no server block listens on {}: is this PMM's configuration?".format(
                " or ".join(str(port) for port in ports)
            )
        )
    for server in reversed(servers):
        ours = _ours(text, server, path)
        kept = next((each for each in ours if each.words[1:] == [path]), None)
        if not listens_on(server) & set(ports):
            kept = None
        elif kept is None:
            text = _inserted(text, server, path)
        for surplus in reversed(ours):
            if surplus is not kept:
                text = _without(text, surplus)
    return text


def without_include(text: str, path: str) -> str:
    """The text with no include of ours in any server block."""
    for server in reversed(list(_servers(parse(text)))):
        for directive in reversed(_ours(text, server, path)):
            text = _without(text, directive)
    return text


def _inserted(text: str, server: Directive, path: str) -> str:
    line = f"include {path}; {MARK}"
    start = text.rfind("\n", 0, server.closed) + 1
    if text[start : server.closed].strip():
        return text[: server.closed] + "\n" + line + "\n" + text[server.closed :]
    first = server.children[0].start
    margin = text[text.rfind("\n", 0, first) + 1 : first]
    indent = margin if not margin.strip() else "    "
    return text[:start] + indent + line + "\n" + text[start:]


def _without(text: str, directive: Directive) -> str:
    start = text.rfind("\n", 0, directive.start) + 1
    end = text.find("\n", directive.end)
    end = len(text) if end < 0 else end
    alone = not text[start : directive.start].strip() and text[directive.end : end].strip() in ("", MARK)
    if alone:
        return text[:start] + text[end + 1 :]
    return text[: directive.start] + text[directive.end :]
