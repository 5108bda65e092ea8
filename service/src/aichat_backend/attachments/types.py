"""What a file is: what its bytes say. Its name and its sender only choose between kinds of text."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from aichat_backend.attachments.filenames import suffix_of
from aichat_backend.attachments.images import is_gif, is_jpeg, is_png, is_webp
from aichat_backend.attachments.text import decoded, is_text
from aichat_backend.errors import Impossible, UnsupportedMediaType

PDF = "application/pdf"
HTML = "text/html"
JSON = "application/json"
PLAIN = "text/plain"

IMAGES: Mapping[str, Callable[[bytes], bool]] = {
    "image/png": is_png,
    "image/jpeg": is_jpeg,
    "image/gif": is_gif,
    "image/webp": is_webp,
}
"""Each with the test of what begins like one."""

TEXTS = (
    PLAIN,
    HTML,
    "text/css",
    "text/javascript",
    "text/markdown",
    "text/xml",
    "text/yaml",
    "text/csv",
    JSON,
    "application/xml",
    "application/yaml",
)
ALLOWED = "text (plain, HTML, CSS, JavaScript, Markdown, XML, YAML, CSV, JSON), PDF and images (PNG, JPEG, GIF, WebP)"

_SIGNATURES: Mapping[bytes, str] = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
    b"%PDF-": PDF,
}
_PDF_END = b"%%EOF"
_END_OF_A_PDF = 1_024
"""Bytes at its end, among which readers look for the mark."""
_BY_SUFFIX: Mapping[str, str] = {
    "txt": PLAIN,
    "log": PLAIN,
    "sql": PLAIN,
    "html": HTML,
    "htm": HTML,
    "xhtml": HTML,
    "css": "text/css",
    "js": "text/javascript",
    "mjs": "text/javascript",
    "md": "text/markdown",
    "markdown": "text/markdown",
    "xml": "text/xml",
    "svg": "text/xml",
    "yaml": "application/yaml",
    "yml": "application/yaml",
    "csv": "text/csv",
    "json": JSON,
}
_OTHER_NAMES: Mapping[str, str] = {
    "application/javascript": "text/javascript",
    "application/x-javascript": "text/javascript",
    "application/x-yaml": "application/yaml",
    "text/x-yaml": "text/yaml",
    "text/x-markdown": "text/markdown",
    "application/csv": "text/csv",
    "text/json": JSON,
    "application/xhtml+xml": HTML,
    "image/svg+xml": "text/xml",
}


def type_of(filename: str, claimed: str, data: bytes) -> str:
    """The file's MIME type.

    Text that calls itself JSON and does not parse is plain text: one may well ask what is wrong with it.

    Raises:
        Impossible: it is empty.
        UnsupportedMediaType: it is neither text nor of a kind that is allowed; or an image without head or tail.
    """
    if not data:
        raise Impossible(f"{filename}: is empty.")
    signed = _signed_type(data)
    if signed is not None:
        whole = IMAGES.get(signed)
        if whole is not None and not whole(data):
            raise UnsupportedMediaType(f"{filename}: begins like {signed} but is damaged or incomplete.")
        return signed
    text = decoded(data)
    if text is None or not is_text(text):
        raise UnsupportedMediaType(f"{filename}: files of this type are not supported. Supported are {ALLOWED}.")
    named = _type_of_name(filename, claimed)
    return PLAIN if named == JSON and not _is_json(text) else named


def shown_type(data: bytes) -> str | None:
    """The type of a whole image or PDF, which models look at as it is; None for anything else, and for damaged ones."""
    signed = _signed_type(data)
    if signed is None:
        return None
    whole = IMAGES[signed](data) if signed in IMAGES else _PDF_END in data[-_END_OF_A_PDF:]
    return signed if whole else None


def _signed_type(data: bytes) -> str | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((mime_type for signature, mime_type in _SIGNATURES.items() if data.startswith(signature)), None)


def _type_of_name(filename: str, claimed: str) -> str:
    """The kind of text. A suffix that is known counts more than a claim, which is often made up from it."""
    claim = claimed.partition(";")[0].strip().lower()
    claim = _OTHER_NAMES.get(claim, claim)
    by_suffix = _BY_SUFFIX.get(suffix_of(filename))
    if by_suffix is not None and not _same_kind(by_suffix, claim):
        return by_suffix
    return claim if claim in TEXTS else PLAIN


def _same_kind(one: str, other: str) -> bool:
    return other in TEXTS and one.partition("/")[2] == other.partition("/")[2]


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
