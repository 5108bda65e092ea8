"""A secret is given to who asks for it, and shown to nobody."""

from __future__ import annotations

import json
import pickle
import traceback

import msgspec
import pytest

from aichat_backend.config.secrets import Secret

CANARY = "canary-3d77"
SECRET = Secret(CANARY)


def test_who_asks_for_it_gets_it() -> None:
    assert SECRET.reveal() == CANARY


@pytest.mark.parametrize(
    "shown",
    [
        repr(SECRET),
        str(SECRET),
        f"{SECRET}",
        f"{SECRET!r:>40}",
        "%s %r" % (SECRET, SECRET),  # noqa: UP031 - one more way to print it
        repr([SECRET, {"key": SECRET}]),
        json.dumps(SECRET, default=str),
        msgspec.json.encode(SECRET, enc_hook=str).decode(),
    ],
)
def test_as_text_it_is_a_mask(shown: str) -> None:
    assert CANARY not in shown
    assert "********" in shown


def test_its_length_is_not_told() -> None:
    assert str(Secret("a")) == str(Secret("a" * 50))


@pytest.mark.parametrize("stored", [json.dumps, msgspec.json.encode, msgspec.msgpack.encode, pickle.dumps])
def test_it_cannot_be_stored(stored: object) -> None:
    with pytest.raises(TypeError) as caught:
        stored(SECRET)  # type: ignore[operator]
    assert CANARY not in "".join(traceback.format_exception(caught.value))


def test_it_is_equal_to_the_same_one_only() -> None:
    assert Secret(CANARY) == SECRET
    assert {Secret(CANARY), SECRET} == {SECRET}
    assert Secret("another") != SECRET
    assert SECRET != CANARY
