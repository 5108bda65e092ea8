"""Documents read in a process of its own, hostile ones too."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from aichat_backend.attachments.documents import DocumentKind, DocumentReader, Locked, Unreadable
from fakes.documents import encrypted, line, pdf
from fakes.processes import STARTS_PROCESSES

pytestmark = STARTS_PROCESSES

READER = DocumentReader(characters=10_000)
HURRIED = DocumentReader(characters=10_000, cpu_seconds=1)
"""Gives up after a second, to try what must be given up."""


def test_a_pdf_is_read_page_by_page() -> None:
    read = READER.read(DocumentKind.PDF, pdf(line("Hello"), b"", line("world")))

    assert read.text.split() == ["[page", "1]", "Hello", "[page", "3]", "world"]
    assert read.complete


def test_a_pdf_that_only_its_owner_may_change_is_read() -> None:
    assert "Hello" in READER.read(DocumentKind.PDF, encrypted(pdf(line("Hello")), user_password="")).text


def test_a_pdf_with_a_password_is_locked() -> None:
    with pytest.raises(Locked, match="password"):
        READER.read(DocumentKind.PDF, encrypted(pdf(line("Hello")), user_password="secret"))


def test_a_pdf_without_words_has_none() -> None:
    with pytest.raises(Unreadable, match="pictures"):
        READER.read(DocumentKind.PDF, pdf(b""))


@pytest.mark.parametrize("data", [b"%PDF-1.4 nothing else", pdf(line("x"))[:150], b"%PDF-" + b"\0" * 1000])
def test_a_damaged_pdf_is_told_as_such(data: bytes) -> None:
    with pytest.raises(Unreadable, match="damaged"):
        READER.read(DocumentKind.PDF, data)


def test_a_page_that_is_damaged_does_not_lose_the_others() -> None:
    read = READER.read(DocumentKind.PDF, pdf(line("Hello"), b"[" * 3_000_000))

    assert "Hello" in read.text


def test_a_long_document_is_read_as_far_as_wanted() -> None:
    read = DocumentReader(characters=100).read(DocumentKind.PDF, pdf(line("x" * 60), line("y" * 60), line("z" * 60)))

    assert (len(read.text), read.complete) == (100, False)
    assert "z" not in read.text


def test_a_bomb_that_unpacks_to_a_gigabyte_is_defused() -> None:
    with pytest.raises(Unreadable):
        READER.read(DocumentKind.PDF, pdf(b" " * 200_000_000))


def test_what_was_read_before_time_ran_out_is_kept() -> None:
    # To read the first page, the process has to begin, which is no matter of the other one.
    patient = DocumentReader(characters=10_000, cpu_seconds=4)

    read = patient.read(DocumentKind.PDF, pdf(line("Hello"), b"BT " + b"(aaaaaaaa) Tj " * 2_000_000))

    assert "Hello" in read.text
    assert not read.complete


@pytest.mark.parametrize("html", [b"<a" * 2_000_000, b"<!--" * 2_000_000, b"<a " + b"x " * 4_000_000])
def test_a_page_built_to_exhaust_its_reader_exhausts_only_that_process(html: bytes) -> None:
    others = children()

    with pytest.raises(Unreadable, match="in time"):
        HURRIED.read(DocumentKind.HTML, html)

    assert children() <= others


def children() -> set[str]:
    """Of this process, also ended ones that were not waited for. A fixture of other tests may have left some."""
    return {child for task in Path("/proc/self/task").iterdir() for child in (task / "children").read_text().split()}


def test_a_reading_ends_when_the_reader_is_closed() -> None:
    patient = DocumentReader(characters=10_000, cpu_seconds=600)
    with ThreadPoolExecutor(1) as thread:
        reading = thread.submit(patient.read, DocumentKind.HTML, b"<a" * 2_000_000)
        while not reading.done():
            patient.close()

        with pytest.raises(Unreadable):
            reading.result(timeout=30)


def test_the_process_knows_nothing_of_our_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONSTARTUP", "/nonexistent")
    monkeypatch.setenv("AICHAT_API_KEY", "canary")
    seen: list[dict[str, str]] = []
    start = __import__("subprocess").Popen

    def watched(*arguments: object, env: dict[str, str], **more: object) -> object:
        seen.append(env)
        return start(*arguments, env=env, **more)

    monkeypatch.setattr("subprocess.Popen", watched)
    READER.read(DocumentKind.HTML, b"<p>x")

    assert [env.keys() for env in seen] == [{"PYTHONPATH", "PYTHONDONTWRITEBYTECODE"}]
