# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role says when it has put a server back, and where it looks for the service that was there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROLE = Path(__file__).resolve().parents[3] / "roles" / "ai_chat"
VARIABLES = yaml.safe_load((ROLE / "vars" / "main.yml").read_text())


def value(name: str, **variables: Any) -> Any:
    return Templar(DataLoader(), variables=variables).template(trust_as_template(VARIABLES[name]))


def said(**variables: Any) -> str:
    before: dict[str, Any] = {
        "ai_chat_failure": "Health check: it did not become healthy.",
        "ai_chat_found_ini": "[program:aichat-backend]",
        "ai_chat_restore_point": {"note": {"release": "1.0-abc"}},
        "ai_chat_gone_back": {"changed": True},
        "ai_chat_health_after": {"status": 200},
        "ai_chat_restored": {"backups": []},
        "ai_chat_status": {"stdout": "FATAL"},
        "ai_chat_log": {"stdout": "it broke", "stdout_lines": ["it broke"]},
        "ai_chat_log_path": "/srv/logs/aichat-backend.log",
        **variables,
    }
    return str(value("ai_chat_what_happened", **before))


def test_a_release_that_went_is_told_with_the_end_of_its_log() -> None:
    text = said()
    assert text.startswith("Health check: it did not become healthy.\n")
    assert "as it was before this play, with the release 1.0-abc.\nThe service is healthy.\n" in text
    assert "supervisord said: FATAL\nThe end of /srv/logs/aichat-backend.log was:\nit broke" in text
    assert "edited" not in text


def test_a_first_install_is_told_apart() -> None:
    text = said(ai_chat_found_ini="", ai_chat_health_after={"skipped": True}, ai_chat_gone_back={"skipped": True})
    assert "There was no chat backend on this server before" in text
    assert "healthy before" not in text


def test_a_failure_before_the_service_was_touched_tells_no_log() -> None:
    assert "supervisord said" not in said(ai_chat_log={"skipped": True}, ai_chat_status={"skipped": True})


def test_a_way_back_that_is_closed_is_told() -> None:
    text = said(
        ai_chat_gone_back={"msg": "it does not start"},
        ai_chat_health_after={"status": -1},
        ai_chat_log_after={"stdout_lines": ["the last words"]},
    )
    assert "but not the release 1.0-abc: it does not start" in text
    assert "The service is not healthy, and its log ends with:\nthe last words\n" in text


def test_a_service_that_was_not_healthy_before_is_not_said_to_be_healthy_now() -> None:
    assert "was not healthy before this play either" in said(ai_chat_health_after={"skipped": True})


def test_backups_of_what_was_edited_meanwhile_are_named() -> None:
    assert "is kept as /etc/a~, /etc/b~." in said(ai_chat_restored={"backups": ["/etc/a~", "/etc/b~"]})


@pytest.mark.parametrize(
    ("ini", "port"),
    [
        ('environment=AICHAT_PORT="3005",X="1"', "3005"),
        ("environment=\n    X=1,\n    AICHAT_PORT=3006", "3006"),
        ('; AICHAT_PORT="1"\nenvironment=X="1" ; AICHAT_PORT="2"', "3001"),
        ("[broken\nenvironment=\"AICHAT_PORT='3007'", "3007"),
        ("", "3001"),
    ],
)
def test_the_port_is_found_also_where_the_ini_cannot_be_parsed(ini: str, port: str) -> None:
    assert str(value("ai_chat_found_port", ai_chat_found_ini=ini, ai_chat_fallback_port="3001")) == port
