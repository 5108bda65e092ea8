"""Where the API key comes from, and files that hold none."""

from __future__ import annotations

from pathlib import Path

import pytest

from aichat_backend.config.api_key import KEY_VARIABLES
from aichat_backend.config.loading import LoadedSettings, load_settings
from aichat_backend.config.problems import ConfigurationError
from aichat_backend.config.providers import ProviderName

CANARY = "sk-canary-91c2"


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "api-key"
    file.write_text("sk-of-the-file\n")
    file.chmod(0o640)
    return file


CHAIN = {"AICHAT_LLM_FALLBACK": "anthropic:m,gemini:m,gemini:n,ollama:m,mock:m,openai:m"}


def fallback_keys(loaded: LoadedSettings) -> dict[str, str]:
    return {provider.value: key.reveal() for provider, key in loaded.settings.fallback_keys.items()}


def key(loaded: LoadedSettings) -> str | None:
    return loaded.settings.api_key.reveal() if loaded.settings.api_key else None


def test_the_setting_wins_then_its_file_then_the_providers_own_variable(key_file: Path) -> None:
    environment = {
        "AICHAT_API_KEY": "sk-of-the-setting",
        "AICHAT_API_KEY_FILE": str(key_file),
        "OPENAI_API_KEY": "sk-of-the-provider",
    }
    found = []
    for name in list(environment):
        loaded = load_settings(environment, None)
        found.append((key(loaded), loaded.sources["api_key"]))
        del environment[name]
    assert found == [
        ("sk-of-the-setting", "environment"),
        ("sk-of-the-file", str(key_file)),
        ("sk-of-the-provider", "OPENAI_API_KEY"),
    ]
    assert key(load_settings({}, None)) is None


