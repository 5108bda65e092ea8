"""The documentation of the settings says what the settings are."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterable
from itertools import chain, pairwise
from pathlib import Path

from msgspec.structs import fields

from aichat_backend.config.allowed import allowed
from aichat_backend.config.api_key import KEY_VARIABLES
from aichat_backend.config.places import DEFAULT_FILE, DEFAULT_INI
from aichat_backend.config.problems import variable
from aichat_backend.config.providers import DEFAULT_MODELS, PROVIDER_ALIASES, ProviderName
from aichat_backend.config.settings import Options

DOCUMENT = (Path(__file__).parents[3] / "docs" / "configuration.md").read_text()


def rows() -> dict[str, tuple[str, ...]]:
    """Variable → default, allowed, meaning."""
    cells = [line.strip("| ").split(" | ") for line in re.findall(r"^\| `AICHAT_.*$", DOCUMENT, re.MULTILINE)]
    return {row[0].strip("`"): tuple(row[1:]) for row in cells}


def written(default: object) -> str:
    return str(default).lower() if isinstance(default, bool) else str(default)


def meanings() -> dict[str, str]:
    """Setting → the words below its definition."""
    (options,) = ast.parse(inspect.getsource(Options)).body
    assert isinstance(options, ast.ClassDef)
    return {
        definition.target.id: " ".join(words.split())
        for definition, below in pairwise(options.body)
        if isinstance(definition, ast.AnnAssign)
        and isinstance(definition.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(words := ast.literal_eval(below.value), str)
    }


def expected() -> dict[str, tuple[str, ...]]:
    meaning = meanings()
    return {
        variable(field.name): (
            "" if field.default is None else f"`{written(field.default)}`",
            allowed(field.name),
            meaning[field.name],
        )
        for field in fields(Options)
    }


def code(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def test_every_setting_is_documented_with_its_default_limits_and_meaning() -> None:
    assert rows() == expected()


def test_every_provider_is_documented_with_its_aliases_default_model_and_key_variables() -> None:
    told = {
        cells[0].strip("`"): tuple(cells[1:4])
        for line in re.findall(r"^\| `[a-z]+` \|.*$", DOCUMENT, re.MULTILINE)
        for cells in [[cell.strip() for cell in line.strip("|").split("|")]]
    }
    assert told == {
        provider.value: (
            code(alias for alias, meant in PROVIDER_ALIASES.items() if meant is provider),
            code([DEFAULT_MODELS[provider]]),
            code(KEY_VARIABLES.get(provider, ())),
        )
        for provider in ProviderName
    }


def test_no_variable_is_named_that_is_none() -> None:
    named = set(re.findall(r"AICHAT_[A-Z_]*[A-Z]", DOCUMENT))
    assert named == set(expected())


def test_the_files_and_the_providers_variables_are_named() -> None:
    for name in (str(DEFAULT_FILE), str(DEFAULT_INI), *chain(*KEY_VARIABLES.values())):
        assert f"`{name}`" in DOCUMENT
