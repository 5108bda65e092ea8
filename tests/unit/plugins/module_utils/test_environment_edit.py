# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Setting and removing keys leaves everything else as it was, byte for byte."""

from __future__ import annotations

import pytest
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._environment_edit import (
    edit_environment,
    read_environment,
    split_assignments,
)
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._ini_text import IniError

INI = """\
; a comment before everything
[program:other]
environment=PORT="1"

[program:chat]
command=/usr/sbin/chat
environment=
    PORT="3001", ; the port
    ; a comment in between
    MODEL="small",
    URL="http://h/?a=1&b=2" # the last one
autostart=true ; and so on
"""


def test_reads_what_supervisord_would_read() -> None:
    assert read_environment(INI, "chat") == {"PORT": "3001", "MODEL": "small", "URL": "http://h/?a=1&b=2"}
    assert read_environment(INI, "other") == {"PORT": "1"}


def test_a_program_without_environment_has_none() -> None:
    assert read_environment("[program:chat]\ncommand=x\n", "chat") == {}


def test_a_changed_value_changes_only_itself() -> None:
    assert edit_environment(INI, "chat", {"MODEL": "large"}) == INI.replace('MODEL="small"', 'MODEL="large"')


def test_the_same_value_changes_nothing() -> None:
    assert edit_environment(INI, "chat", {"PORT": "3001", "MODEL": "small"}, ["MISSING"]) == INI


@pytest.mark.parametrize("written", ["PORT=3001", "PORT='3001'", 'PORT = "3001"'])
def test_another_way_to_write_the_same_value_stays(written: str) -> None:
    text = f"[program:chat]\nenvironment={written}\n"
    assert edit_environment(text, "chat", {"PORT": "3001"}) == text


def test_a_new_key_goes_on_a_line_of_its_own_and_the_comment_stays_behind_its_value() -> None:
    expected = INI.replace(
        'b=2" # the last one\n',
        'b=2", # the last one\n    NEW="x"\n',
    )
    assert edit_environment(INI, "chat", {"NEW": "x"}) == expected


def test_a_new_key_joins_pairs_on_one_line() -> None:
    assert edit_environment(INI, "other", {"NEW": "x"}) == INI.replace('PORT="1"', 'PORT="1",NEW="x"')


def test_a_comma_after_the_last_pair_is_kept() -> None:
    text = '[program:chat]\nenvironment=\n  A="1",\n  B="2",\n'
    assert edit_environment(text, "chat", {"C": "3"}) == '[program:chat]\nenvironment=\n  A="1",\n  B="2",\n  C="3",\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[program:chat]\ncommand=x", '[program:chat]\ncommand=x\nenvironment=A="1"\n'),
        ("[program:chat]\n; end\n\n[x]\n", '[program:chat]\nenvironment=A="1"\n; end\n\n[x]\n'),
        ("[program:chat]\nenvironment=\nuser=a\n", '[program:chat]\nenvironment=A="1"\nuser=a\n'),
        ("[program:chat]\r\ncommand=x\r\n", '[program:chat]\r\ncommand=x\r\nenvironment=A="1"\r\n'),
    ],
)
def test_a_missing_environment_is_added(text: str, expected: str) -> None:
    assert edit_environment(text, "chat", {"A": "1"}) == expected


def test_removing_a_key_in_the_middle_takes_its_line() -> None:
    assert edit_environment(INI, "chat", {}, ["MODEL"]) == INI.replace('    MODEL="small",\n', "")


def test_removing_the_last_key_takes_the_comma_before_it() -> None:
    text = '[program:chat]\nenvironment=\n  A="1",\n  B="2"\nuser=a\n'
    assert edit_environment(text, "chat", {}, ["B"]) == '[program:chat]\nenvironment=\n  A="1"\nuser=a\n'


