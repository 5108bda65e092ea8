# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the role says when it has put a server back, and how it finds out what was there."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.percona.pmm_ai_chat.plugins.filter.masked import masked

ROLE = Path(__file__).resolve().parents[3] / "roles" / "ai_chat"
VARIABLES = yaml.safe_load((ROLE / "vars" / "main.yml").read_text())


def value(name: str, **variables: Any) -> Any:
    return Templar(DataLoader(), variables=variables).template(trust_as_template(VARIABLES[name]))


def encoded(text: str) -> dict[str, str]:
    """What the module slurp returns of a file."""
    return {"content": base64.b64encode(text.encode()).decode()}


RELEASES = "/opt/aichat-backend/releases"
SITUATION: dict[str, Any] = {
    **{name: trust_as_template(text) if isinstance(text, str) else text for name, text in VARIABLES.items()},
    "ai_chat_install_method": "bundle",
    "ai_chat_install_root": "/opt/aichat-backend",
    "ai_chat_failure": "Health check: it did not become healthy.",
    "ai_chat_status": {"stdout": "FATAL"},
    "ai_chat_log": {"stdout": "it broke", "stdout_lines": ["it broke"]},
    "ai_chat_health_before": {"status": 200},
    "ai_chat_health_after": {"status": 200},
    "ai_chat_pid": {"stdout": "4711"},
    "ai_chat_cmdline": encoded(f"{RELEASES}/1.0-abc/bin/python\0-I\0-m\0aichat_backend"),
}


def said(**variables: Any) -> str:
    before: dict[str, Any] = {
        **SITUATION,
        "ai_chat_ini_back": encoded("[program:aichat-backend]"),
        "ai_chat_restore_point": {"note": {"release": "1.0-abc"}, "taken": True},
        "ai_chat_package_before": {"rc": 1, "stdout": ""},
        "ai_chat_gone_back": {"changed": True},
        "ai_chat_restored": {"backups": []},
        "ai_chat_update": {"rc": 0},
        "ai_chat_taken_back": {"rc": 0},
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
    text = said(ai_chat_ini_back={}, ai_chat_health_after={"skipped": True}, ai_chat_restore_point={"taken": True})
    assert "There was no chat backend on this server before" in text
    assert "healthy before" not in text
    assert "as it was" not in text


def test_a_failure_before_the_service_was_touched_tells_no_log() -> None:
    # What is not defined is what a task would have registered that the play never came to.
    variables = {**SITUATION, "ai_chat_taken_back": {"skipped": True}}
    variables |= {"ai_chat_restore_point": {"note": {"release": "1.0-abc"}, "taken": True}}
    variables |= {"ai_chat_ini_back": encoded("[program:aichat-backend]"), "ai_chat_restored": {"backups": []}}
    text = value("ai_chat_what_happened", **variables)
    assert "The service is healthy." in text
    assert "supervisord said" not in text


def test_what_an_earlier_play_had_found_is_not_said_to_be_as_before_this_one() -> None:
    text = said(ai_chat_restore_point={"note": {"release": "1.0-abc"}, "taken": False, "unfinished": True})
    assert "as it was before an earlier play, which did not end, with the release 1.0-abc.\n" in text


def test_a_package_that_could_not_be_put_back_or_taken_away_is_told() -> None:
    point = {"note": {"release": "", "package": "1.0-1"}, "taken": True}
    text = said(ai_chat_restore_point=point, ai_chat_package_back={"rc": 1, "msg": "no such package"})
    assert "The files were put back, but not the package 1.0-1: no such package\n" in text
    assert "as it was" not in text
    text = said(ai_chat_ini_back={}, ai_chat_package_gone={"rc": 1, "msg": "it is needed"})
    assert "but not the package, which is still there: it is needed\n" in text


def test_an_ini_that_supervisord_does_not_take_back_is_told_without_its_words() -> None:
    text = said(ai_chat_taken_back={"rc": 1, "stdout": "ERROR: CANT_REREAD: Format string 'KEY=canary'"})
    assert "supervisord did not take the earlier /etc/supervisord.d/ai-chat.ini back" in text
    assert "canary" not in text


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
    assert str(value("ai_chat_found_port", **SITUATION | {"ai_chat_ini_file": encoded(ini)})) == port
    assert str(value("ai_chat_port_before", **SITUATION | {"ai_chat_ini_back": encoded(ini)})) == port


IN_USE: dict[str, Any] = {
    **SITUATION,
    "ai_chat_current": {"stat": {"lnk_target": "releases/1.0-abc"}},
    "ai_chat_reread": {"rc": 0, "stdout": "No config updates to processes"},
}


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, True),
        ({"ai_chat_reread": {"rc": 0, "stdout": "grafana: changed"}}, True),
        # The ini was placed, and supervisord has the earlier one, also when the program was restarted by hand.
        ({"ai_chat_reread": {"rc": 0, "stdout": "grafana: changed\naichat-backend: changed"}}, False),
        ({"ai_chat_reread": {"rc": 1, "stdout": "ERROR: CANT_REREAD"}}, False),
        ({"ai_chat_reread": {"skipped": True}}, False),
        ({"ai_chat_current": {"stat": {"lnk_target": "releases/1.0-abcd"}}}, False),
        ({"ai_chat_health_before": {"status": 503}}, False),
        ({"ai_chat_cmdline": {"skipped": True}}, False),
        ({"ai_chat_install_method": "rpm", "ai_chat_package_before": {"rc": 0, "stdout": "1.0-1"}}, False),
        (
            {
                "ai_chat_install_method": "rpm",
                "ai_chat_package_before": {"rc": 0, "stdout": "1.0-1"},
                "ai_chat_cmdline": encoded("/usr/lib/aichat-backend/1.0-1/bin/python\0-I"),
            },
            True,
        ),
    ],
)
def test_what_is_there_is_in_use_when_the_service_runs_well_with_all_of_it(
    variables: dict[str, Any], expected: bool
) -> None:
    assert value("ai_chat_is_in_use", **IN_USE | variables) is expected


