"""Whether a tool call runs, waits for the user, or is refused."""

from __future__ import annotations

from collections.abc import Sequence

from aichat_backend.chat.conversation import Message
from aichat_backend.chat.parts import AttachmentPart, Part, ToolResultPart
from aichat_backend.chat.tools import Tool, ToolPolicy


def policy_for(tool: Tool, *, tainted: bool) -> ToolPolicy:
    """The policy for a call that is made now.

    A conversation is tainted once it holds what others wrote: such text may talk a model into calls that the user
    never asked for, so only what changes nothing stays automatic.
    """
    if tool.policy is ToolPolicy.AUTO and tainted and not tool.read_only:
        return ToolPolicy.ASK
    return tool.policy


def is_tainted(history: Sequence[Message], draft: Sequence[Part]) -> bool:
    """Whether files, results of tools or what a page told of itself are in the conversation.

    What is too old to be sent counts as well: what the model said of it may still be sent.
    """
    return _holds_foreign_text(draft) or any(
        message.context or _holds_foreign_text(message.parts) for message in history
    )


def _holds_foreign_text(parts: Sequence[Part]) -> bool:
    return any(
        isinstance(part, AttachmentPart) or (isinstance(part, ToolResultPart) and part.started_at is not None)
        for part in parts
    )
