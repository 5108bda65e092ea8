"""What a tool returned, as a model gets it: every kind of content becomes something it can use."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp_types import CallToolResult

from aichat_backend.chat.tools import ToolFile, ToolOutcome
from aichat_backend.mcp.redaction import Redactor
from aichat_backend.mcp.results import outcome_of
from fakes.documents import line, pdf
from fakes.pictures import PICTURES, png

pytestmark = pytest.mark.thorough

PNG = png()
REPORT = pdf(line("All is well."))


def outcome(
    *content: dict[str, Any], most_bytes: int = 4096, secrets: tuple[str, ...] = (), **more: Any
) -> ToolOutcome:
    result = CallToolResult.model_validate({"content": list(content), **more})
    return outcome_of(result, redact=Redactor(secrets), most_bytes=most_bytes)


def text(said: str) -> dict[str, str]:
    return {"type": "text", "text": said}


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_texts_are_joined() -> None:
    assert outcome(text("one"), text(" "), text("two")) == ToolOutcome("one\n\ntwo")


@pytest.mark.parametrize(("is_error", "said"), [(False, "succeeded and returned nothing"), (True, "did not say why")])
def test_saying_nothing_is_told(is_error: bool, said: str) -> None:
    found = outcome(isError=is_error)

    assert said in found.text
    assert found.is_error is is_error


def test_a_tools_own_error_is_an_error() -> None:
    assert outcome(text("no such table"), isError=True) == ToolOutcome("no such table", is_error=True)


def test_pictures_and_sounds_become_files() -> None:
    found = outcome(
        {"type": "image", "data": encoded(PNG), "mimeType": "image/png"},
        {"type": "audio", "data": encoded(b"RIFF"), "mimeType": "audio/wav"},
    )

    picture, sound = found.files
    assert picture == ToolFile("image-1.png", "image/png", PNG)
    assert (sound.mime_type, sound.data) == ("audio/wav", b"RIFF")
    assert f"[image (image/png), {len(PNG)} bytes: attached as image-1.png]" in found.text
    assert f"attached as {sound.filename}]" in found.text


@pytest.mark.parametrize("claimed", ["image/png", "image/jpg", "IMAGE/WEBP; q=1", "application/octet-stream", ""])
@pytest.mark.parametrize("true_type", PICTURES)
def test_a_picture_is_what_its_bytes_are(true_type: str, claimed: str) -> None:
    found = outcome({"type": "image", "data": encoded(PICTURES[true_type]), "mimeType": claimed})

    suffix = true_type.removeprefix("image/")
    assert found.files == (ToolFile(f"image-1.{suffix}", true_type, PICTURES[true_type]),)
    assert f"[image ({true_type}), " in found.text
    assert "not shown" not in found.text


@pytest.mark.parametrize(
    ("claimed", "data"),
    [
        ("image/png", PNG[:-20]),
        ("image/png", PICTURES["image/jpeg"][:-2]),
        ("image/jpeg", b"Error: no display"),
        ("image/png", b""),
        ("image/tiff", b"II*\0"),
        ("application/pdf", b"Error: no such report"),
        ("application/pdf", REPORT[: len(REPORT) // 2]),
    ],
)
def test_what_no_model_could_open_is_a_file_of_no_kind_and_a_note(claimed: str, data: bytes) -> None:
    picture = {"type": "image", "data": encoded(data), "mimeType": claimed}
    resource = {"uri": "file:///a/it", "mimeType": claimed, "blob": encoded(data)}

    found = outcome(picture, {"type": "resource", "resource": resource})

    assert found.files == (
        ToolFile("image-1", "application/octet-stream", data),
        ToolFile("it", "application/octet-stream", data),
    )
    assert found.text.count("not shown to you") == 2


def test_resources_are_looked_at_too() -> None:
    found = outcome(
        {"type": "resource", "resource": {"uri": "x://shot", "blob": encoded(PNG)}},
        {"type": "resource", "resource": {"uri": "x://report", "mimeType": "image/png", "blob": encoded(REPORT)}},
    )

    assert found.files == (ToolFile("shot", "image/png", PNG), ToolFile("report", "application/pdf", REPORT))


def test_embedded_resources_are_text_or_files() -> None:
    found = outcome(
        {"type": "resource", "resource": {"uri": "file:///a/notes.md", "mimeType": "text/markdown", "text": "# Hi"}},
        {"type": "resource", "resource": {"uri": "file:///a/data.json", "blob": encoded(b'{"a": 1}')}},
        {
            "type": "resource",
            "resource": {"uri": "file:///a/b.pdf", "mimeType": "application/pdf", "blob": encoded(REPORT)},
        },
    )

    assert "Resource file:///a/notes.md (text/markdown):\n# Hi" in found.text
    assert 'Resource file:///a/data.json (application/json):\n{"a": 1}' in found.text
    assert found.files == (ToolFile("b.pdf", "application/pdf", REPORT),)


def test_a_link_is_told_with_what_is_known_of_it() -> None:
    found = outcome(
        {
            "type": "resource_link",
            "uri": "https://x/report",
            "name": "report",
            "title": "The report",
            "mimeType": "text/html",
            "size": 12,
            "description": "Of\nlast week",
        }
    )

    assert found.text == "Link to The report, https://x/report (text/html), 12 bytes: Of last week"


@pytest.mark.parametrize(
    ("said", "structured"),
    [
        ('{"rows": [1, 2]}', {"rows": [1, 2]}),
        ("17", {"result": 17}),
        ("plain", {"result": "plain"}),
        ("plain", {"content": "plain"}),
        ("plain", "plain"),
        ('{"a": null}', {"a": None}),
    ],
)
def test_structured_content_that_the_text_tells_already_is_not_told_twice(said: str, structured: object) -> None:
    assert outcome(text(said), structuredContent=structured).text == said


def test_a_list_that_is_told_line_by_line_is_not_told_twice() -> None:
    assert outcome(text("a"), text("b"), structuredContent={"result": ["a", "b"]}).text == "a\n\nb"


def test_structured_content_that_nothing_else_tells_is_told() -> None:
    assert outcome(structuredContent={"rows": ["ä"]}).text == '{"rows": ["ä"]}'
    assert outcome(text("two rows"), structuredContent={"rows": 2}).text == 'two rows\n\n{"rows": 2}'
    assert outcome(text("2"), structuredContent={"rows": 2}).text == '2\n\n{"rows": 2}'


@pytest.mark.parametrize("data", ["%%%", "YQ", "\u00fc"])
def test_bytes_that_cannot_be_read_are_told_of(data: str) -> None:
    found = outcome({"type": "image", "data": data, "mimeType": "image/png"})

    assert found.files == ()
    assert "not valid base64" in found.text


def test_too_many_or_too_large_files_are_told_of() -> None:
    large = {"type": "image", "data": encoded(bytes(6 * 1024 * 1024)), "mimeType": "image/png"}
    small = {"type": "image", "data": encoded(PNG), "mimeType": "image/png"}

    assert len(outcome(large, large).files) == 1
    assert "left out" in outcome(large, large).text
    assert len(outcome(*[small] * 9).files) == 8


def test_output_is_capped() -> None:
    found = outcome(text("head" + "x" * 10_000 + "tail"), most_bytes=1024)

    assert len(found.text.encode()) <= 1024
    assert found.text.startswith("head")
    assert found.text.endswith("tail")


def test_the_servers_own_secrets_are_taken_out_before_anything_is_cut() -> None:
    found = outcome(text("a" * 1000 + "my-secret-token" + "b" * 1000), secrets=("my-secret-token",), most_bytes=1024)

    assert "secret" not in found.text
    assert outcome(text("x my-secret-token"), secrets=("my-secret-token",)).text == "x [redacted]"


def test_control_characters_are_harmless() -> None:
    assert outcome(text("\x1b[2Jcleared\x00")).text == "cleared"


CONTENT = st.lists(
    st.one_of(
        st.builds(text, st.text()),
        st.fixed_dictionaries({"type": st.just("image"), "data": st.text(), "mimeType": st.text()}),
        st.fixed_dictionaries(
            {
                "type": st.just("resource"),
                "resource": st.fixed_dictionaries({"uri": st.text(), "blob": st.binary().map(encoded)}),
            }
        ),
        st.fixed_dictionaries({"type": st.just("resource_link"), "uri": st.text(), "name": st.text()}),
    ),
    max_size=4,
)


@given(CONTENT, st.none() | st.recursive(st.integers() | st.text(), st.lists), st.booleans())
def test_whatever_comes_there_is_something_to_say(content: list[Any], structured: object, is_error: bool) -> None:
    found = outcome(*content, most_bytes=1024, structuredContent=structured, isError=is_error)

    assert found.text
    assert len(found.text.encode()) <= 1024
    assert found.is_error is is_error
    assert all(file.filename and "/" not in file.filename for file in found.files)
