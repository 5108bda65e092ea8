# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What several unit tests share."""

from __future__ import annotations

from collections.abc import Callable, Collection
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

    def run(module: ModuleType, check: bool = False, diff: bool = False, **arguments: Any) -> dict[str, Any]:
        given = {**arguments, "_ansible_check_mode": check, "_ansible_diff": diff}
        with patch_module_args(given), pytest.raises(SystemExit):
            module.main()
        return answers.pop()

    return run


@pytest.fixture
def six_times() -> Callable[..., dict[str, Any]]:
    """Run a module in check mode, there with a diff, and for real; then all three again, when nothing is left to do.

    What was foretold must be what was done, unless only a real run can tell; the answer of the real one is returned.
    """

    def run_six_times(
        run: Callable[..., dict[str, Any]], look: Callable[[], object], told_later: Collection[str] = ()
    ) -> dict[str, Any]:
        before = look()
        foretold, foretold_with_diff = run(check=True), run(check=True, diff=True)
        assert look() == before
        done = run(diff=True)
        assert done["changed"] is True
        for answer in (foretold, foretold_with_diff):
            common = answer.keys() & done.keys() - {*told_later}
            assert {key: answer[key] for key in common} == {key: done[key] for key in common}
            assert answer.get("diff") == done.get("diff")
        after = look()
        for check, diff in ((True, False), (True, True), (False, True)):
            answer = run(check=check, diff=diff)
            assert answer["changed"] is False
            assert _differing(answer.get("diff", [])) == []
        assert look() == after
        return done

    return run_six_times


def _differing(diff: dict[str, str] | list[dict[str, str]]) -> list[dict[str, str]]:
    entries = diff if isinstance(diff, list) else [diff]
    return [entry for entry in entries if entry["before"] != entry["after"]]
