"""Models that a provider is asked for and plainly does not have: they are another vendor's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from aichat_backend.config.problems import variable
from aichat_backend.config.providers import DEFAULT_MODELS, ProviderName
from aichat_backend.config.settings import Settings

_FAMILIES: Mapping[ProviderName, re.Pattern[str]] = {
    ProviderName.OPENAI: re.compile(r"(ft:)?(gpt-|chatgpt-|o\d)"),
    ProviderName.ANTHROPIC: re.compile(r"claude-"),
    ProviderName.GEMINI: re.compile(r"(models/)?gemini-"),
}
"""How the names of a vendor's models begin. Who serves models of all kinds, as Ollama does, is not here."""


def foreign_models(settings: Settings) -> Iterator[str]:
    """One line for each model that its provider will refuse. At another address than the vendor's anything may be."""
    provider, model = settings.llm_provider, settings.llm_model
    if model and settings.llm_base_url is None and (vendor := _vendor(model, asked=provider)):
        yield (
            f"{variable('llm_model')}: {_told(model, vendor, provider)}, "
            f"or remove the setting for {DEFAULT_MODELS[provider]}"
        )
    for link in settings.fallbacks:
        if vendor := _vendor(link.model, asked=link.provider):
            yield (
                f"{variable('llm_fallback')}: {_told(link.model, vendor, link.provider)}, "
                f"such as {DEFAULT_MODELS[link.provider]}"
            )


def _vendor(model: str, *, asked: ProviderName) -> ProviderName | None:
    """Whose model it is, if that is somebody else."""
    if asked not in _FAMILIES:
        return None
    vendors = (vendor for vendor, family in _FAMILIES.items() if family.match(model) and vendor is not asked)
    return next(vendors, None)


def _told(model: str, vendor: ProviderName, asked: ProviderName) -> str:
    return f"{model!r} looks like a model of {vendor}, and {asked} is asked for it: name one of {asked}"
