# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What several unit tests share."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.parameters import remove_values
from ansible.module_utils.testing import patch_module_args


@pytest.fixture
def run_module(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Run a module with these arguments; the answer is what it would print, secrets already removed."""
    answers: list[dict[str, Any]] = []

    def record(module: AnsibleModule, answer: dict[str, Any]) -> None:
        answers.append(remove_values({"invocation": module.params, **answer}, module.no_log_values))

    monkeypatch.setattr(AnsibleModule, "_return_formatted", record)

    def run(module: ModuleType, check: bool = False, **arguments: Any) -> dict[str, Any]:
        with patch_module_args({**arguments, "_ansible_check_mode": check}), pytest.raises(SystemExit):
            module.main()
        return answers.pop()

    return run
