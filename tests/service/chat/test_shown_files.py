"""Which files of a conversation a model is shown, and what it gets in place of the others."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from aichat_backend.chat.conversation import Message
from aichat_backend.chat.files import NewFile, StoredFile
from aichat_backend.chat.parts import AttachmentPart, FilePart, TextPart
from aichat_backend.chat.shown_files import MOST_FILE_BYTES, load_files
from aichat_backend.chat.transcript import transcript
from aichat_backend.providers.base import Capabilities
from fakes.files import FilesInMemory
from fakes.messages import assistant, call, result, user


class Counted(FilesInMemory):
    """Knows what was read."""

    def __init__(self) -> None:
        super().__init__()
        self.was_read: list[str] = []

    async def read(self, sha256: str) -> StoredFile | None:
        self.was_read.append(sha256)
        return await super().read(sha256)


@pytest.fixture
def files() -> Counted:
    return Counted()


ABLE = Capabilities(request_bytes=4_000_000 + 4 * 40)
"""With room for 120 bytes of files."""


async def keep(files: FilesInMemory, name: str, size: int, text: str | None = None) -> AttachmentPart:
    mime_type = "image/png" if name.endswith(".png") else "application/pdf" if name.endswith(".pdf") else "text/plain"
    return await files.keep(NewFile(name, mime_type, name.encode().ljust(size), text))


async def shown(files: FilesInMemory, able: Capabilities, *history: Message) -> dict[str, str]:
    """What is sent of each file: its bytes, or which text."""
    steps = transcript(history)
    loaded = await load_files(steps, files, able)
    names = {part.id: part.filename for part in files.kept}
    return {
        names[id_]: "bytes" if isinstance(part, FilePart) else part.text.splitlines()[0].partition(":")[0]
        for id_, part in loaded.items()
    }


async def test_the_newest_files_are_shown_and_older_ones_are_told_of(files: Counted) -> None:
    old, report, new = (
        await keep(files, "old.png", 60),
        await keep(files, "report.pdf", 60, "Hello"),
        await keep(files, "new.png", 100),
    )
    history = [user("See.", old), assistant("Yes."), user("Read.", report), assistant("Yes."), user("And?", new)]

    assert await shown(files, ABLE, *history) == {
        "new.png": "bytes",
        "report.pdf": '<file_content name="report.pdf">',
        "old.png": "[The file old.png is not shown",
    }
    assert old.sha256 not in files.was_read, "what is not shown need not be read"


async def test_a_smaller_file_may_be_shown_where_a_larger_one_has_no_room(files: Counted) -> None:
    small, large, new = [await keep(files, name, size) for name, size in (("a.png", 20), ("b.png", 60), ("c.png", 100))]

    sent = await shown(
        files, ABLE, user("See.", small), assistant("."), user("See.", large), assistant("."), user("!", new)
    )

    assert [sent[name] == "bytes" for name in ("a.png", "b.png", "c.png")] == [True, False, True]


async def test_in_one_message_what_has_no_text_comes_first(files: Counted) -> None:
    report, scan = await keep(files, "report.pdf", 80, "Hello"), await keep(files, "scan.pdf", 80)

    sent = await shown(files, ABLE, user("Read.", report, scan))

    assert sent == {"scan.pdf": "bytes", "report.pdf": '<file_content name="report.pdf">'}


async def test_files_of_tools_are_the_newest(files: Counted) -> None:
    mine, plot = await keep(files, "mine.png", 80), await keep(files, "plot.png", 80)
    ran = replace(result("a"), files=(plot,))

    sent = await shown(files, ABLE, user("See.", mine), assistant(call("a"), ran))

    assert sent == {"plot.png": "bytes", "mine.png": "[The file mine.png is not shown"}


async def test_text_takes_no_room_of_files(files: Counted) -> None:
    notes, new = await keep(files, "notes.txt", 500, "words"), await keep(files, "new.png", 120)

    loaded = await load_files(transcript([user("Read.", notes, new)]), files, ABLE)

    assert all(isinstance(part, FilePart) for part in loaded.values())


async def test_a_picture_that_is_too_large_for_the_model_is_not_sent(files: Counted) -> None:
    picture = await keep(files, "a.png", 61)
    able = Capabilities(picture_bytes=80)

    assert await shown(files, able, user("See.", picture)) == {"a.png": "[The file a.png is not shown"}


async def test_without_a_limit_the_latest_turn_has_all_its_files_and_earlier_ones_what_is_left(files: Counted) -> None:
    old, new = await keep(files, "old.png", MOST_FILE_BYTES // 2), await keep(files, "new.png", MOST_FILE_BYTES // 2)
    huge = await keep(files, "huge.png", MOST_FILE_BYTES + 1)
    able = Capabilities()

    assert set((await shown(files, able, user("1", old), assistant("."), user("2", new))).values()) == {"bytes"}
    sent = await shown(files, able, user("1", old), assistant("."), user("2", huge))
    assert sent == {"huge.png": "bytes", "old.png": "[The file old.png is not shown"}


async def test_what_a_model_cannot_look_at_is_left_to_its_provider(files: Counted) -> None:
    report = await keep(files, "report.pdf", 500, "Hello")

    loaded = await load_files(
        transcript([user("Read.", report)]), files, Capabilities(pdfs=False, request_bytes=4_000_000)
    )

    assert [type(part) for part in loaded.values()] == [FilePart]


async def test_a_file_that_is_gone_is_told_as_such(files: Counted) -> None:
    gone = await keep(files, "a.png", 10)
    files.contents.clear()

    assert list((await load_files(transcript([user("See.", gone)]), files, ABLE)).values()) == [
        TextPart("[The file a.png is no longer there.]")
    ]
