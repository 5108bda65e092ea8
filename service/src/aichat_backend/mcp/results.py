"""What a tool returned, as something a model can use: text, and files beside it."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Iterator
from typing import Any, assert_never

from mcp_types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
)

from aichat_backend.attachments.types import PDF, shown_type
from aichat_backend.chat.tools import ToolFile, ToolOutcome
from aichat_backend.mcp.redaction import Redactor
from aichat_backend.mcp.text import capped, file_name, harmless, one_line

_MOST_FILES = 8
_MOST_FILE_BYTES = 10 * 1024 * 1024
"""Of all files of one result together."""
_LONGEST_LABEL = 300

_EXTENSIONS = {
    "application/json": ".json",
    "application/pdf": ".pdf",
    "application/zip": ".zip",
    "audio/mpeg": ".mp3",
    "audio/ogg": ".ogg",
    "audio/wav": ".wav",
    "image/gif": ".gif",
    "image/jpeg": ".jpeg",
    "image/png": ".png",
    "image/webp": ".webp",
    "text/csv": ".csv",
    "text/markdown": ".md",
    "text/plain": ".txt",
}
"""Python's own table is read from files of the machine, at the first use."""

_UNKNOWN_TYPE = "application/octet-stream"
_NOT_SHOWN = ", but not shown to you, for its bytes are no picture and no PDF that can be opened"

_NOTHING_SAID = {False: "The tool succeeded and returned nothing.", True: "The tool failed and did not say why."}


def outcome_of(result: CallToolResult, *, redact: Redactor, most_bytes: int) -> ToolOutcome:
    """The result for a model; nothing of it is dropped without a word."""
    collected = _Collected()
    for block in result.content:
        collected.add(block)
    if result.structured_content is not None and not _is_told(result.structured_content, collected.texts):
        collected.paragraphs.append(_as_json(result.structured_content))
    text = redact(harmless("\n\n".join(paragraph for paragraph in collected.paragraphs if paragraph.strip())))
    return ToolOutcome(
        capped(text or _NOTHING_SAID[result.is_error], most_bytes), result.is_error, tuple(collected.files)
    )


class _Collected:
    """The paragraphs and files of a result, in its order."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        """What was returned as plain text; it is among the paragraphs too."""
        self.paragraphs: list[str] = []
        self.files: list[ToolFile] = []
        self._room = _MOST_FILE_BYTES

    def add(self, block: ContentBlock) -> None:
        match block:
            case TextContent():
                self.texts.append(block.text)
                self.paragraphs.append(block.text)
            case ImageContent():
                self._add_file("image", block.data, block.mime_type, "")
            case AudioContent():
                self._add_file("audio", block.data, block.mime_type, "")
            case EmbeddedResource(resource=TextResourceContents() as resource):
                self.paragraphs.append(f"Resource {_label(resource.uri, resource.mime_type)}:\n{resource.text}")
            case EmbeddedResource(resource=BlobResourceContents() as resource):
                self._add_blob(resource)
            case ResourceLink():
                self.paragraphs.append(_link(block))
            case EmbeddedResource():
                raise AssertionError("a resource is text or a blob")
            case _:
                assert_never(block)

    def _add_blob(self, resource: BlobResourceContents) -> None:
        mime_type = resource.mime_type or _type_of(resource.uri)
        text = _decoded_text(resource.blob, mime_type)
        if text is not None:
            self.paragraphs.append(f"Resource {_label(resource.uri, mime_type)}:\n{text}")
        else:
            self._add_file("resource", resource.blob, mime_type, resource.uri)

    def _add_file(self, kind: str, data: str, mime_type: str, uri: str) -> None:
        content = _decoded(data)
        shown = shown_type(content or b"")
        told_type = shown or mime_type
        what = f"{kind} {_label(uri, told_type)}" if uri else f"{kind} ({one_line(told_type, _LONGEST_LABEL)})"
        if content is None:
            self.paragraphs.append(f"[{what}: left out, for it is not valid base64]")
        elif len(content) > self._room or len(self.files) == _MOST_FILES:
            self.paragraphs.append(
                f"[{what}, {len(content)} bytes: left out, for the result has too much of this kind]"
            )
        else:
            self._room -= len(content)
            plain_type = one_line(told_type.partition(";")[0].lower(), _LONGEST_LABEL)
            spoilt = shown is None and _would_be_shown(plain_type)
            kept_type = _UNKNOWN_TYPE if spoilt else plain_type
            name = file_name(uri, f"{kind}-{len(self.files) + 1}{_EXTENSIONS.get(kept_type, '')}")
            self.files.append(ToolFile(name, kept_type, content))
            self.paragraphs.append(f"[{what}, {len(content)} bytes: attached as {name}{_NOT_SHOWN if spoilt else ''}]")


def _would_be_shown(mime_type: str) -> bool:
    """Whether a model would get such a file as it is; one that its provider cannot open spoils the conversation."""
    return mime_type.startswith("image/") or mime_type == PDF


def _type_of(uri: str) -> str:
    ending = file_name(uri, "").lower()
    return next((kind for kind, extension in _EXTENSIONS.items() if ending.endswith(extension)), _UNKNOWN_TYPE)


def _decoded(data: str) -> bytes | None:
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return None


def _decoded_text(data: str, mime_type: str) -> str | None:
    """The text in it, if it is of a type that is text."""
    plain_type = mime_type.partition(";")[0].strip().lower()
    if not plain_type.startswith("text/") and plain_type not in ("application/json", "application/xml"):
        return None
    content = _decoded(data)
    try:
        return None if content is None else content.decode()
    except UnicodeDecodeError:
        return None


def _link(link: ResourceLink) -> str:
    size = f", {link.size} bytes" if link.size is not None else ""
    title = one_line(link.title or link.name, _LONGEST_LABEL)
    about = f": {one_line(link.description, _LONGEST_LABEL)}" if link.description else ""
    return f"Link to {title}, {_label(link.uri, link.mime_type)}{size}{about}"


def _label(uri: str, mime_type: str | None) -> str:
    return one_line(f"{uri} ({mime_type})" if mime_type else uri, _LONGEST_LABEL)


def _is_told(structured: Any, texts: Iterable[str]) -> bool:
    """Whether the texts say the same already, as the protocol advises servers to do.

    Many SDKs wrap what is no object into one with a single key.
    """
    said = list(texts)
    only = next(iter(structured.values())) if isinstance(structured, dict) and len(structured) == 1 else structured
    if only in said or (isinstance(only, list) and only and only == said):
        return True
    meant = (structured, structured["result"]) if only is not structured and "result" in structured else (structured,)
    return any(value in meant for value in _values(said))


def _values(texts: Iterable[str]) -> Iterator[Any]:
    for text in texts:
        try:
            yield json.loads(text)
        except (ValueError, RecursionError):
            continue


def _as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
