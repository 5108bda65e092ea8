"""The settings as data: what their fields in `Options` say of each."""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from msgspec.structs import fields

from aichat_backend.config.secrets import Secret
from aichat_backend.config.settings import Options
from aichat_backend.config.values import Rule


class Kind(NamedTuple):
    """What a setting takes."""

    type: Any
    """With its limits, and without None, which cannot be written."""
    base: Any
    """The type alone."""
    rule: Rule | None

    @property
    def is_secret(self) -> bool:
        """Whether values must not be shown."""
        return self.base is Secret


def _kind(annotation: Any) -> Kind:
    if get_origin(annotation) in (Union, UnionType):
        (annotation,) = (member for member in get_args(annotation) if member is not NoneType)
    if get_origin(annotation) is not Annotated:
        return Kind(annotation, annotation, None)
    base, *more = get_args(annotation)
    return Kind(annotation, base, next((each for each in more if isinstance(each, Rule)), None))


KINDS: Mapping[str, Kind] = {field.name: _kind(field.type) for field in fields(Options)}
"""Every setting, in the order of their definition."""
