"""What sessions, messages and runs are known by."""

from __future__ import annotations

import base64

from aichat_backend.chat.conversation import random_id


def test_an_id_is_128_random_bits_that_fit_into_an_address() -> None:
    ids = [random_id() for _number in range(1000)]
    bits = [int.from_bytes(base64.b64decode(f"{id_}==", altchars=b"-_", validate=True)) for id_ in ids]

    assert {len(id_) for id_ in ids} == {22}
    assert len(set(bits)) == len(bits)
    # Each bit is as often set as not: 500 times of 1000, and 16 more or less is the deviation.
    assert all(350 < sum(number >> place & 1 for number in bits) < 650 for place in range(128))
