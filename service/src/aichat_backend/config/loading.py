"""Where settings come from: the environment over a configuration file over the defaults."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from msgspec import structs

from aichat_backend.config.api_key import find_fallback_keys, find_key, keyless_fallbacks
from aichat_backend.config.foreign_models import foreign_models
from aichat_backend.config.kinds import KINDS
from aichat_backend.config.problems import ConfigurationError, closest_setting, sentence, variable
from aichat_backend.config.providers import ProviderName
from aichat_backend.config.reading import WrongValues, read_settings
from aichat_backend.config.secret_files import read_secret_file
from aichat_backend.config.secrets import Secret
from aichat_backend.config.settings import PREFIX, Settings

ENVIRONMENT = "environment"

_GIN_LOG_LEVELS = {"debug": "debug", "release": "info", "test": "info"}


@dataclass(frozen=True)
class LoadedSettings:
    """Settings, where each that was set came from, and what looked odd on the way."""

    settings: Settings
    sources: Mapping[str, str]
    """Setting name → where its value was found; what is not here has its default."""
    warnings: tuple[str, ...]
    fallback_key_sources: Mapping[ProviderName, str] = field(default_factory=dict)
    """Provider of the fallback chain → the variable in which its key was found."""


def load_settings(
    environment: Mapping[str, str], file: Path | None, *, origins: Mapping[str, str] | None = None
) -> LoadedSettings:
    """Read, merge and check all settings. What is empty counts as not set, in the environment and in the file.

    Args:
        environment: all variables.
        file: the configuration file, if one is to be read.
        origins: variables that are not from this process's own environment → where they were read.

    Raises:
        ConfigurationError: for a file that cannot be read, an unknown key in it, or a value out of its limits.
    """
    origins = origins or {}
    from_file = _read_file(file) if file is not None else {}
    from_environment = _read_environment(environment)
    values = _gin_log_level(environment) | from_file | from_environment
    sources = (
        dict.fromkeys(values, "GIN_MODE")
        | dict.fromkeys(from_file, str(file))
        | {setting: origins.get(variable(setting), ENVIRONMENT) for setting in from_environment}
    )
    names = {setting: f"{file}: {setting}" for setting in from_file.keys() - from_environment.keys()}
    try:
        settings = read_settings(values)
    except WrongValues as error:
        raise ConfigurationError(
            sentence(setting, names.get(setting, variable(setting)), values[setting], problem)
            for setting, problem in error.problems.items()
        ) from None
    loaded = LoadedSettings(settings, sources, (*_unknown_variables(environment), *foreign_models(settings)))
    return _with_fallback_keys(_with_api_key(_with_database_password(loaded), environment), environment)


def _read_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    named = {setting: environment.get(variable(setting), "") for setting in KINDS}
    return {setting: value for setting, value in named.items() if value != ""}


def _unknown_variables(environment: Mapping[str, str]) -> Iterator[str]:
    known = {variable(setting) for setting in KINDS}
    for name in sorted(environment):
        if name.startswith(PREFIX) and name not in known:
            meant = closest_setting(name)
            hint = f"; did you mean {variable(meant)}?" if meant else ""
            yield f"{name} is not a setting of this version and has no effect{hint}"


def _gin_log_level(environment: Mapping[str, str]) -> dict[str, Any]:
    """What the earlier service's GIN_MODE says about the log: a hint, which any `log_level` overrides."""
    mode = environment.get("GIN_MODE", "")
    if not mode:
        return {}
    if mode not in _GIN_LOG_LEVELS:
        raise ConfigurationError([f"GIN_MODE: {mode!r} is not allowed; allowed: {', '.join(_GIN_LOG_LEVELS)}"])
    return {"log_level": _GIN_LOG_LEVELS[mode]}


def _read_file(file: Path) -> dict[str, Any]:
    import yaml  # here, because most services have no file

    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError([f"{file}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError([f"{file}: is not UTF-8 text"]) from error
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        raise ConfigurationError([f"{file}: {where}is not valid YAML"]) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigurationError([f"{file}: must be a mapping of settings, such as `port: 3001`"])
    unknown = [str(key) for key in content if key not in KINDS]
    if unknown:
        raise ConfigurationError(_unknown_key(file, key) for key in unknown)
    return {key: value for key, value in content.items() if value is not None and value != ""}


def _unknown_key(file: Path, key: str) -> str:
    meant = closest_setting(key)
    return f"{file}: {key}: is not a setting" + (f"; did you mean {meant}?" if meant else "")


def _with_database_password(loaded: LoadedSettings) -> LoadedSettings:
    file = loaded.settings.db_password_file
    if file is None or loaded.settings.db_password is not None:
        return loaded
    text, warnings = read_secret_file("db_password_file", file)
    password = text.removesuffix("\n").removesuffix("\r")
    if not password or not password.isprintable():
        raise ConfigurationError([f"{variable('db_password_file')}: {file} must hold one password on one line"])
    return replace(
        loaded,
        settings=structs.replace(loaded.settings, db_password=Secret(password)),
        sources={**loaded.sources, "db_password": str(file)},
        warnings=loaded.warnings + warnings,
    )


def _with_api_key(loaded: LoadedSettings, environment: Mapping[str, str]) -> LoadedSettings:
    if loaded.settings.api_key is not None:
        return loaded
    found = find_key(loaded.settings, environment)
    if found is None:
        return loaded
    return replace(
        loaded,
        settings=structs.replace(loaded.settings, api_key=found.key),
        sources={**loaded.sources, "api_key": found.source},
        warnings=loaded.warnings + found.warnings,
    )


def _with_fallback_keys(loaded: LoadedSettings, environment: Mapping[str, str]) -> LoadedSettings:
    found = find_fallback_keys(loaded.settings, environment)
    keys = {provider: key.key for provider, key in found.items()}
    settings = structs.replace(loaded.settings, fallback_keys=keys)
    return replace(
        loaded,
        settings=settings,
        warnings=(*loaded.warnings, *keyless_fallbacks(settings)),
        fallback_key_sources={provider: key.source for provider, key in found.items()},
    )
