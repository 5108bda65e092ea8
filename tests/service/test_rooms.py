"""Who may call whom: imports between the rooms of the service obey the design."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

import aichat_backend

PACKAGE = Path(aichat_backend.__file__).parent
ANYWHERE = ("__init__", "errors", "imports", "whole_characters")
STORED = (
    "approvals",
    "audit",
    "conversation",
    "files",
    "parts",
    "search",
    "text",
    "tools",
    "turns",
    "underway",
    "usage",
)
START_UP = (
    "app",
    "audit_command",
    "check",
    "cli",
    "commands",
    "database_commands",
    "serving",
    "this_process",
    "__main__",
)

ALLOWED: dict[str, tuple[str, ...]] = {
    "errors": (),
    "imports": (),
    "whole_characters": (),
    "config.*": ("config.*",),
    "streams.*": ("streams.*",),
    "telemetry.*": ("telemetry.*",),
    "chat.*": ("chat.*", "streams.*", "telemetry.*", "providers.base"),
    "providers.fallback": ("providers.*", "chat.parts", "chat.budget"),
    "providers.registry": ("providers.*", "config.*"),
    "providers.*": ("providers.*", "chat.parts"),
    "mcp.results": ("mcp.*", "chat.tools", "attachments.types"),
    "mcp.*": ("mcp.*", "chat.tools", "telemetry.*"),
    "login.*": ("login.*",),
    "attachments.*": ("attachments.*", "chat.files"),
    "storage.*": ("storage.*", *(f"chat.{name}" for name in STORED)),
    "api.*": ("api.*", "chat.*", "attachments.*", "login.*", "streams.*", "telemetry.*"),
    **dict.fromkeys(START_UP, ("*",)),
}
"""What a module may import from the package besides itself; the first pattern that fits it counts."""


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imports_of(path: Path) -> Iterator[str]:
    """The package's modules that a file names in imports, those inside functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            below = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name.removeprefix("aichat_backend.") in MODULES else str(node.module) for name in below]
        else:
            continue
        for name in names:
            if name == "aichat_backend":
                yield "__init__"
            elif name.startswith("aichat_backend."):
                yield name.removeprefix("aichat_backend.")


def fits(name: str, pattern: str) -> bool:
    return fnmatchcase(f"{name}.", f"{pattern.removesuffix('*')}*") if pattern.endswith(".*") else name == pattern


def allowed_for(module: str) -> tuple[str, ...]:
    for pattern, allowed in ALLOWED.items():
        if fits(module, pattern):
            return (*ANYWHERE, *allowed)
    return ()


def test_the_walk_finds_the_rooms() -> None:
    assert {"app", "api.questions", "chat.runs", "providers.openai", "storage.database"} <= MODULES.keys()
    assert "providers.base" in set(imports_of(MODULES["chat.turn"]))
    assert "providers.openai" in set(imports_of(MODULES["providers.registry"]))


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_its_room_may_know(module: str) -> None:
    allowed = allowed_for(module)
    strangers = [
        name
        for name in imports_of(MODULES[module])
        if name != module and not any(pattern == "*" or fits(name, pattern) for pattern in allowed)
    ]

    assert strangers == []


@pytest.mark.parametrize("module", [module for module in MODULES if module not in START_UP])
def test_only_what_starts_the_service_knows_its_wiring(module: str) -> None:
    assert not {"app", "serving", "cli", "commands", "check", "database_commands"} & set(imports_of(MODULES[module]))