def test_with_a_package_the_launcher_of_an_earlier_service_is_kept_and_no_other() -> None:
    def others(**variables: Any) -> Any:
        given = {"ai_chat_launcher_path": "/usr/sbin/aichat-backend", "ai_chat_install_method": "rpm", **variables}
        return value("ai_chat_launcher_is_others", **SITUATION | given)

    assert others(ai_chat_install_method="bundle") is False
    assert others(ai_chat_package_before={"rc": 1}) is False
    assert others(ai_chat_package_before={"rc": 0}) is True
    assert others(ai_chat_package_before={"rc": 1}, ai_chat_launcher_path="/usr/local/bin/aichat-backend") is True


def came(**variables: Any) -> str:
    before = {**SITUATION, "ai_chat_install": {"release": f"{RELEASES}/0.9-def", "changed": True}, **variables}
    return str(value("ai_chat_what_came_of_it", **before))


def test_a_way_back_by_hand_that_fails_leads_to_what_ran_before() -> None:
    text = came(ai_chat_gone_back={"changed": True})
    assert text.startswith("Health check: it did not become healthy.\n1.0-abc, which ran before, is the current")
    assert "again, and healthy.\nOf the service that failed, supervisord said: FATAL\n" in text
    assert text.endswith("it broke")
    assert "is not healthy.\n" in came(ai_chat_gone_back={"changed": True}, ai_chat_health_after={"status": -1})
    assert "0.9-def stays the current release. The one" in came(ai_chat_gone_back={"msg": "it is gone"})