def test_removing_from_one_line() -> None:
    text = '[program:chat]\nenvironment=A="1",B="2",C="3"\n'
    assert edit_environment(text, "chat", {}, ["A"]) == '[program:chat]\nenvironment=B="2",C="3"\n'
    assert edit_environment(text, "chat", {}, ["B"]) == '[program:chat]\nenvironment=A="1",C="3"\n'
    assert edit_environment(text, "chat", {}, ["C"]) == '[program:chat]\nenvironment=A="1",B="2"\n'
    assert edit_environment(text, "chat", {}, ["A", "B", "C"]) == "[program:chat]\nenvironment=\n"


def test_a_key_is_not_found_inside_a_value_or_a_comment() -> None:
    text = '[program:chat]\nenvironment=\n  ; B="9",\n  A="B=1,B=2"\n'
    assert edit_environment(text, "chat", {"B": "3"}) == text.replace('B=2"', 'B=2",\n  B="3"')


@pytest.mark.parametrize(
    "value", ["100%", "%(ENV_HOME)s", "%%", "a b", "a,b=c", "it's", 'say "hi" now', "", ";x", "#x", "ü"]
)
def test_what_is_set_is_read_back(value: str) -> None:
    assert read_environment(edit_environment(INI, "chat", {"NEW": value}), "chat")["NEW"] == value


@pytest.mark.parametrize(
    "value",
    ["two\nlines", "\r", "a ;b", "a\u00a0#b", "both \" and ' quotes", "'quoted'", 'ends "', "\0", "x %(here)s"],
)
def test_what_supervisord_cannot_express_is_refused_without_showing_it(value: str) -> None:
    with pytest.raises(IniError) as problem:
        edit_environment(INI, "chat", {"SECRET": value})
    assert "SECRET" in str(problem.value)
    assert value not in str(problem.value) or len(value) < 3


@pytest.mark.parametrize("key", ["", "1A", "A-B", "A B", "A\n", "Ä"])
def test_a_bad_name_is_refused(key: str) -> None:
    with pytest.raises(IniError, match="environment variable"):
        edit_environment(INI, "chat", {key: "x"})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[program:other]\n", r"no section \[program:chat\]"),
        ("[program:chat]\na=1\n[program:chat]\n", "appears twice"),
        ("[program:chat]\nenvironment=A=1\nenvironment=B=2\n", "twice"),
        ("[program:chat]\nenvironment=A=1,A=2\n", "sets A twice"),
        ("[program:chat]\nenvironment=A=\n", "malformed"),
        ("[program:chat]\nenvironment=A=hidden@value\n", "comma after the value of A"),
        ('[program:chat]\nenvironment=A="hidden\n', "never closed"),
        ("[program:chat]\nhidden words\n", "Line 2 is neither"),
    ],
)
def test_what_cannot_be_changed_without_guessing_is_refused(text: str, problem: str) -> None:
    with pytest.raises(IniError, match=problem) as refused:
        edit_environment(text, "chat", {"NEW": "x"})
    assert "hidden" not in str(refused.value)


def test_setting_and_removing_one_key_is_a_contradiction() -> None:
    with pytest.raises(IniError, match="both set and removed"):
        edit_environment(INI, "chat", {"PORT": "1"}, ["PORT"])


def test_empty_values_remove_and_the_rest_becomes_text() -> None:
    given = {"A": "", "B": None, "C": 0, "D": True, "E": 0.5}
    assert split_assignments(given) == ({"C": "0", "D": "true", "E": "0.5"}, ["A", "B"])


class TemplatedList(list[str]):
    """Ansible hands over lists and dictionaries as classes of its own."""


@pytest.mark.parametrize(("value", "kind"), [(TemplatedList("x"), "list"), ({"x": "y"}, "mapping"), (b"x", "bytes")])
def test_what_is_no_text_is_named_as_operators_know_it(value: object, kind: str) -> None:
    with pytest.raises(IniError, match=f"value of A is a {kind}:"):
        split_assignments({"A": value})
