"""Configuration files that cannot be used, each told in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from aichat_backend.config.loading import load_settings
from aichat_backend.config.problems import ConfigurationError


def problems(file: Path) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        load_settings({}, file)
    assert str(caught.value) == "; ".join(caught.value.problems)
    return caught.value.problems


def test_a_missing_file(tmp_path: Path) -> None:
    file = tmp_path / "missing.yaml"
    assert problems(file) == (f"{file}: cannot be read: No such file or directory",)


def test_a_folder_in_the_place_of_the_file(tmp_path: Path) -> None:
    assert problems(tmp_path) == (f"{tmp_path}: cannot be read: Is a directory",)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"port: [1\nhost: x", "line 2: is not valid YAML"),
        (b"port: 2024-99-99", "is not valid YAML"),
        (b"port: !!python/object:os.system x", "line 1: is not valid YAML"),
        (b"\x01", "is not valid YAML"),
        (b"llm_model: \xff\xfe", "is not UTF-8 text"),
        (b"- port", "must be a mapping of settings, such as `port: 3001`"),
        (b"port=3001", "must be a mapping of settings, such as `port: 3001`"),
        (b"llm_modle: x", "llm_modle: is not a setting; did you mean llm_model?"),
        (b"AICHAT_PORT: 1", "AICHAT_PORT: is not a setting; did you mean port?"),
        (b"42: x", "42: is not a setting"),
        (b"null: x", "None: is not a setting"),
        (b"? [a, b]\n: x", "line 1: is not valid YAML"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_its_place(tmp_path: Path, content: bytes, problem: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_bytes(content)
    assert problems(file) == (f"{file}: {problem}",)


def test_all_unknown_keys_are_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("prot: 1\nhots: x\nport: 3001\n")
    assert problems(file) == (
        f"{file}: prot: is not a setting; did you mean port?",
        f"{file}: hots: is not a setting; did you mean host?",
    )


def test_values_of_a_file_have_yaml_types(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text('port: "3002"\nllm_temperature: 1\nllm_provider: mock\ndata_dir: /data\n')
    settings = load_settings({}, file).settings
    assert (settings.port, settings.llm_temperature, settings.llm_provider) == (3002, 1.0, "mock")
    assert settings.data_dir == Path("/data")
