"""Nobody pays for a vendor's SDK before it is asked, nor ever for that of another vendor."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from fakes.processes import STARTS_PROCESSES

LIBRARIES = {"openai", "anthropic", "google.genai", "httpx2", "aiohttp"}

ASK_WHAT_IS_IMPORTED = """
import asyncio, json, sys
from aichat_backend.config.loading import load_settings
from aichat_backend.providers.registry import build_provider

libraries, settings = json.loads(sys.argv[1])
imported = lambda: sorted(set(libraries) & sys.modules.keys())

async def main():
    environment = {f"AICHAT_{name}".upper(): value for name, value in settings.items()}
    keys = {"AICHAT_API_KEY": "sk-some-key", "ANTHROPIC_API_KEY": "sk-other-key"}
    provider = build_provider(load_settings(environment | keys, None).settings)
    built = imported()
    await provider.warm()
    print(json.dumps([built, imported()]))
    await provider.aclose()

asyncio.run(main())
"""


def imported(settings: dict[str, str]) -> tuple[set[str], set[str]]:
    """What a provider of these settings has imported when it is built, and when it is warm."""
    asked = json.dumps([sorted(LIBRARIES), settings])
    ran = subprocess.run(
        [sys.executable, "-I", "-c", ASK_WHAT_IS_IMPORTED, asked], capture_output=True, text=True, check=True
    )
    built, warm = json.loads(ran.stdout)
    return set(built), set(warm)


@STARTS_PROCESSES
@pytest.mark.parametrize(
    ("settings", "needed"),
    [
        ({"llm_provider": "mock"}, set()),
        ({"llm_provider": "ollama"}, {"aiohttp"}),
        ({"llm_provider": "openai"}, {"openai", "httpx2", "aiohttp"}),
        ({"llm_provider": "anthropic"}, {"anthropic", "httpx2", "aiohttp"}),
        ({"llm_provider": "gemini"}, {"google.genai", "httpx2", "aiohttp"}),
        ({"llm_provider": "ollama", "llm_fallback": "mock:m,claude:m"}, {"anthropic", "httpx2", "aiohttp"}),
    ],
    ids=lambda value: "+".join(value.values()) if isinstance(value, dict) else "",
)
def test_only_what_the_settings_name_is_imported_and_not_before_it_is_warmed(
    settings: dict[str, str], needed: set[str]
) -> None:
    assert imported(settings) == (set(), needed)
