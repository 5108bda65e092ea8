"""What `config` prints: every setting, where it is from, and no secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from aichat_backend.config.display import lines
from aichat_backend.config.kinds import KINDS
from aichat_backend.config.loading import load_settings
from aichat_backend.config.problems import variable
from aichat_backend.config.urls import MASK

CANARY = "canary-55e0"


def shown(environment: dict[str, str], file: Path | None = None) -> dict[str, str]:
    printed = [line.split(maxsplit=1) for line in lines(load_settings(environment, file))]
    return {line[0]: line[1] for line in printed}


def test_every_setting_has_one_line_with_its_source() -> None:
    printed = shown({})
    assert list(printed) == [variable(setting) for setting in KINDS]
    assert all(line.endswith("  (default)") for line in printed.values())
    assert printed["AICHAT_PORT"] == "3001  (default)"
    assert printed["AICHAT_API_KEY"] == "-  (default)"


def test_sources_are_the_environment_the_file_and_the_default(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("port: 4001\n")
    printed = shown({"AICHAT_LLM_PROVIDER": "mock"}, file)
    assert printed["AICHAT_LLM_PROVIDER"] == "mock  (environment)"
    assert printed["AICHAT_PORT"] == f"4001  ({file})"


def test_secrets_are_masked_and_their_length_is_not_told() -> None:
    for canary in (CANARY, CANARY * 3):
        printed = shown({"AICHAT_API_KEY": canary, "AICHAT_PROXY_SECRET": canary})
        assert printed["AICHAT_API_KEY"] == printed["AICHAT_PROXY_SECRET"] == f"{MASK}  (environment)"


def test_the_keys_of_the_chain_are_shown_by_their_variables_and_masked() -> None:
    printed = shown({"AICHAT_LLM_FALLBACK": "anthropic:m,google:m,openai:m", "GOOGLE_API_KEY": CANARY})
    assert list(printed)[len(KINDS) :] == ["ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY"]
    assert printed["ANTHROPIC_API_KEY"] == printed["GEMINI_API_KEY"] == "-  (for the fallback)"
    assert printed["GOOGLE_API_KEY"] == f"{MASK}  (for the fallback)"


def test_a_switch_is_shown_as_it_is_written() -> None:
    assert shown({})["AICHAT_AUTO_TITLES"] == "true  (default)"
    assert shown({"AICHAT_AUTO_TITLES": "no"})["AICHAT_AUTO_TITLES"] == "false  (environment)"


@pytest.mark.parametrize(
    ("url", "visible"),
    [
        (f"postgresql://pmm:{CANARY}@db:5432/chat", f"postgresql://{MASK}@db:5432/chat"),
        (f"postgresql://pmm:a@{CANARY}@db/chat", f"postgresql://{MASK}@db/chat"),
        (f"postgresql://pmm:a/{CANARY}@db/chat", f"postgresql://{MASK}@db/chat"),
        (f"postgresql://pmm:a?{CANARY}@db/chat", f"postgresql://{MASK}@db/chat"),
        (f"postgresql://{CANARY}@db/chat", f"postgresql://{MASK}@db/chat"),
        (f"postgresql://db/chat?user=pmm&password={CANARY}", f"postgresql://db/chat?{MASK}"),
        ("sqlite:////srv/chat.db", "sqlite:////srv/chat.db"),
    ],
)
def test_credentials_in_a_database_url_are_masked(url: str, visible: str) -> None:
    assert shown({"AICHAT_DATABASE_URL": url})["AICHAT_DATABASE_URL"] == f"{visible}  (environment)"


def test_credentials_in_the_providers_url_are_masked() -> None:
    printed = shown({"AICHAT_LLM_BASE_URL": f"https://{CANARY}:{CANARY}@proxy/v1?key={CANARY}"})
    assert printed["AICHAT_LLM_BASE_URL"] == f"https://{MASK}@proxy/v1?{MASK}  (environment)"


def test_a_value_of_several_lines_stays_on_one_line() -> None:
    printed = shown({"AICHAT_LLM_SYSTEM_PROMPT": "Be brief.\nSee https://a@b."})
    assert printed["AICHAT_LLM_SYSTEM_PROMPT"] == r"'Be brief.\nSee https://a@b.'  (environment)"


def test_a_path_that_is_not_text_can_be_shown() -> None:
    assert shown({"AICHAT_DATA_DIR": "/data/\udcff"})["AICHAT_DATA_DIR"].isascii()


@pytest.mark.parametrize(
    ("environment", "secrets"),
    [
        ({"AICHAT_API_KEY": "k-1", "AICHAT_PROXY_SECRET": "s-1"}, {"k-1", "s-1"}),
        ({"OPENAI_API_KEY": "k-2"}, {"k-2"}),
        ({"AICHAT_LLM_FALLBACK": "claude:m", "ANTHROPIC_API_KEY": "k-3", "OPENAI_API_KEY": "k-2"}, {"k-2", "k-3"}),
        ({"AICHAT_DATABASE_URL": "postgresql://pmm:p%40ss@db/chat"}, {"p%40ss", "p@ss"}),
        ({"AICHAT_DATABASE_URL": "postgresql://db/chat?user=pmm&password=p-3"}, {"p-3"}),
        ({"AICHAT_LLM_BASE_URL": "https://u:p-4@h/v1?api-key=k-4&version=2"}, {"p-4", "k-4"}),
        ({"AICHAT_DATABASE_URL": "postgresql://pmm@db/chat"}, set()),
        ({}, set()),
    ],
)
def test_all_secrets_are_known_to_the_log_redaction(environment: dict[str, str], secrets: set[str]) -> None:
    assert set(load_settings(environment, None).settings.secrets) == secrets
