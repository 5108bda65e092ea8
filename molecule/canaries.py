"""A secret of its own for everything that may hold one, to be looked for wherever it must not be."""

import re
from typing import Any

import yaml

from controller import PROJECT

_SPECIFICATION = PROJECT / "roles/ai_chat/meta/argument_specs.yml"
_SETTINGS = PROJECT / "service/src/aichat_backend/config/settings.py"
_API_KEYS = PROJECT / "service/src/aichat_backend/config/api_key.py"

# Free text that is no secret: names, paths and digests, which the role shows.
_PUBLIC = {"ai_chat_llm_model", "ai_chat_python", "ai_chat_wheelhouse"} | {
    f"ai_chat_mcp_{program}_{what}" for program in ("node", "uv", "python") for what in ("archive", "sha256")
}
_FREE_TEXT = {"str", "raw", "dict", "list"}
_SHAPES = {
    "ai_chat_database_url": "postgresql://user:{}@127.0.0.1:9/aichat",
    "ai_chat_llm_base_url": "http://user:{}@127.0.0.1:9/v1",
    "ai_chat_index_url": "http://user:{}@127.0.0.1:9/simple",
}

DATABASE = {"ai_chat_database_url", "AICHAT_DB_PASSWORD"}
"""Those that want a database, which the server does not have: a variable of the role, and one of the service."""

# What tool servers and libraries are given, in names that the service does not know.
_OTHERS = {
    "MCP_AUTHORIZATION": "Bearer {}",
    "GITHUB_TOKEN_2": "{}",
    "PGPASSWORD": "{}",
    "HTTPS_PROXY": "http://user:{}@127.0.0.1:9",
}
TOOL_SERVERS = (
    '{"mcpServers": {"remote": {"url": "https://user:canary-url@127.0.0.1:9/mcp", "enabled": false, '
    '"headers": {"Authorization": "Bearer canary-header", "X-Tenant": "canary-tenant", "X-User": "${user_id}"}}, '
    '"local": {"command": "true", "enabled": false, "env": {"MODE": "canary-mode", "API_TOKEN": "canary-token"}}, '
    '"bridge": {"command": "true", "enabled": false, '
    '"args": ["--api-token", "canary-argument", "--header", "X-Tenant: canary-sent"]}}}\n'
)
"""An operator's list of MCP servers."""


def shown(text: str) -> list[str]:
    """The canaries in a text, with what stands before them."""
    return re.findall(r".{0,80}canary-[\w-]+", text)


def secrets() -> dict[str, Any]:
    """A value for each of the role's variables that may hold a secret: what takes text and is not known as public."""
    options = yaml.safe_load(_SPECIFICATION.read_text())["argument_specs"]["main"]["options"]
    given: dict[str, Any] = {
        name: _SHAPES.get(name, "{}").format(_canary(name))
        for name, option in options.items()
        if _is_free(name, option)
    }
    return given | {"ai_chat_environment": _environment()}


def _is_free(name: str, option: dict[str, Any]) -> bool:
    of_text = option["type"] in _FREE_TEXT and option.get("elements", "str") in _FREE_TEXT
    return of_text and "choices" not in option and name not in _PUBLIC


def _environment() -> dict[str, str]:
    """The service's own secrets, by the types of its settings, the keys of the providers, and some of others."""
    settings = re.findall(r"^    (\w+): (?:OneWord|AnyText)\b", _SETTINGS.read_text(), re.MULTILINE)
    keys = re.findall(r'"(\w+_API_KEY)"', _API_KEYS.read_text())
    names = {f"AICHAT_{setting.upper()}" for setting in settings} | set(keys)
    # They have variables of their own.
    names -= {"AICHAT_API_KEY", "AICHAT_PROXY_SECRET"}
    shapes = dict.fromkeys(sorted(names), "{}") | _OTHERS
    return {name: shape.format(_canary(name)) for name, shape in shapes.items()}


def _canary(name: str) -> str:
    return "canary-" + name.lower().replace("_", "-")
