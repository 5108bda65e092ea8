"""The environment wins over the file, the file over the defaults."""

from __future__ import annotations

from pathlib import Path

import pytest

from aichat_backend.config.loading import load_settings
from aichat_backend.config.problems import ConfigurationError
from aichat_backend.config.providers import DEFAULT_MODELS, ProviderName
from aichat_backend.config.settings import Settings

DEFAULTS = Settings()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.yaml"


def test_without_anything_all_settings_have_their_defaults() -> None:
    loaded = load_settings({}, None)
    assert loaded.settings == DEFAULTS
    assert not loaded.sources
    assert not loaded.warnings


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(file: Path) -> None:
    file.write_text("port: 4001\nllm_model: from-the-file\n")
    loaded = load_settings({"AICHAT_PORT": "5001"}, file)
    assert (loaded.settings.port, loaded.settings.llm_model) == (5001, "from-the-file")
    assert loaded.settings.log_level == "info"
    assert loaded.sources == {"port": "environment", "llm_model": str(file)}


def test_an_empty_variable_counts_as_not_set(file: Path) -> None:
    file.write_text("port: 4001\n")
    loaded = load_settings({"AICHAT_PORT": "", "AICHAT_LLM_MODEL": ""}, file)
    assert loaded.settings.port == 4001
    assert loaded.settings.effective_model == "gpt-4o-mini"


@pytest.mark.parametrize("nothing", ["", "null", "~", '""'])
def test_an_empty_value_in_the_file_counts_as_not_set(file: Path, nothing: str) -> None:
    file.write_text(f"llm_model: {nothing}\nproxy_secret: {nothing}\n")
    loaded = load_settings({}, file)
    assert loaded.settings.effective_model == "gpt-4o-mini"
    assert loaded.settings.proxy_secret is None
    assert not loaded.sources


@pytest.mark.parametrize("content", ["", "# only a comment\n", "---\n"])
def test_an_empty_file_sets_nothing(file: Path, content: str) -> None:
    file.write_text(content)
    assert load_settings({}, file).settings == DEFAULTS


def test_variables_of_other_programs_are_left_alone() -> None:
    loaded = load_settings({"PATH": "/bin", "PORT": "1", "aichat_port": "2"}, None)
    assert loaded.settings == DEFAULTS
    assert not loaded.warnings


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("AICHAT_LLM_MODLE", "; did you mean AICHAT_LLM_MODEL?"),
        ("AICHAT_Port", "; did you mean AICHAT_PORT?"),
        ("AICHAT_ZZZZZ", ""),
    ],
)
def test_an_unknown_variable_of_ours_is_warned_about_with_what_was_meant(name: str, hint: str) -> None:
    loaded = load_settings({name: "x"}, None)
    assert loaded.settings == DEFAULTS
    assert loaded.warnings == (f"{name} is not a setting of this version and has no effect{hint}",)


@pytest.mark.parametrize(("mode", "level"), [("debug", "debug"), ("release", "info"), ("test", "info")])
def test_gin_mode_of_the_earlier_service_sets_the_log_level(mode: str, level: str) -> None:
    loaded = load_settings({"GIN_MODE": mode}, None)
    assert loaded.settings.log_level == level
    assert loaded.sources == {"log_level": "GIN_MODE"}


def test_any_log_level_wins_over_gin_mode(file: Path) -> None:
    file.write_text("log_level: error\n")
    assert load_settings({"GIN_MODE": "debug"}, file).settings.log_level == "error"
    assert load_settings({"GIN_MODE": "debug", "AICHAT_LOG_LEVEL": "warning"}, file).settings.log_level == "warning"


def test_a_wrong_gin_mode_is_refused() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings({"GIN_MODE": "fast"}, None)
    assert caught.value.problems == ("GIN_MODE: 'fast' is not allowed; allowed: debug, release, test",)


def test_the_database_lies_in_the_data_folder_unless_it_is_set() -> None:
    assert (
        load_settings({"AICHAT_DATA_DIR": "/data"}, None).settings.effective_database_url == "sqlite:////data/chat.db"
    )
    given = {"AICHAT_DATA_DIR": "/data", "AICHAT_DATABASE_URL": "sqlite:////elsewhere.db"}
    assert load_settings(given, None).settings.effective_database_url == "sqlite:////elsewhere.db"


@pytest.mark.parametrize("provider", list(ProviderName))
def test_each_provider_has_a_model_of_its_own_unless_one_is_set(provider: ProviderName) -> None:
    chosen = {"AICHAT_LLM_PROVIDER": provider.value}
    assert load_settings(chosen, None).settings.effective_model == DEFAULT_MODELS[provider]
    assert load_settings(chosen | {"AICHAT_LLM_MODEL": "mine"}, None).settings.effective_model == "mine"


@pytest.mark.parametrize(("alias", "provider"), [("claude", "anthropic"), ("google", "gemini")])
def test_a_provider_may_be_called_by_its_other_name(file: Path, alias: str, provider: str) -> None:
    file.write_text(f"llm_provider: {alias}\nllm_fallback: {alias}:some-model\n")
    for settings in (
        load_settings({"AICHAT_LLM_PROVIDER": alias, "AICHAT_LLM_FALLBACK": f"{alias}:some-model"}, None).settings,
        load_settings({}, file).settings,
    ):
        assert settings.llm_provider == provider
        assert settings.fallbacks == ((provider, "some-model"),)


def test_off_without_quotes_is_a_boolean_in_yaml_and_means_the_same(file: Path) -> None:
    file.write_text("llm_reasoning: off\n")
    assert load_settings({}, file).settings.llm_reasoning == "off"


def test_the_chain_keeps_its_order_and_colons_belong_to_the_model() -> None:
    chain = {"AICHAT_LLM_FALLBACK": " claude:claude-sonnet-5-5 , ollama: qwen3:8b,openai:ft:gpt-4o:me::x"}
    assert load_settings(chain, None).settings.fallbacks == (
        ("anthropic", "claude-sonnet-5-5"),
        ("ollama", "qwen3:8b"),
        ("openai", "ft:gpt-4o:me::x"),
    )
    assert load_settings({}, None).settings.fallbacks == ()


def test_the_budget_for_a_conversation_follows_the_provider_unless_it_is_set() -> None:
    for provider, budget in (("openai", 100_000), ("ollama", 8_192)):
        chosen = {"AICHAT_LLM_PROVIDER": provider}
        assert load_settings(chosen, None).settings.effective_context_tokens == budget
        chosen["AICHAT_LLM_CONTEXT_TOKENS"] = "5000"
        assert load_settings(chosen, None).settings.effective_context_tokens == 5_000
