# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role decides about npx and uvx: what is lacking, and which packages are its own to take away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROLE = Path(__file__).resolve().parents[3] / "roles" / "ai_chat"
NODE = {"item": "node", "rc": 0, "stdout": "/usr/bin/node\nv20.19.2\n9.2.0"}
UV = {"item": "uv", "rc": 0, "stdout": "/usr/bin/uv\nuv 0.13.9\nuvx 0.13.9"}
NONE = {"rc": 1, "stdout": ""}


def trusted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: trusted(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [trusted(inner) for inner in value]
    return trust_as_template(value) if isinstance(value, str) else value


VARIABLES = {
    **trusted(yaml.safe_load((ROLE / "vars" / "main.yml").read_text())),
    **yaml.safe_load((ROLE / "defaults" / "main.yml").read_text()),
}


def value(name: str, **variables: Any) -> Any:
    templar = Templar(DataLoader(), variables={**VARIABLES, "ansible_facts": {"pkg_mgr": "apt"}, **variables})
    return templar.template(trust_as_template("{{ " + name + " }}"))


@pytest.mark.parametrize(
    ("asked", "shipped", "packaged"),
    [
        ({}, [], []),
        ({"ai_chat_mcp_runtime": []}, [], []),
        ({"ai_chat_mcp_runtime": ["npx"]}, [], ["node"]),
        ({"ai_chat_mcp_runtime": ["npx", "uvx"], "ai_chat_mcp_node_archive": ""}, [], ["node", "uv", "python"]),
        (
            {
                "ai_chat_mcp_runtime": ["uvx"],
                "ai_chat_mcp_uv_archive": "uv.tar.gz",
                "ai_chat_mcp_node_archive": "n.tar",
            },
            ["uv"],
            ["python"],
        ),
    ],
)
def test_where_the_parts_come_from(asked: dict[str, Any], shipped: list[str], packaged: list[str]) -> None:
    assert value("ai_chat_mcp_shipped", **asked) == shipped
    assert value("ai_chat_mcp_packaged", **asked) == packaged


def found(*looks: dict[str, Any]) -> dict[str, Any]:
    return {"ai_chat_mcp_runtime": ["npx", "uvx"], "ai_chat_mcp_look": {"results": list(looks)}}


def test_what_is_there_is_not_lacking() -> None:
    looks = found(NODE, UV, {"item": "python", **NONE})
    assert value("ai_chat_mcp_lacking", **looks) == ["python"]
    assert value("ai_chat_mcp_lacking_packages", **looks) == ["python3.13"]
    assert value("ai_chat_mcp_remedy", **looks) == (
        "name the makers' archive on the controller as ai_chat_mcp_python_archive, "
        "or take uvx out of ai_chat_mcp_runtime."
    )


def test_what_came_from_an_archive_that_is_named_no_more_does_not_count() -> None:
    ours = {**NODE, "stdout": "/opt/aichat-mcp-runtime/node-0123456789ab/bin/node\nv22.1.0\n10.9.0"}
    looks = found(ours, UV, {"item": "python", "msg": "no runuser"})
    assert value("ai_chat_mcp_lacking", **looks) == ["node", "python"]
    assert value("ai_chat_mcp_missing", **looks) == ["python"]


@pytest.mark.parametrize(
    ("version", "old"), [("v16.20.2", True), ("v8.1.0", True), ("v18.0.0", False), ("v181.0.0", False)]
)
def test_a_node_that_is_too_old(version: str, old: bool) -> None:
    looks = found({**NODE, "stdout": f"/usr/bin/node\n{version}\n9.2.0"})
    assert bool(value("ai_chat_mcp_old_nodes", **looks)) is old


@pytest.mark.parametrize(
    ("manager", "said", "offered"),
    [
        ("apt", "uv:\n  Installed: (none)\n  Candidate: 0.9.1-1\n", True),
        ("apt", "uv:\n  Installed: (none)\n  Candidate: (none)\n", False),
        ("apt", "", False),
        ("dnf", "uv-0:0.9.1-1.el9.x86_64", True),
        ("dnf", "", False),
    ],
)
def test_what_the_package_manager_offers(manager: str, said: str, offered: bool) -> None:
    offers = {"results": [{"item": "uv", "rc": 0, "stdout": said}, {"item": "nodejs", "rc": 1, "stdout": ""}]}
    not_offered = value("ai_chat_mcp_not_offered", ai_chat_mcp_offers=offers, ansible_facts={"pkg_mgr": manager})
    assert not_offered == ([] if offered else ["uv"])


def test_packages_that_were_there_before_are_not_noted_as_ours() -> None:
    there = {"stdout": "installed nodejs\nconfig-files npm\nnot-installed uv"}
    looks = found({"item": "node", **NONE}, UV, {"item": "python", **NONE})
    record = value(
        "ai_chat_mcp_new_record", ai_chat_mcp_packages_there=there, ai_chat_mcp_record={"uv": ["uv"]}, **looks
    )
    assert record == {"uv": ["uv"], "node": ["npm"], "python": ["python3.13"]}


@pytest.mark.parametrize(
    ("asked", "kept", "surplus"),
    [
        ({"ai_chat_mcp_runtime": ["npx", "uvx"]}, {"node": ["nodejs", "npm"], "uv": ["uv"]}, []),
        ({"ai_chat_mcp_runtime": ["uvx"]}, {"uv": ["uv"]}, ["nodejs", "npm"]),
        (
            {"ai_chat_mcp_runtime": ["npx", "uvx"], "ai_chat_mcp_uv_archive": "uv.tar.gz"},
            {"node": ["nodejs", "npm"]},
            ["uv"],
        ),
        ({"ai_chat_mcp_runtime": ["npx"], "ai_chat_state": "absent"}, {}, ["nodejs", "npm", "uv"]),
    ],
)
def test_packages_go_when_nothing_asks_for_them(
    asked: dict[str, Any], kept: dict[str, list[str]], surplus: list[str]
) -> None:
    record = {"ai_chat_mcp_record": {"node": ["nodejs", "npm"], "uv": ["uv"]}}
    assert value("ai_chat_mcp_kept_record", **record, **asked) == kept
    assert value("ai_chat_mcp_surplus", **record, **asked) == surplus


@pytest.mark.parametrize(("asked_for", "needed_by"), [("apt\nnodejs\nnpm", []), ("apt\nyarn\nnodejs", ["yarn"])])
def test_packages_go_with_what_came_along_and_not_with_what_somebody_wants(
    asked_for: str, needed_by: list[str]
) -> None:
    simulated = [
        {"stdout": "Remv leftover [1]\n"},
        {"stdout": "Remv leftover [1]\nRemv npm [9]\nRemv yarn [1]\nRemv nodejs [20]\nRemv node-y [5]\nConf x"},
    ]
    looks: dict[str, Any] = {
        "ai_chat_mcp_goes": {"results": simulated},
        "ai_chat_mcp_asked_for": {"stdout_lines": asked_for.splitlines()},
        "ai_chat_mcp_surplus_packages": ["nodejs", "npm"],
    }
    assert value("ai_chat_mcp_going", **looks) == ["npm", "yarn", "nodejs", "node-y"]
    assert value("ai_chat_mcp_needed_by", **looks) == needed_by


def test_links_are_put_back_by_a_failed_play_and_programs_of_the_operator_are_left_alone() -> None:
    def look(name: str, **stat: Any) -> dict[str, Any]:
        return {"stat": stat, "invocation": {"module_args": {"path": f"/usr/local/bin/{name}"}}}

    looks = [look("node", exists=True, islnk=True), look("npx", exists=False), look("uv", exists=True, islnk=False)]
    links = value("ai_chat_mcp_restorable_links", ai_chat_mcp_link={"results": looks})
    assert sorted(links) == ["/usr/local/bin/node", "/usr/local/bin/npx"]
    assert value("ai_chat_mcp_restorable_links") == []