def test_the_key_may_be_in_the_configuration_file(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("api_key: sk-in-yaml\n")
    loaded = load_settings({"OPENAI_API_KEY": "sk-of-the-provider"}, file)
    assert (key(loaded), loaded.sources["api_key"]) == ("sk-in-yaml", str(file))


def test_another_provider_does_not_get_openais_key() -> None:
    assert key(load_settings({"OPENAI_API_KEY": CANARY, "AICHAT_LLM_PROVIDER": "mock"}, None)) is None


@pytest.mark.parametrize(
    ("provider", "name"), [(provider, name) for provider, names in KEY_VARIABLES.items() for name in names]
)
def test_each_provider_is_given_the_key_in_its_own_variables(provider: ProviderName, name: str) -> None:
    loaded = load_settings({"AICHAT_LLM_PROVIDER": provider.value, name: CANARY}, None)
    assert (key(loaded), loaded.sources["api_key"]) == (CANARY, name)


def test_of_a_providers_own_variables_the_first_wins() -> None:
    loaded = load_settings({"AICHAT_LLM_PROVIDER": "gemini", "GOOGLE_API_KEY": "second", "GEMINI_API_KEY": "one"}, None)
    assert (key(loaded), loaded.sources["api_key"]) == ("one", "GEMINI_API_KEY")


def test_providers_of_the_chain_get_keys_from_their_own_variables_alone(key_file: Path) -> None:
    own = {"ANTHROPIC_API_KEY": "a-1", "GOOGLE_API_KEY": "g-1", "OLLAMA_API_KEY": "o-1", "OPENAI_API_KEY": "not-used"}
    for ours in ({"AICHAT_API_KEY": "sk-ours"}, {"AICHAT_API_KEY_FILE": str(key_file)}):
        loaded = load_settings(CHAIN | ours | own, None)
        assert fallback_keys(loaded) == {"anthropic": "a-1", "gemini": "g-1", "ollama": "o-1"}
        assert loaded.fallback_key_sources == {
            "anthropic": "ANTHROPIC_API_KEY",
            "gemini": "GOOGLE_API_KEY",
            "ollama": "OLLAMA_API_KEY",
        }
        assert not loaded.warnings


def test_the_key_in_our_settings_is_for_one_vendor_only(key_file: Path) -> None:
    for ours in ({"AICHAT_API_KEY": CANARY}, {"AICHAT_API_KEY_FILE": str(key_file)}, {"OPENAI_API_KEY": CANARY}):
        assert fallback_keys(load_settings(CHAIN | ours, None)) == {}


def test_keys_of_providers_that_nobody_asks_are_not_read() -> None:
    assert fallback_keys(load_settings({"ANTHROPIC_API_KEY": CANARY, "GEMINI_API_KEY": f"{CANARY} x"}, None)) == {}


def test_a_provider_of_the_chain_without_its_key_is_warned_about() -> None:
    assert load_settings(CHAIN, None).warnings == (
        "AICHAT_LLM_FALLBACK: anthropic has no API key and will not be asked: set ANTHROPIC_API_KEY",
        "AICHAT_LLM_FALLBACK: gemini has no API key and will not be asked: set GEMINI_API_KEY or GOOGLE_API_KEY",
    )


def test_a_fallbacks_variable_that_holds_no_key_is_refused_without_showing_it() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(CHAIN | {"ANTHROPIC_API_KEY": f"{CANARY} x"}, None)
    assert caught.value.problems == ("ANTHROPIC_API_KEY: must hold one API key on one line, without blanks",)


def test_settings_do_not_show_the_keys_of_the_chain() -> None:
    settings = load_settings(CHAIN | {"ANTHROPIC_API_KEY": CANARY}, None).settings
    assert CANARY not in repr(settings) + str(settings)
    assert settings.secrets == (CANARY,)


def test_blanks_around_the_key_in_the_file_do_not_count(key_file: Path) -> None:
    key_file.write_text("\n  sk-of-the-file \r\n\n")
    assert key(load_settings({"AICHAT_API_KEY_FILE": str(key_file)}, None)) == "sk-of-the-file"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "must hold one API key on one line, without blanks"),
        (b" \n", "must hold one API key on one line, without blanks"),
        (f"{CANARY} {CANARY}".encode(), "must hold one API key on one line, without blanks"),
        (f"{CANARY}\n{CANARY}".encode(), "must hold one API key on one line, without blanks"),
        (f"{CANARY}\x00".encode(), "must hold one API key on one line, without blanks"),
        (f"{CANARY}é".encode(), "must hold one API key on one line, without blanks"),
        (CANARY.encode() + b"\xff", "is not text"),
    ],
)
def test_a_file_that_holds_no_key_is_refused_without_showing_it(key_file: Path, content: bytes, problem: str) -> None:
    key_file.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        load_settings({"AICHAT_API_KEY_FILE": str(key_file)}, None)
    (told,) = caught.value.problems
    assert told.startswith(f"AICHAT_API_KEY_FILE: {key_file}")
    assert told.endswith(problem)
    assert CANARY not in told


def test_a_key_file_that_is_missing_or_a_folder_is_refused(tmp_path: Path) -> None:
    for path, why in ((tmp_path / "missing", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(ConfigurationError) as caught:
            load_settings({"AICHAT_API_KEY_FILE": str(path)}, None)
        assert caught.value.problems == (f"AICHAT_API_KEY_FILE: {path} cannot be read: {why}",)


def test_a_provider_variable_that_holds_no_key_is_refused_without_showing_it() -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings({"OPENAI_API_KEY": f"{CANARY}\n{CANARY}"}, None)
    assert caught.value.problems == ("OPENAI_API_KEY: must hold one API key on one line, without blanks",)


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o640, False), (0o644, True), (0o604, True)])
def test_a_key_file_that_everyone_can_read_is_warned_about(key_file: Path, mode: int, warned: bool) -> None:
    key_file.chmod(mode)
    warnings = load_settings({"AICHAT_API_KEY_FILE": str(key_file)}, None).warnings
    assert warnings == ((f"{key_file} is readable by everyone on this machine: chmod 0640 it",) if warned else ())
