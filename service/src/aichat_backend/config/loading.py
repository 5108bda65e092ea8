"""Where settings come from: the environment over a configuration file over the defaults."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import SecretStr, ValidationError
from pydantic_core import ErrorDetails

from aichat_backend.config.settings import PREFIX, ProviderName, Settings

DEFAULT_FILE = Path("/etc/aichat-backend/config.yaml")

KEY_VARIABLES: Mapping[ProviderName, str] = {ProviderName.OPENAI: "OPENAI_API_KEY"}
"""The provider's own name for its key: read when none of ours is set."""

_GIN_LOG_LEVELS = {"debug": "debug", "release": "info", "test": "info"}


class ConfigurationError(Exception):
    """Settings that the service cannot start with; each problem is one line that names the setting and the remedy."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


@dataclass(frozen=True)
class LoadedSettings:
    """Settings, where each that was set came from, and what looked odd on the way."""

    settings: Settings
    sources: Mapping[str, str]
    """Setting name → where its value was found; what is not here has its default."""
    warnings: tuple[str, ...]


def variable(setting: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + setting.upper()


def load_settings(
    environment: Mapping[str, str], file: Path | None, *, environment_name: str = "environment"
) -> LoadedSettings:
    """Read, merge and check all settings.

    An empty variable counts as not set.

    Raises:
        ConfigurationError: for a file that cannot be read, an unknown key in it, or a value out of its limits.
    """
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    if file is not None:
        values |= _read_file(file)
        sources |= dict.fromkeys(values, str(file))
    from_environment, warnings = _read_environment(environment)
    values |= from_environment
    sources |= dict.fromkeys(from_environment, environment_name)
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        raise ConfigurationError(_sentence(detail, values, sources) for detail in error.errors()) from None
    return _with_api_key(LoadedSettings(settings, sources, warnings), environment)


def _read_environment(environment: Mapping[str, str]) -> tuple[dict[str, Any], tuple[str, ...]]:
    values: dict[str, Any] = {}
    warnings: list[str] = []
    for name in sorted(environment):
        if not name.startswith(PREFIX) or environment[name] == "":
            continue
        setting = name.removeprefix(PREFIX).lower()
        if setting in Settings.model_fields:
            values[setting] = environment[name]
        else:
            hint = _suggestion(name, map(variable, Settings.model_fields))
            warnings.append(f"{name} is not a setting of this version and has no effect{hint}")
    gin_mode = environment.get("GIN_MODE", "")
    if gin_mode and "log_level" not in values:
        if gin_mode not in _GIN_LOG_LEVELS:
            raise ConfigurationError([f"GIN_MODE: {gin_mode!r} is not allowed; allowed are debug, release, test"])
        values["log_level"] = _GIN_LOG_LEVELS[gin_mode]
    return values, tuple(warnings)


def _read_file(file: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError([f"{file}: cannot be read: {error.strerror}"]) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        raise ConfigurationError([f"{file}: {where}is not valid YAML"]) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigurationError([f"{file}: must be a mapping of settings, such as `port: 3001`"])
    unknown = [str(key) for key in content if key not in Settings.model_fields]
    if unknown:
        raise ConfigurationError(
            f"{file}: {key}: is not a setting{_suggestion(key, Settings.model_fields)}" for key in unknown
        )
    return {key: value for key, value in content.items() if value is not None}


def _suggestion(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _sentence(detail: ErrorDetails, values: Mapping[str, Any], sources: Mapping[str, str]) -> str:
    if not detail["loc"]:
        return str(detail.get("ctx", {}).get("error", detail["msg"]))
    setting = str(detail["loc"][0])
    source = sources.get(setting, "")
    name = f"{source}: {setting}" if source.endswith((".yaml", ".yml")) else variable(setting)
    shown = "" if _is_secret(setting) else f"{str(values.get(setting))!r}: "
    problem = detail["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    return f"{name}: {shown}{problem}"


def _is_secret(setting: str) -> bool:
    annotation = Settings.model_fields[setting].annotation
    return SecretStr in (annotation, *get_args(annotation)) or setting == "database_url"


def _with_api_key(loaded: LoadedSettings, environment: Mapping[str, str]) -> LoadedSettings:
    """Fill in the API key: the setting itself, else the file it names, else the provider's own variable."""
    settings = loaded.settings
    if settings.api_key is not None:
        return loaded
    warnings = loaded.warnings
    if settings.api_key_file is not None:
        key, source = _read_key(settings.api_key_file), str(settings.api_key_file)
        if settings.api_key_file.stat().st_mode & 0o004:
            warnings += (f"{settings.api_key_file} is readable by everyone on this machine: chmod 0640 it",)
    else:
        source = KEY_VARIABLES.get(settings.llm_provider, "")
        key = environment.get(source, "")
    if not key:
        return LoadedSettings(settings, loaded.sources, warnings)
    return LoadedSettings(
        settings.model_copy(update={"api_key": SecretStr(key)}), {**loaded.sources, "api_key": source}, warnings
    )


def _read_key(file: Path) -> str:
    name = variable("api_key_file")
    try:
        key = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigurationError([f"{name}: {file} cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError([f"{name}: {file} is not text"]) from error
    if not key or not key.isprintable() or " " in key:
        raise ConfigurationError([f"{name}: {file} must hold one API key on one line"])
    return key
