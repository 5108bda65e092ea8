"""What every vendor's tool calls must have before they are told: an id of their own, and arguments that are whole."""

from __future__ import annotations

import re
import secrets
import string

import msgspec

from aichat_backend.chat.parts import ToolCallPart
from aichat_backend.errors import ProviderError, ProviderFailure
from aichat_backend.providers.base import ModelRequest
from aichat_backend.whole_characters import with_whole_characters

_USABLE_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")
"""What every vendor takes back, and fits into a list within a message."""
_ID_CHARACTERS = string.ascii_letters + string.digits
_ID_LENGTH = 9
"""Some vendors take ids of exactly this length; it is enough for one conversation."""

_OBJECT = msgspec.json.Decoder(dict[str, object])


class CallIds:
    """Gives each call of an answer an id that no other call of its conversation has."""

    def __init__(self, request: ModelRequest) -> None:
        self._taken = {
            part.id for message in request.messages for part in message.parts if isinstance(part, ToolCallPart)
        }

    def take(self, given: str | None = None) -> str:
        """The vendor's id; one of ours where that is missing, taken, or not usable."""
        chosen = given if given and _USABLE_ID.fullmatch(given) else _new_id()
        while chosen in self._taken:
            chosen = _new_id()
        self._taken.add(chosen)
        return chosen


def whole_arguments(request: ModelRequest, tool: str, arguments: str) -> str:
    """The arguments as the model wrote them, but for halves of characters, which are replaced.

    Nothing at all means `{}`, where the tool requires nothing.

    Raises:
        ProviderError: PROTOCOL when they are not a JSON object, half of which is never taken for an empty one, or
            when no tool is named.
    """
    if not tool:
        raise ProviderError(ProviderFailure.PROTOCOL, "the model called a tool without naming it")
    if not arguments.strip() and _requires_nothing(request, tool):
        return "{}"
    try:
        return _readable(arguments)
    except (msgspec.MsgspecError, RecursionError):
        raise ProviderError(
            ProviderFailure.PROTOCOL, f"the arguments of a call of {tool!r} are not a whole JSON object"
        ) from None


def _readable(arguments: str) -> str:
    try:
        _OBJECT.decode(arguments)
    except msgspec.MsgspecError:
        arguments = with_whole_characters(arguments.encode()).decode()
        _OBJECT.decode(arguments)
    return arguments


def _requires_nothing(request: ModelRequest, tool: str) -> bool:
    return any(spec.name == tool and not spec.input_schema.get("required") for spec in request.tools)


def _new_id() -> str:
    return "".join(secrets.choice(_ID_CHARACTERS) for _position in range(_ID_LENGTH))