@pytest.mark.parametrize(
    "variables",
    [
        {"ai_chat_health_before": {"status": -1}},
        {"ai_chat_cmdline": encoded("/usr/local/bin/mine\0--env-only")},
        {"ai_chat_cmdline": encoded(f"{RELEASES}/0.9-def/bin/python\0-I")},
    ],
)
def test_a_way_back_by_hand_that_fails_and_has_nowhere_to_return_to_says_so(variables: dict[str, Any]) -> None:
    text = came(ai_chat_gone_back={"skipped": True}, ai_chat_health_after={"skipped": True}, **variables)
    assert "0.9-def stays the current release, for no other one ran well before.\n" in text


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (["ERROR: no such group: aichat-backend"], ["ERROR: no such group: aichat-backend"]),
        (["aichat-backend: has problems; not removing"], ["aichat-backend: has problems; not removing"]),
        (["error: <class 'xmlrpc.client.Fault'>, <Fault 92: \"CANT_REREAD: Format string 'A=canary'\">"], []),
    ],
)
def test_of_supervisords_words_only_those_without_values_are_shown(said: list[str], shown: list[str]) -> None:
    assert value("ai_chat_update_said", **SITUATION, ai_chat_update={"stdout_lines": said}) == shown


def test_the_words_of_whoever_reads_the_configuration_are_never_shown() -> None:
    """A line of an ini that cannot be read would stand in them."""
    readers = [
        task
        for path in sorted((ROLE / "tasks").glob("*.yml"))
        for task in flattened(yaml.safe_load(path.read_text()))
        if task.get("ansible.builtin.command", {})
        .get("cmd", "")
        .startswith(("supervisorctl update", "supervisorctl reread"))
    ]
    assert len(readers) == 4
    assert [task["name"] for task in readers if task.get("no_log") is not True] == []


def flattened(tasks: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for task in tasks:
        yield task
        for part in ("block", "rescue"):
            yield from flattened(task.get(part, []))


PLAN = {
    "ai_chat_nginx_plan": {"superseded": ["/etc/nginx/old.conf"]},
    "ai_chat_nginx_conf": "/etc/nginx/conf.d/pmm.conf",
    "ai_chat_nginx_locations": "/etc/nginx/aichat/locations.conf",
    "ai_chat_launcher_path": "/usr/sbin/aichat-backend",
    "ai_chat_ini_path": "/etc/supervisord.d/ai-chat.ini",
    "ai_chat_data_dir": "/srv/aichat-backend",
}


def test_what_an_operator_edits_is_not_taken_for_generated() -> None:
    situation = {**SITUATION, **PLAN}
    restorable = set(value("ai_chat_restorable_files", **situation))
    generated = set(value("ai_chat_generated_files", **situation))
    assert generated <= restorable | {"/etc/supervisord.d/ai-chat.ini.rpmnew"}
    assert {PLAN["ai_chat_nginx_locations"], "/etc/nginx/old.conf", PLAN["ai_chat_launcher_path"]} <= generated
    edited = {"ai-chat.ini", "config.yaml", "mcp-servers.json", "api-key", "pmm.conf"}
    assert edited <= {Path(path).name for path in restorable - generated}


def test_a_key_that_is_a_variable_is_generated() -> None:
    key = SITUATION["ai_chat_api_key_path"]
    assert key not in value("ai_chat_generated_files", **{**SITUATION, **PLAN})
    assert key in value("ai_chat_generated_files", **{**SITUATION, **PLAN}, ai_chat_api_key="sk-1")


def test_of_a_secret_that_changes_both_values_are_hidden() -> None:
    rotated = SITUATION | {
        "ai_chat_environment": {"OPENAI_API_KEY": "the-new-one"},
        "ai_chat_found_environment": {"OPENAI_API_KEY": "the-old-one", "AICHAT_PORT": "3001"},
        "ai_chat_ini_plan": {"decision": "kept"},
    }
    shown = masked("the-new-one was refused, the-old-one was not", value("ai_chat_secrets", **rotated))
    assert shown == "******** was refused, ******** was not"
