"""Whatever is set is what supervisord reads, and nothing else in the file changes for it."""

from __future__ import annotations

import pytest
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._environment_edit import (
    edit_environment,
    read_environment,
)
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._ini_text import IniError
from hypothesis import example, given
from hypothesis import strategies as st

from conftest import by_supervisor

TEXTS = [
    "[program:chat]\ncommand=x\n",
    "[program:chat]\ncommand=x",
    '[program:chat]\nenvironment=OLD="1",KEPT="a, b=c"\nuser=pmm\n',
    '[program:chat]\nenvironment=OLD="1", ; why\n  # a line between\n\n  KEPT="a, b=c" ; end\nuser=pmm\n',
    "[program:chat]\nenvironment=\n  OLD=1,\n  KEPT='a, b=c',\n; after\nuser=pmm\n[program:next]\nenvironment=A=1\n",
    '; x\r\n[program:chat]\r\nenvironment =\r\n\tOLD="1",\r\n\tKEPT="a, b=c"\r\n',
    '[program:chat]\nEnvironment: KEPT="100%%",OLD="%(ENV_HOME)s"\n'.replace("%(ENV_HOME)s", "%%"),
]
KEYS = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
NEW_KEYS = KEYS.filter(lambda key: key not in ("OLD", "KEPT"))
OLD_KEYS = st.lists(st.sampled_from(["OLD", "KEPT", "MISSING"]))
VALUES = st.text(st.characters(codec="utf-8"), max_size=12) | st.text("ab \t;#,='\"%()s:/\\", max_size=12)


@given(
    st.sampled_from(TEXTS), st.dictionaries(KEYS, VALUES, max_size=4), st.lists(st.sampled_from(["OLD", "KEPT", "NO"]))
)
@example(TEXTS[0], {"A": "%(here)s"}, [])
@example(TEXTS[3], {"A": "a ;b", "B": "x#y"}, ["KEPT"])
def test_supervisord_reads_what_was_set(text: str, assign: dict[str, str], remove: list[str]) -> None:
    remove = [key for key in remove if key not in assign]
    try:
        edited = edit_environment(text, "chat", assign, remove)
    except IniError:
        return
    expected = {key: value for key, value in by_supervisor(text, "chat").items() if key not in remove} | assign
    assert by_supervisor(edited, "chat") == expected
    assert read_environment(edited, "chat") == expected
    assert edit_environment(edited, "chat", assign, remove) == edited


@given(VALUES)
def test_only_what_supervisord_would_misread_is_refused(value: str) -> None:
    """A refused value, written in the same way, really would not arrive."""
    try:
        edit_environment(TEXTS[0], "chat", {"A": value})
    except IniError:
        if any(ord(character) < 32 or character in "\x7f\x85\u2028\u2029" for character in value):
            return
        escaped = value.replace("%", "%%")
        for quote in "\"'":
            try:
                found = by_supervisor(f"{TEXTS[0]}environment=A={quote}{escaped}{quote}\n", "chat")
            except ValueError:
                continue
            assert found != {"A": value}


@pytest.mark.parametrize("text", TEXTS)
def test_both_readers_agree(text: str) -> None:
    assert read_environment(text, "chat") == by_supervisor(text, "chat")


@given(st.sampled_from(TEXTS), st.dictionaries(NEW_KEYS, st.text("abc", min_size=1), max_size=3))
def test_what_was_added_can_be_taken_away_again(text: str, assign: dict[str, str]) -> None:
    edited = edit_environment(edit_environment(text, "chat", assign), "chat", {}, list(assign))
    assert by_supervisor(edited, "chat") == by_supervisor(text, "chat")
    assert [line for line in edited.splitlines() if line.strip()[:1] in "#;"] == [
        line for line in text.splitlines() if line.strip()[:1] in "#;"
    ]
