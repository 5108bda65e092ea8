# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Set and remove keys of one program's environment= in an ini text; every other byte stays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._environment_pairs import (
    Pair,
    check_key,
    escape,
    pairs_of,
    render,
)
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._ini_text import (
    IniError,
    Option,
    find_section,
    line_at,
)


@dataclass(frozen=True)
class _Place:
    """A pair with the places of its parts in the whole text."""

    pair: Pair
    start: int
    value_start: int
    value_end: int
    comma: int | None

    @property
    def end(self) -> int:
        return self.value_end if self.comma is None else self.comma + 1


def read_environment(text: str, program: str) -> dict[str, str]:
    """The program's environment as it stands in the text."""
    option = find_section(text, "program:" + program, "environment").option
    return {pair.key.text: pair.plain for pair in pairs_of(option.value)} if option else {}


def split_assignments(given: Mapping[str, object]) -> tuple[dict[str, str], list[str]]:
    """Values to set, as text, and names to remove: an empty value, or none, removes."""
    assign: dict[str, str] = {}
    remove: list[str] = []
    for key, value in given.items():
        if value is None or value == "":
            remove.append(key)
        elif isinstance(value, bool):
            assign[key] = "true" if value else "false"
        elif isinstance(value, (str, int, float)):
            assign[key] = str(value)
        else:
            kind = (
                "mapping" if isinstance(value, Mapping) else "list" if isinstance(value, list) else type(value).__name__
            )
            raise IniError(f"The value of {key} is a {kind}: give text, a number or a boolean.")
    return assign, remove


def edit_environment(text: str, program: str, assign: Mapping[str, str], remove: Iterable[str] = ()) -> str:
    """Return the text with these keys set and those removed."""
    unwanted = list(remove)
    for key in unwanted:
        check_key(key)
        if key in assign:
            raise IniError(f"{key} is both set and removed: choose one.")
    for key, value in assign.items():
        text = _assign(text, program, key, value)
    for key in unwanted:
        text = _remove(text, program, key)
    return text


def _places(option: Option) -> list[_Place]:
    places = []
    seen: set[str] = set()
    for pair in pairs_of(option.value):
        if pair.key.text in seen:
            raise IniError(f"environment= sets {pair.key.text} twice: remove one.")
        seen.add(pair.key.text)
        places.append(
            _Place(
                pair,
                option.offsets[pair.key.start],
                option.offsets[pair.value.start],
                option.offsets[pair.value.end - 1] + 1,
                option.offsets[pair.comma.start] if pair.comma else None,
            )
        )
    return places


def _assign(text: str, program: str, key: str, value: str) -> str:
    rendered = render(key, value)
    section = find_section(text, "program:" + program, "environment")
    if section.option is None:
        newline = _newline(text)
        at = section.last_line.next
        lead = "" if section.last_line.next > section.last_line.end else newline
        return text[:at] + lead + "environment=" + rendered + newline + text[at:]
    places = _places(section.option)
    for place in places:
        if place.pair.key.text == key:
            if place.pair.bare == escape(value):
                return text
            return text[: place.value_start] + rendered[len(key) + 1 :] + text[place.value_end :]
    if not places:
        at = section.option.value_start
        return text[:at] + rendered + text[at:]
    return _append(text, section.option, places[-1], rendered)


def _append(text: str, option: Option, last: _Place, rendered: str) -> str:
    line = line_at(text, last.start)
    had_comma = last.comma is not None
    if line.start == option.line.start:
        addition = rendered if had_comma else "," + rendered
        return text[: last.end] + addition + text[last.end :]
    content = text[line.start : line.end]
    indent = content[: len(content) - len(content.lstrip())]
    last_line = line_at(text, last.end - 1)
    added = indent + rendered + ("," if had_comma else "")
    comma = "" if had_comma else ","
    # After the whole line, so that a comment behind the last value stays where it is.
    return text[: last.end] + comma + text[last.end : last_line.end] + _newline(text) + added + text[last_line.end :]


def _remove(text: str, program: str, key: str) -> str:
    section = find_section(text, "program:" + program, "environment")
    places = _places(section.option) if section.option else []
    for index, place in enumerate(places):
        if place.pair.key.text != key:
            continue
        text = _cut(text, place.start, place.end)
        is_last = place.comma is None
        before = places[index - 1] if index else None
        if is_last and before is not None and before.comma is not None:
            text = text[: before.comma] + text[before.comma + 1 :]
        return text
    return text


def _cut(text: str, start: int, end: int) -> str:
    """Cut a stretch; take the line with it when nothing else stands on it."""
    first = line_at(text, start)
    last = line_at(text, end)
    if not text[first.start : start].strip() and not text[end : last.end].strip():
        return text[: first.start] + text[last.next :]
    while end < last.end and text[end] in " \t" and text[end + 1 : end + 2] not in ("#", ";"):
        end += 1
    return text[:start] + text[end:]


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"
