"""Nobody pays for a vendor's SDK before it is asked."""

from __future__ import annotations

import subprocess
import sys

ASK_WHAT_IS_IMPORTED = """
import sys
from aichat_backend.providers.openai import OpenAIProvider
OpenAIProvider(api_key="sk-some-key")
print(sorted({"openai", "httpx2", "aiohttp"} & sys.modules.keys()))
"""


def test_the_module_and_its_constructor_import_no_sdk() -> None:
    ran = subprocess.run([sys.executable, "-I", "-c", ASK_WHAT_IS_IMPORTED], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "[]"
