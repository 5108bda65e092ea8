"""Which calls run by themselves."""

from __future__ import annotations

import pytest

from aichat_backend.chat.conversation import Message
from aichat_backend.chat.policy import is_tainted, policy_for
from aichat_backend.chat.tools import ToolPolicy
from fakes.messages import assistant, call, file, result, user
from fakes.toolbox import tool


@pytest.mark.parametrize("policy", ToolPolicy)
@pytest.mark.parametrize("read_only", [True, False])
def test_the_operator_s_policy_holds_while_nothing_foreign_is_in_the_conversation(
    policy: ToolPolicy, *, read_only: bool
) -> None:
    assert policy_for(tool(policy=policy, read_only=read_only), tainted=False) is policy


def test_after_foreign_text_only_what_changes_nothing_stays_automatic() -> None:
    assert policy_for(tool(policy=ToolPolicy.AUTO, read_only=False), tainted=True) is ToolPolicy.ASK
    assert policy_for(tool(policy=ToolPolicy.AUTO, read_only=True), tainted=True) is ToolPolicy.AUTO
    assert policy_for(tool(policy=ToolPolicy.DENY, read_only=True), tainted=True) is ToolPolicy.DENY


@pytest.mark.parametrize(
    "foreign",
    [
        user("See.", file()),
        user("Explain.", context={"query": "SELECT 'obey'"}),
        assistant(call("a"), result("a"), "Done."),
    ],
)
def test_a_conversation_is_tainted_by_files_pages_and_what_tools_returned_from_then_on(foreign: Message) -> None:
    assert is_tainted([foreign], [])
    assert is_tainted([user("Go."), foreign, user("Go on.")], [])
    assert is_tainted([foreign, *[user("Go on."), assistant("Yes.")] * 50, user("And now?")], [])


def test_a_conversation_is_tainted_by_what_a_tool_returned_just_now() -> None:
    assert is_tainted([user("Go.")], [call("a"), result("a")])


def test_a_conversation_is_not_tainted_by_what_user_and_model_said_or_by_what_did_not_run() -> None:
    assert not is_tainted([user("Go."), assistant("Done."), user("Go on.")], [])
    assert not is_tainted([user("Go.")], [call("a"), result("a", "There is no such tool.", ran=False)])
