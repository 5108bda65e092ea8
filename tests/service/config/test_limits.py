"""What each setting takes, and how a wrong value is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from aichat_backend.config.kinds import KINDS
from aichat_backend.config.loading import load_settings
from aichat_backend.config.problems import ConfigurationError, variable
from aichat_backend.config.values import is_loopback

CANARY = "canary-7f3a"


def problems(environment: dict[str, str], file: Path | None = None) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(environment, file)
    for problem in caught.value.problems:
        assert problem.isprintable(), "a problem must be one line"
    return caught.value.problems


RANGES = {
    "port": ("a whole number from 1 to 65535", ["1", "65535"], ["0", "65536", "-1", "3001.5", "http", "1e3"]),
    "identity": ("pmm, grafana", ["pmm", "grafana"], ["PMM", "none", "1"]),
    "grafana_timeout": ("a number above 0 and up to 60", ["0.1", "60"], ["0", "-1", "61", "inf", "nan"]),
    "grafana_cache_seconds": ("a number from 0 to 60", ["0", "0.5", "60"], ["-1", "61", "inf", "nan"]),
    "llm_temperature": ("a number from 0 to 2", ["0", "0.7", "2"], ["-0.1", "2.1", "nan", "inf", "hot"]),
    "llm_top_p": ("a number above 0 and up to 1", ["0.01", "1"], ["0", "-1", "1.1", "nan", "inf"]),
    "llm_reasoning": ("off, low, medium, high", ["off", "low", "medium", "high"], ["Off", "none", "0"]),
    "llm_context_tokens": ("a whole number from 1000 to 10000000", ["1000", "10000000"], ["999", "10000001", "8k"]),
    "llm_fallback": (
        "a list of provider:model, such as anthropic:claude-sonnet-5-5,ollama:qwen3",
        ["anthropic:m", "google:m,mock:m", "ollama:qwen3:8b"],
        ["anthropic", "anthropic:", "bard:m", "ollama:a,,mock:m", "ollama:a,", ":m", "ollama: ", ","],
    ),
    "llm_max_tokens": ("a whole number from 1 to 10000000", ["1", "10000000"], ["0", "-5", "10000001", "many"]),
    "llm_first_byte_timeout": ("a number above 0 and up to 86400", ["0.1", "86400"], ["0", "-1", "inf", "nan"]),
    "llm_idle_timeout": ("a number above 0 and up to 86400", ["0.1", "86400"], ["0", "-1", "inf", "nan"]),
    "llm_total_timeout": ("a number above 0 and up to 86400", ["0.1", "86400"], ["0", "-1", "inf", "nan"]),
    "mock_delay_ms": ("a whole number from 0 to 10000", ["0", "10000"], ["-1", "10001", "fast"]),
    "tool_timeout": ("a number above 0 and up to 3600", ["0.1", "3600"], ["0", "-1", "3601", "inf", "nan"]),
    "tool_output_bytes": ("a whole number from 1024 to 4194304", ["1024", "4194304"], ["1023", "4194305", "1MB"]),
    "approval_seconds": ("a whole number from 60 to 2592000", ["60", "2592000"], ["59", "2592001", "1d"]),
    "max_tool_rounds": ("a whole number from 1 to 100", ["1", "100"], ["0", "101", "no"]),
    "max_tool_calls": ("a whole number from 1 to 1000", ["1", "1000"], ["0", "1001", "no"]),
    "max_waiting_calls": ("a whole number from 1 to 1000", ["1", "1000"], ["0", "1001", "no"]),
    "max_turn_seconds": ("a whole number from 1 to 86400", ["1", "86400"], ["0", "86401", "1h"]),
    "max_turn_tokens": ("a whole number from 1000 to 1000000000", ["1000", "1000000000"], ["999", "1000000001", "1M"]),
    "auto_titles": ("true or false", ["true", "False", "YES", "n", "1", "off"], ["maybe", "2", " "]),
    "max_messages_per_minute": ("a whole number from 1 to 100000", ["1", "100000"], ["0", "100001", "1/s"]),
    "max_tokens_per_day": ("a whole number from 1000 on", ["1000", "9000000000"], ["999", "0", "lots"]),
    "max_files": ("a whole number from 0 to 100", ["0", "100"], ["-1", "101", "few"]),
    "max_file_bytes": ("a whole number from 1 to 104857600", ["1", "104857600"], ["0", "104857601", "1MB"]),
    "max_files_per_hour": ("a whole number from 1 to 100000", ["1", "100000"], ["0", "100001", "many"]),
    "max_upload_bytes_per_hour": (
        "a whole number from 1 to 107374182400",
        ["1", "107374182400"],
        ["0", "107374182401", "1GB"],
    ),
    "max_uploads_at_once": ("a whole number from 1 to 100", ["1", "100"], ["0", "101", "all"]),
    "max_message_bytes": ("a whole number from 1 to 16777216", ["1", "16777216"], ["0", "16777217", "1MB"]),
    "max_runs_per_user": ("a whole number from 1 to 1000", ["1", "1000"], ["0", "1001", "all"]),
    "retention_days": ("a whole number from 1 to 36500", ["1", "90"], ["0", "-1", "36501", "1.5", "x"]),
    "audit_retention_days": ("a whole number from 1 to 36500", ["1", "3650"], ["0", "-1", "36501", "1.5", "x"]),
    "shutdown_grace": ("a number from 0 to 3600", ["0", "2.5", "3600"], ["-1", "3601", "inf", "nan", "10s"]),
    "log_level": ("debug, info, warning, error", ["debug", "info", "warning", "error"], ["INFO", "trace"]),
    "llm_provider": (
        "openai, anthropic (or claude), gemini (or google), ollama, mock",
        ["openai", "anthropic", "claude", "gemini", "google", "ollama", "mock"],
        ["bard", "OpenAI", " "],
    ),
    "db_port": ("a whole number from 1 to 65535", ["1", "65535"], ["0", "65536", "x"]),
    "db_sslmode": (
        "disable, allow, prefer, require, verify-ca, verify-full",
        ["disable", "verify-full"],
        ["on", "VERIFY-FULL"],
    ),
    "llm_model": ("text of at most 200 characters", ["m", "m" * 200], ["m" * 201]),
}

CREDENTIALS = {
    "llm_base_url": (
        "a URL with a host that begins with http:// or https://",
        ["http://localhost:8080/v1", "https://user:pass@api.example/v1"],
        [f"ftp://u:{CANARY}@h", f"http://{CANARY}:99999/", f"http:{CANARY}", "http://", f"https://h/{CANARY} x"],
    ),
    "grafana_url": (
        "a URL of nothing but http:// or https://, a host and a path",
        ["http://127.0.0.1:3000/graph", "https://[::1]/", "http://grafana"],
        [
            f"http://u:{CANARY}@h/graph",
            f"http://{CANARY}@h",
            f"http://h/?key={CANARY}",
            f"http://h/#{CANARY}",
            "h:3000",
        ],
    ),
    "database_url": (
        "a URL such as sqlite:////srv/aichat-backend/chat.db or postgresql://user:password@host/database",
        ["sqlite:////data/chat.db", "postgresql://u:p@h/d"],
        [f"/{CANARY}/chat.db", CANARY],
    ),
    "api_key": ("one word", ["sk-1", "a.b_c/d+e="], [f"{CANARY}\n", f" {CANARY}", f"{CANARY}\xe9", f"{CANARY}\udcff"]),
    "proxy_secret": ("one word", ["s3cret"], [f"{CANARY} two", f"{CANARY}\t"]),
}

CASES = RANGES | CREDENTIALS


def cases(which: int) -> list[tuple[str, str]]:
    return [(setting, value) for setting, case in CASES.items() for value in case[which]]


@pytest.mark.parametrize(("setting", "value"), cases(1))
def test_a_value_within_the_limits_is_taken(setting: str, value: str) -> None:
    loaded = load_settings({variable(setting): value}, None)
    assert loaded.sources == {setting: "environment"}


@pytest.mark.parametrize(("setting", "value"), cases(2))
def test_a_value_out_of_the_limits_is_one_line_that_names_variable_and_allowed_values(setting: str, value: str) -> None:
    (problem,) = problems({variable(setting): value})
    assert problem.startswith(f"{variable(setting)}: ")
    assert problem.endswith(f"; allowed: {CASES[setting][0]}")
    if setting in CREDENTIALS:
        assert CANARY not in problem


@pytest.mark.parametrize("value", ["99999", "http\nport", "x" * 5000])
def test_a_wrong_value_that_is_no_secret_is_quoted_and_kept_short(value: str) -> None:
    (problem,) = problems({"AICHAT_PORT": value})
    assert repr(value)[:40] in problem
    assert len(problem) < 200


def test_every_wrong_setting_is_told_at_once() -> None:
    told = problems({"AICHAT_PORT": "0", "AICHAT_LOG_LEVEL": "loud", "AICHAT_API_KEY": f"{CANARY} {CANARY}"})
    assert {problem.partition(":")[0] for problem in told} == {"AICHAT_PORT", "AICHAT_LOG_LEVEL", "AICHAT_API_KEY"}
    assert CANARY not in str(told)


@pytest.mark.parametrize("name", ["config.yaml", "settings.conf"])
def test_a_wrong_value_in_a_file_names_the_file_and_the_key(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_text("port: 0\nllm_model: [a, b]\n")
    assert problems({"AICHAT_LOG_LEVEL": "loud"}, file) == (
        f"{file}: port: '0' is not allowed; allowed: a whole number from 1 to 65535",
        f"{file}: llm_model: \"['a', 'b']\" is not allowed; allowed: text of at most 200 characters",
        "AICHAT_LOG_LEVEL: 'loud' is not allowed; allowed: debug, info, warning, error",
    )


@pytest.mark.parametrize("setting", ["api_key", "proxy_secret", "database_url", "llm_base_url"])
@pytest.mark.parametrize("written", ['"{c} {c}\\n"', "[{c}]", "{{k: {c}}}", "2024-01-01"])
def test_a_wrong_secret_in_a_file_is_not_quoted(tmp_path: Path, setting: str, written: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(f"{setting}: {written.format(c=CANARY)}\n")
    (problem,) = problems({}, file)
    assert problem.startswith(f"{file}: {setting}: the value ")
    assert CANARY not in problem
    assert "2024" not in problem


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "localhost"])
def test_a_loopback_address_needs_no_proxy_secret(host: str) -> None:
    assert is_loopback(host)
    assert load_settings({"AICHAT_HOST": host}, None).settings.host == host


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "pmm.example", "localhost.example"])
def test_a_wider_bind_without_proxy_secret_is_refused_with_the_remedy(host: str) -> None:
    (problem,) = problems({"AICHAT_HOST": host})
    assert problem.startswith(f"AICHAT_HOST: {host!r} is reachable from other machines")
    assert "AICHAT_PROXY_SECRET" in problem
    assert load_settings({"AICHAT_HOST": host, "AICHAT_PROXY_SECRET": "s3cret"}, None).settings.host == host


def test_an_empty_proxy_secret_does_not_open_a_wider_bind(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text('host: 0.0.0.0\nproxy_secret: ""\n')
    (problem,) = problems({"AICHAT_PROXY_SECRET": ""}, file)
    assert problem.startswith(f"{file}: host: ")


def test_a_wrong_proxy_secret_is_told_beside_the_bind_that_needs_it() -> None:
    told = problems({"AICHAT_HOST": "0.0.0.0", "AICHAT_PROXY_SECRET": f"{CANARY} x"})
    assert [problem.partition(":")[0] for problem in told] == ["AICHAT_PROXY_SECRET", "AICHAT_HOST"]
    assert CANARY not in str(told)


def test_a_data_folder_that_the_database_s_url_cannot_name_is_refused() -> None:
    (problem,) = problems({"AICHAT_DATA_DIR": "/srv/what?"})
    assert problem.startswith("AICHAT_DATA_DIR: '/srv/what?' must not contain a question mark")


def test_settings_cannot_be_changed_and_do_not_show_secrets() -> None:
    settings = load_settings({"AICHAT_API_KEY": CANARY, "AICHAT_PROXY_SECRET": CANARY}, None).settings
    assert CANARY not in repr(settings)
    with pytest.raises(AttributeError, match="immutable"):
        settings.port = 1


def test_every_setting_with_limits_is_tried_here() -> None:
    free = {"host", "llm_system_prompt", "api_key_file", "data_dir", "mcp_servers_file"}
    parts = {f"db_{part}" for part in ("host", "name", "user", "password", "password_file", "sslrootcert")}
    assert CASES.keys() | free | parts == set(KINDS)
