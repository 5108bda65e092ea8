"""Files that are taken, and those that are not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from aichat_backend.attachments.documents import DocumentKind, DocumentReader, DocumentText, Locked, Unreadable
from aichat_backend.attachments.extraction import TextExtractor
from aichat_backend.attachments.form import Upload
from aichat_backend.attachments.intake import Intake
from aichat_backend.attachments.limits import UploadLimits
from aichat_backend.attachments.native import NativeFiles
from aichat_backend.chat.files import NewFile
from aichat_backend.errors import Impossible, PayloadTooLarge, UnsupportedMediaType
from fakes.documents import line, pdf
from fakes.pictures import png

LIMITS = UploadLimits(files=3, file_bytes=1_000, message_bytes=1_000)
TEXT = Upload("a.csv", "text/csv", b"a,b\n")
PICTURE = Upload("a.png", "text/plain", png())
PDF = Upload("a.pdf", "", pdf(line("x")))


class Documents(DocumentReader):
    """Finds in every document what the test says."""

    def __init__(self) -> None:
        super().__init__(characters=100)
        self.finds: DocumentText | Unreadable = DocumentText("Hello", complete=True)

    def read(self, _kind: DocumentKind, _data: bytes) -> DocumentText:
        if isinstance(self.finds, Unreadable):
            raise self.finds
        return self.finds


@pytest.fixture
def documents() -> Documents:
    return Documents()


def intake(documents: Documents, *, images: bool, pdfs: bool, **rooms: int) -> Intake:
    extractor = TextExtractor(characters=100, documents=documents)
    return Intake(limits=LIMITS, native=NativeFiles.of(images=images, pdfs=pdfs, **rooms), extractor=extractor)


@pytest.fixture
def seeing(documents: Documents) -> Iterator[Intake]:
    """For a model that takes everything."""
    taking = intake(documents, images=True, pdfs=True)
    yield taking
    taking.close()


@pytest.fixture
def reading(documents: Documents) -> Iterator[Intake]:
    """For a model that takes text alone."""
    taking = intake(documents, images=False, pdfs=False)
    yield taking
    taking.close()


async def test_files_are_what_their_bytes_say_with_their_texts(seeing: Intake) -> None:
    assert await seeing.take([TEXT, PICTURE, PDF]) == (
        NewFile("a.csv", "text/csv", TEXT.data, "a,b\n"),
        NewFile("a.png", "image/png", PICTURE.data, None),
        NewFile("a.pdf", "application/pdf", PDF.data, "Hello"),
    )


async def test_a_model_that_cannot_see_gets_no_pictures(reading: Intake) -> None:
    with pytest.raises(Impossible, match=r"^a\.png: .*images") as refusal:
        await reading.take([TEXT, PICTURE])

    assert refusal.value.code == "unsupported_by_model"


async def test_a_model_that_takes_no_pdfs_gets_their_text(reading: Intake) -> None:
    assert [file.text for file in await reading.take([PDF])] == ["Hello"]


async def test_a_pdf_without_text_is_only_for_models_that_take_pdfs(
    seeing: Intake, reading: Intake, documents: Documents
) -> None:
    documents.finds = Unreadable("has no text.")

    assert [file.text for file in await seeing.take([PDF])] == [None]
    with pytest.raises(Impossible, match=r"^a\.pdf: has no text\. .*only the text") as refusal:
        await reading.take([PDF])
    assert refusal.value.code == "unsupported_by_model"


async def test_a_locked_pdf_is_for_nobody(seeing: Intake, reading: Intake, documents: Documents) -> None:
    documents.finds = Locked("is protected by a password.")

    for taking in (seeing, reading):
        with pytest.raises(Impossible, match=r"^a\.pdf: is protected"):
            await taking.take([PDF])


async def test_one_that_is_not_allowed_refuses_all(seeing: Intake) -> None:
    with pytest.raises(UnsupportedMediaType, match=r"^a\.exe:"):
        await seeing.take([TEXT, Upload("a.exe", "text/plain", b"MZ\0\0")])


async def test_limits_hold_for_whoever_does_not_read_a_form(seeing: Intake) -> None:
    await seeing.take([Upload("a.txt", "", b"x" * 1_000)] * 3)

    with pytest.raises(PayloadTooLarge, match=r"^a\.txt: .*1000 bytes"):
        await seeing.take([Upload("a.txt", "", b"x" * 1_001)])
    with pytest.raises(PayloadTooLarge, match="at most 3"):
        await seeing.take([TEXT] * 4)


@pytest.mark.parametrize(("mime_type", "has_text", "usable"), [("image/png", False, False), ("text/csv", True, True)])
def test_an_earlier_file_must_suit_the_model_too(reading: Intake, mime_type: str, has_text: bool, usable: bool) -> None:
    if usable:
        reading.require_usable("a", mime_type, has_text=has_text)
    else:
        with pytest.raises(Impossible, match=r"^a: "):
            reading.require_usable("a", mime_type, has_text=has_text)


def test_what_has_no_text_must_have_room_in_a_request(documents: Documents) -> None:
    narrow = intake(documents, images=True, pdfs=True, file_room=100, picture_room=60)
    picture, scan = NewFile("a.png", "image/png", b"x" * 60), NewFile("scan.pdf", "application/pdf", b"x" * 40)
    readable = NewFile("a.pdf", "application/pdf", b"x" * 1_000, "Hello")

    narrow.require_room([picture, scan, readable])
    with pytest.raises(PayloadTooLarge, match="at most 100 bytes together") as refusal:
        narrow.require_room([picture, scan, NewFile("b.pdf", "application/pdf", b"x")])
    assert refusal.value.code == "too_large_for_model"
    with pytest.raises(PayloadTooLarge, match=r"big.png: .* at most 60 bytes"):
        narrow.require_room([NewFile("big.png", "image/png", b"x" * 61)])
    narrow.close()


def test_without_a_limit_of_the_model_everything_has_room(seeing: Intake) -> None:
    seeing.require_room([NewFile("a.png", "image/png", b"x" * 1_000_000)])
