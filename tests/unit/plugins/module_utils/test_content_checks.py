# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What counts as a list of MCP servers."""

from __future__ import annotations

import json

import pytest
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._content_checks import (
    ContentProblem,
    check_json,
    check_mcp_servers,
)


@pytest.mark.parametrize(
    "document",
    [
        {"servers": []},
        {"servers": [{"name": "a", "command": "npx", "args": ["-y"], "enabled": False}]},
        {"servers": [{"name": "a", "url": "http://localhost/mcp"}]},
        {"mcpServers": {"a": {"command": "npx"}, "b": {"url": "http://localhost"}}},
    ],
)
def test_both_shapes_are_known(document: dict[str, object]) -> None:
    assert check_mcp_servers(json.dumps(document).encode()) == document


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{,}", "not JSON: .* line 1, column 2"),
        ("[]", "neither"),
        ('{"servers": {}}', "neither"),
        ('{"servers": ["x"]}', "number 1 is not an object"),
        ('{"servers": [{"command": "x"}]}', 'number 1 has no "name"'),
        ('{"servers": [{"name": "a", "command": "x"}, {"name": "a", "command": "y"}]}', "a appears twice"),
        ('{"servers": [{"name": "a"}]}', 'neither a "command" nor a "url"'),
        ('{"servers": [{"name": "a", "command": "x", "args": "y"}]}', "not a list of strings"),
        ('{"servers": [{"name": "a", "command": "x", "enabled": "yes"}]}', "neither true nor false"),
        ('{"mcpServers": {"a": []}}', "number 1 is not an object"),
    ],
)
def test_anything_else_is_refused(content: str, problem: str) -> None:
    with pytest.raises(ContentProblem, match=problem):
        check_mcp_servers(content.encode())


def test_other_encodings_are_refused() -> None:
    with pytest.raises(ContentProblem, match="UTF-8"):
        check_json(b'{"a": "\xff"}')
