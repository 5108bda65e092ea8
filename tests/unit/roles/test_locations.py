# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What nginx lets pass, and how long it waits, as the role writes it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._masking import mask

TEMPLATE = Path(__file__).resolve().parents[3] / "roles" / "ai_chat" / "templates" / "locations.conf.j2"
MIB = 1024 * 1024


def locations(proxy_secret: str | None = None, **environment: str) -> str:
    variables: dict[str, object] = {"ai_chat_effective_environment": environment, "ai_chat_effective_port": "3001"}
    if proxy_secret is not None:
        variables["ai_chat_proxy_secret"] = proxy_secret
    return Templar(DataLoader(), variables=variables).template(trust_as_template(TEMPLATE.read_text()))


def location(name: str, text: str) -> str:
    found = re.search(rf"^location (?:= )?{re.escape(name)} {{\n(.*?)^}}", text, re.DOTALL | re.MULTILINE)
    assert found, name
    return found.group(1)


def largest_body(text: str) -> int:
    return int(re.findall(r"client_max_body_size (\d+);", location("/v1/chat/", text))[0])


def test_five_files_of_ten_mebibytes_and_a_message_pass() -> None:
    assert 50 * MIB + 262_144 < largest_body(locations()) < 52 * MIB


@pytest.mark.parametrize(
    ("environment", "least"),
    [
        ({"AICHAT_MAX_FILES": "10"}, 100 * MIB),
        ({"AICHAT_MAX_FILE_BYTES": str(40 * MIB)}, 200 * MIB),
        ({"AICHAT_MAX_FILES": "0", "AICHAT_MAX_MESSAGE_BYTES": str(16 * MIB)}, 16 * MIB),
    ],
)
def test_the_largest_body_follows_the_limits_of_the_service(environment: dict[str, str], least: int) -> None:
    assert least < largest_body(locations(**environment)) < least + 2 * MIB


@pytest.mark.parametrize(("environment", "seconds"), [({}, 900), ({"AICHAT_MAX_TURN_SECONDS": "1800"}, 1800)])
def test_nginx_waits_longer_than_the_longest_answer(environment: dict[str, str], seconds: int) -> None:
    waits = re.findall(r"proxy_read_timeout (\d+)s;", location("/v1/chat/", locations(**environment)))
    assert len(waits) == 1
    assert int(waits[0]) > seconds


def test_answers_and_uploads_are_not_collected_on_the_way() -> None:
    chat = location("/v1/chat/", locations())
    assert "proxy_buffering off;" in chat
    assert "proxy_request_buffering off;" in chat


IDENTITIES = [{}, {"AICHAT_IDENTITY": "pmm"}, {"AICHAT_IDENTITY": "grafana"}]


@pytest.mark.parametrize("environment", IDENTITIES)
def test_whoever_reaches_the_service_is_named_by_pmm_or_not_at_all(environment: dict[str, str]) -> None:
    text = locations(**environment)
    asked = location("/aichat_auth_request", text)
    text = text.replace(asked, "")
    passed_on = re.findall(r"proxy_set_header X-User-ID ([^;]+);", text)
    reach_the_service = text.count("proxy_pass http://127.0.0.1:3001;")
    assert len(passed_on) == reach_the_service > 0
    assert set(passed_on) == {"$aichat_user_id", '""'}
    assert text.count("auth_request_set $aichat_user_id $upstream_http_x_user_id;") == 1


@pytest.mark.parametrize("environment", IDENTITIES)
def test_only_the_question_who_calls_gets_what_somebody_logs_in_with(environment: dict[str, str]) -> None:
    text = locations(**environment)
    text = text.replace(location("/aichat_auth_request", text), "")
    for header in ("Cookie", "Authorization"):
        passed_on = re.findall(rf"proxy_set_header {header} ([^;]+);", text)
        assert passed_on == ['""'] * text.count("proxy_pass http://127.0.0.1:3001;")


@pytest.mark.parametrize("environment", IDENTITIES)
def test_the_proxy_s_secret_goes_wherever_the_service_wants_it_and_a_diff_does_not_show_it(
    environment: dict[str, str],
) -> None:
    text = locations("only-nginx-knows", **environment)
    sent = 'proxy_set_header X-AIChat-Proxy-Secret "only-nginx-knows";'
    assert sent in location("/v1/chat/", text)
    assert (sent in location("/aichat_auth_request", text)) == (environment.get("AICHAT_IDENTITY") == "grafana")
    assert sent not in location("/v1/chat/health", text)
    assert mask(text) == text.replace("only-nginx-knows", "********")


@pytest.mark.parametrize("secret", [None, ""])
def test_without_a_secret_none_is_sent_and_all_is_shown(secret: str | None) -> None:
    text = locations(secret)
    assert "Secret" not in text
    assert mask(text) == text


@pytest.mark.parametrize("environment", IDENTITIES)
def test_the_question_who_calls_has_no_limit_of_size_and_comes_from_nginx_alone(environment: dict[str, str]) -> None:
    text = locations(**environment)
    assert "auth_request /aichat_auth_request;" in location("/v1/chat/", text)
    asked = location("/aichat_auth_request", text)
    assert "client_max_body_size 0;" in asked
    assert "internal;" in asked


def test_pmm_is_asked_who_calls_unless_grafana_is() -> None:
    for environment in IDENTITIES[:2]:
        asked = location("/aichat_auth_request", locations(**environment))
        assert "proxy_pass http://managed-json/auth_request;" in asked
        assert 'proxy_set_header X-User-ID "";' in asked
    asked = location("/aichat_auth_request", locations(AICHAT_IDENTITY="grafana"))
    assert "proxy_pass http://127.0.0.1:3001/caller;" in asked
    assert "managed-json" not in asked
    # Neither a forged id nor traces of a proxy, for which the service would refuse to answer.
    assert "proxy_pass_request_headers off;" in asked


@pytest.mark.parametrize(("environment", "seconds"), [({}, 3), ({"AICHAT_GRAFANA_TIMEOUT": "7.5"}, 8)])
def test_nginx_waits_longer_than_the_service_for_grafana(environment: dict[str, str], seconds: int) -> None:
    asked = location("/aichat_auth_request", locations(AICHAT_IDENTITY="grafana", **environment))
    assert int(re.findall(r"proxy_read_timeout (\d+)s;", asked)[0]) > seconds


def test_what_nginx_refuses_is_told_in_the_service_s_words() -> None:
    text = locations()
    pages = dict(re.findall(r"error_page ([\d ]+?)(?: =\d+)? @(\w+);", location("/v1/chat/", text)))
    assert pages.keys() == {"401", "403", "413", "500", "502 504"}
    for name in pages.values():
        page = location(f"@{name}", text)
        status, body = re.findall(r"return (\d+) '(.*)';", page)[0]
        assert json.loads(body).keys() == {"error", "code", "request_id"}
        assert ("Retry-After" in page) == (status == "503")
