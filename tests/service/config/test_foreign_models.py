"""A model that plainly is another vendor's is warned about before that vendor refuses it."""

from __future__ import annotations

import pytest

from aichat_backend.config.loading import load_settings


def warnings(**environment: str) -> tuple[str, ...]:
    keys = dict.fromkeys(("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"), "k")
    return load_settings(keys | {f"AICHAT_LLM_{name}": value for name, value in environment.items()}, None).warnings


def test_the_model_of_the_provider_before_is_told_with_the_remedy() -> None:
    assert warnings(PROVIDER="claude", MODEL="gpt-4o-mini") == (
        "AICHAT_LLM_MODEL: 'gpt-4o-mini' looks like a model of openai, and anthropic is asked for it: "
        "name one of anthropic, or remove the setting for claude-sonnet-5-5",
    )


@pytest.mark.parametrize(
    ("provider", "model", "vendor"),
    [
        ("openai", "claude-sonnet-5-5", "anthropic"),
        ("openai", "models/gemini-3.8-flash", "gemini"),
        ("anthropic", "chatgpt-4o-latest", "openai"),
        ("gemini", "o3-mini", "openai"),
        ("google", "ft:gpt-4o:me::x", "openai"),
    ],
)
def test_every_vendors_family_is_known(provider: str, model: str, vendor: str) -> None:
    (warning,) = warnings(PROVIDER=provider, MODEL=model)
    assert f"looks like a model of {vendor}," in warning


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-4"),
        ("openai", "o3"),
        ("anthropic", "claude-sonnet-5-5"),
        ("gemini", "models/gemini-3.8-flash"),
        ("gemini", "gemma-3-27b"),
        ("anthropic", "one-of-tomorrow"),
        ("ollama", "gpt-oss:20b"),
        ("mock", "gpt-4"),
    ],
)
def test_what_the_provider_may_well_have_is_not_warned_about(provider: str, model: str) -> None:
    assert warnings(PROVIDER=provider, MODEL=model) == ()


def test_who_serves_another_address_may_call_models_as_they_like() -> None:
    assert warnings(PROVIDER="openai", MODEL="claude-sonnet-5-5", BASE_URL="https://router.example.com/v1") == ()


def test_the_chain_is_looked_through_as_well() -> None:
    chain = "anthropic:gpt-4o,ollama:gpt-oss,gemini:gemini-3.8-flash"
    assert warnings(FALLBACK=chain, BASE_URL="https://router.example.com/v1") == (
        "AICHAT_LLM_FALLBACK: 'gpt-4o' looks like a model of openai, and anthropic is asked for it: "
        "name one of anthropic, such as claude-sonnet-5-5",
    )
