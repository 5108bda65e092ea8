# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters do to texts what the module does to files."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.percona.pmm_ai_chat.plugins.filter import supervisord_environment, supervisord_environment_of

INI = '[program:chat]\nenvironment=A="1"\n'


def test_editing() -> None:
    edit = supervisord_environment.FilterModule().filters()["supervisord_environment"]
    assert edit(INI, "chat", {"A": "", "B": 2}) == '[program:chat]\nenvironment=B="2"\n'


def test_reading() -> None:
    read = supervisord_environment_of.FilterModule().filters()["supervisord_environment_of"]
    assert read(INI, "chat") == {"A": "1"}


def test_problems_are_filter_errors_without_values() -> None:
    with pytest.raises(AnsibleFilterError, match="value of B") as problem:
        supervisord_environment.supervisord_environment(INI, "chat", {"B": "canary\nline"})
    assert "canary" not in str(problem.value)
    with pytest.raises(AnsibleFilterError, match="no section"):
        supervisord_environment_of.supervisord_environment_of(INI, "other")
