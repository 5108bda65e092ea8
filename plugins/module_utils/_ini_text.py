# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Find one option of an ini text, character by character, the way supervisord's parser reads it."""

from __future__ import annotations

import re
from dataclasses import dataclass

COMMENT_MARKS = ("#", ";")
_SECTION = re.compile(r"\[(.+)\]")
_OPTION = re.compile(r"(.*?)\s*[=:]\s*(.*)$", re.DOTALL)


class IniError(ValueError):
    """The text cannot be read or changed without guessing; the message shows no values."""


@dataclass(frozen=True)
class Line:
    """A physical line: where it starts, where its text ends, where the next line starts."""

    number: int
    start: int
    end: int
    next: int


@dataclass(frozen=True)
class Option:
    """An option's value as the parser sees it, with each character's place in the text."""

    line: Line
    value_start: int
    value: str
    offsets: tuple[int, ...]


@dataclass(frozen=True)
class Section:
    """A section: where its last real line is, and the option that was asked for."""

    last_line: Line
    option: Option | None


def lines_of(text: str) -> list[Line]:
    """Split into lines without losing a byte; knows LF, CRLF and CR."""
    lines: list[Line] = []
    start = 0
    for found in re.finditer(r"\r\n|\r|\n", text):
        lines.append(Line(len(lines) + 1, start, found.start(), found.end()))
        start = found.end()
    if start < len(text):
        lines.append(Line(len(lines) + 1, start, len(text), len(text)))
    return lines


def line_at(text: str, offset: int) -> Line:
    """The line that holds the character at this offset."""
    for line in lines_of(text):
        if line.start <= offset <= line.end:
            return line
    raise IniError("There is no line at offset %d." % offset)


def _without_comment(text: str, line: Line) -> tuple[int, int]:
    """Offsets of what the parser keeps of a line: no comment, no outer blanks."""
    raw = text[line.start : line.end]
    end = len(raw)
    if raw.strip().startswith(COMMENT_MARKS):
        end = 0
    for index, character in enumerate(raw[:end]):
        if character in COMMENT_MARKS and (index == 0 or raw[index - 1].isspace()):
            end = index
            break
    kept = raw[:end]
    begin = len(kept) - len(kept.lstrip())
    return line.start + min(begin, end), line.start + max(len(kept.rstrip()), min(begin, end))


class _Reader:
    """One pass over the text; collects the wanted section and option."""

    def __init__(self, text: str, section: str, option: str) -> None:
        self.text = text
        self.section_name = section
        self.option_name = option
        self.inside = False
        self.last_line: Line | None = None
        self.option_line: Line | None = None
        self.value_start = 0
        self.pieces: list[tuple[int, int]] = []
        self._any_option = False
        self._collecting = False
        self._indent = 0

    def read(self) -> Section:
        for line in lines_of(self.text):
            start, end = _without_comment(self.text, line)
            if start == end:
                self._blank(line, start)
                continue
            indent = start - line.start
            if self._any_option and indent > self._indent:
                self._continuation(line, start, end)
            else:
                self._indent = indent
                self._new_item(line, start, end)
        if self.last_line is None:
            raise IniError(f"There is no section [{self.section_name}].")
        return Section(self.last_line, self._option())

    def _blank(self, line: Line, start: int) -> None:
        is_comment = bool(self.text[line.start : line.end].strip())
        if self._collecting and not is_comment:
            self.pieces.append((start, start))

    def _continuation(self, line: Line, start: int, end: int) -> None:
        if self.inside:
            self.last_line = line
        if self._collecting:
            self.pieces.append((start, end))

    def _new_item(self, line: Line, start: int, end: int) -> None:
        content = self.text[start:end]
        self._collecting = False
        header = _SECTION.match(content)
        if header:
            self._any_option = False
            self._enter(header.group(1).strip(), line)
            return
        found = _OPTION.match(content)
        if not found:
            raise IniError("Line %d is neither a section, nor an option, nor a comment." % line.number)
        self._any_option = True
        if not self.inside:
            return
        self.last_line = line
        if found.group(1).strip().lower() == self.option_name:
            if self.option_line is not None:
                raise IniError(
                    "Section [%s] sets %s twice (lines %d and %d): remove one."
                    % (self.section_name, self.option_name, self.option_line.number, line.number)
                )
            self.option_line = line
            self.value_start = start + found.start(2)
            self.pieces = [(self.value_start, end)]
            self._collecting = True

    def _enter(self, name: str, line: Line) -> None:
        self.inside = name == self.section_name
        if self.inside:
            if self.last_line is not None:
                raise IniError("Section [%s] appears twice, again on line %d: merge them." % (name, line.number))
            self.last_line = line

    def _option(self) -> Option | None:
        if self.option_line is None:
            return None
        while len(self.pieces) > 1 and self.pieces[-1][0] == self.pieces[-1][1]:
            self.pieces.pop()
        characters: list[str] = []
        offsets: list[int] = []
        for index, (start, end) in enumerate(self.pieces):
            if index:
                characters.append("\n")
                offsets.append(self.pieces[index - 1][1])
            characters.extend(self.text[start:end])
            offsets.extend(range(start, end))
        return Option(self.option_line, self.value_start, "".join(characters), tuple(offsets))


def find_section(text: str, section: str, option: str) -> Section:
    """Find a section and one of its options; refuses doubled sections and options."""
    return _Reader(text, section, option).read()
