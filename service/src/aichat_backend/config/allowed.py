"""What a setting may be, in words: for error messages and for the documentation."""

from __future__ import annotations

from typing import get_args

from msgspec.inspect import BoolType, CustomType, FloatType, IntType, LiteralType, StrType, type_info

from aichat_backend.config.kinds import KINDS


def allowed(setting: str) -> str:
    """The values that a setting takes, such as "a whole number from 1 to 65535"."""
    kind = KINDS[setting]
    if kind.rule is not None:
        return kind.rule.allowed
    match type_info(kind.type):
        case LiteralType():
            return ", ".join(get_args(kind.base))  # in our order; the type's information sorts them
        case BoolType():
            return "true or false"
        case IntType() as number:
            return f"a whole number{_range(number)}"
        case FloatType() as number:
            return f"a number{_range(number)}"
        case CustomType():
            return "a path"
        case StrType(max_length=int(longest)):
            return f"text of at most {longest} characters"
        case _:
            return "text"


def _range(number: IntType | FloatType) -> str:
    match (number.ge, number.gt, number.le):
        case (None, None, None):
            return ""
        case (None, low, high):
            return f" above {low:.12g} and up to {high:.12g}"
        case (low, None, None):
            return f" from {low:.12g} on"
        case (low, _, high):
            return f" from {low:.12g} to {high:.12g}"
