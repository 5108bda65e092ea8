# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role asks on the server itself never goes through a proxy, whatever the server's environment names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[3]
FILES = sorted([*PROJECT.glob("roles/ai_chat/*/*.yml"), *PROJECT.glob("playbooks/*.yml")])


def requests(value: Any) -> Iterator[dict[str, Any]]:
    """The arguments of all tasks that ask over HTTP, however deep in blocks."""
    if isinstance(value, dict):
        if "ansible.builtin.uri" in value:
            yield value["ansible.builtin.uri"]
        for inner in value.values():
            yield from requests(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from requests(inner)


ASKED = [(file.name, request) for file in FILES for request in requests(yaml.safe_load(file.read_text()))]


def test_there_are_such_requests() -> None:
    assert {"verify.yml", "proxy.yml", "roll_out_ai_chat.yml"} <= {name for name, _request in ASKED}


@pytest.mark.parametrize(("name", "request_"), ASKED, ids=[name for name, _request in ASKED])
def test_a_request_goes_straight_to_this_server(name: str, request_: dict[str, Any]) -> None:
    assert request_["url"].startswith(("http://127.0.0.1:", "{{ ai_chat_pmm_authentication }}")), name
    assert request_.get("use_proxy") is False
