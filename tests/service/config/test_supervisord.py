"""What is read from an ini file is what supervisord gives the process.

supervisord's own parser is the reference: what it does is looked up, not remembered.
"""

from __future__ import annotations

import platform
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from supervisor.datatypes import dict_of_key_value_pairs
from supervisor.options import UnhosedConfigParser, expand

from aichat_backend.config.problems import ConfigurationError
from aichat_backend.config.supervisord import read_program

pytestmark = pytest.mark.thorough

SECTION = "program:aichat-backend"
OWN = {"OPENAI_API_KEY": "sk-own", "QUOTED": 'a"b', "PERCENT": "100%"}

SEED = """\
[program:aichat-backend]
command=/usr/sbin/aichat-backend
args=--env-only
directory=/srv/aichat-backend
user=pmm
environment=
    AICHAT_PORT="3001",
    AICHAT_LLM_PROVIDER="openai",
    AICHAT_LLM_MODEL="gpt-4",
    AICHAT_API_KEY="your-api-key",
    AICHAT_LLM_TEMPERATURE="0.7",
    AICHAT_MCP_SERVERS_FILE="/srv/aichat-backend/mcp-servers.json",
    GIN_MODE="release"
"""


def supervisords(ini: str, folder: Path) -> dict[str, str]:
    """What supervisord gives the process; the steps of its `ServerOptions` that concern `environment=`."""
    parser = UnhosedConfigParser()
    parser.read_string(ini)
    parser.expand_here(str(folder))
    expansions = {
        "here": "/etc",
        "program_name": "aichat-backend",
        "group_name": "aichat-backend",
        "host_node_name": platform.node(),
        "process_num": 0,
        "numprocs": 1,
    } | {f"ENV_{name}": value for name, value in OWN.items()}
    text = parser.saneget(SECTION, "environment", "", do_expand=False)
    variables: dict[str, str] = dict_of_key_value_pairs(expand(text, expansions, "environment"))
    return variables


def ours(ini: str, folder: Path) -> dict[str, str]:
    file = folder / "ai-chat.ini"
    file.write_text(ini, encoding="utf-8", newline="\n")
    return dict(read_program(file, OWN).environment)


def problem(ini: str, folder: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        ours(ini, folder)
    (told,) = caught.value.problems
    return told.removeprefix(f"{folder / 'ai-chat.ini'}: ")


def program(environment: str) -> str:
    return f"[{SECTION}]\ncommand=/usr/sbin/aichat-backend\nenvironment={environment}\n"


def test_the_seeds_ini_with_one_variable_a_line(tmp_path: Path) -> None:
    assert ours(SEED, tmp_path) == supervisords(SEED, tmp_path)
    assert ours(SEED, tmp_path)["AICHAT_MCP_SERVERS_FILE"] == "/srv/aichat-backend/mcp-servers.json"
    assert len(ours(SEED, tmp_path)) == 7


@pytest.mark.parametrize(
    ("environment", "variables"),
    [
        ("", {}),
        ("A=1", {"A": "1"}),
        ('A="1",B=2,', {"A": "1", "B": "2"}),
        ("A='it is, so',B=\"say 'no'\"", {"A": "it is, so", "B": "say 'no"}),
        ("A=\"\",B=''", {"A": "", "B": ""}),
        ('A="100%%"', {"A": "100%"}),
        ('A="50%%%%"', {"A": "50%%"}),
        ("A=50%%", {"A": "50"}),
        ('A="back\\slash\\n"', {"A": "back\\slash\\n"}),
        ('A="a=b"', {"A": "a=b"}),
        ("A=http://127.0.0.1:8080/v1+x-y(z)", {"A": "http://127.0.0.1:8080/v1+x-y(z)"}),
        ('\n    ; all of it\n    A="1",\n    # more\n    B="2" ; and that\n', {"A": "1", "B": "2"}),
        ('A="no#comment;here"', {"A": "no#comment;here"}),
        ("A=1#comment", {"A": "1"}),
        ('A="1",A="2"', {"A": "2"}),
        ('A="1";B="2"', {"A": "1", "B": "2"}),
        ('A="ä 漢字"', {"A": "ä 漢字"}),
        ('A="two\n lines"', {"A": "two\nlines"}),
        ('A="%(ENV_OPENAI_API_KEY)s"', {"A": "sk-own"}),
        ('A="%(ENV_PERCENT)s"', {"A": "100%"}),
        ('A="%(program_name)s-%(process_num)02d"', {"A": "aichat-backend-00"}),
    ],
)
def test_forms_of_an_environment(tmp_path: Path, environment: str, variables: dict[str, str]) -> None:
    ini = program(environment)
    assert supervisords(ini, tmp_path) == variables, "the example is wrong: supervisord reads it otherwise"
    assert ours(ini, tmp_path) == variables


def test_here_is_the_folder_of_the_ini(tmp_path: Path) -> None:
    ini = program('A="%(here)s/x"')
    assert ours(ini, tmp_path) == supervisords(ini, tmp_path) == {"A": f"{tmp_path}/x"}


def test_a_program_without_environment_gets_no_variables(tmp_path: Path) -> None:
    assert ours(f"[{SECTION}]\ncommand=x\n", tmp_path) == {}


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("", []),
        ("/usr/sbin/aichat-backend", []),
        ("/usr/sbin/aichat-backend --env-only ; no file", ["--env-only"]),
        ("aichat-backend --config '/my chat/%(program_name)s.yaml'", ["--config", "/my chat/aichat-backend.yaml"]),
        ('aichat-backend "--config=%(here)s/50%%.yaml"', ["--config=HERE/50%.yaml"]),
    ],
)
def test_the_arguments_are_those_of_the_command(tmp_path: Path, command: str, arguments: list[str]) -> None:
    ini = tmp_path / "ai-chat.ini"
    ini.write_text(f"[{SECTION}]\ncommand={command}\n")
    assert [argument.replace(str(tmp_path), "HERE") for argument in read_program(ini, OWN).arguments] == arguments


def test_other_programs_in_the_same_file_do_not_matter(tmp_path: Path) -> None:
    assert ours('[program:x]\nenvironment=A="1"\n' + program('B="2"'), tmp_path) == {"B": "2"}


@pytest.mark.parametrize(
    ("ini", "told"),
    [
        (program('A="1'), "environment: a quote is not closed"),
        (program("A"), 'environment: must have the form KEY="value",KEY2="value"'),
        (program("A=1 B=2"), 'environment: must have the form KEY="value",KEY2="value"'),
        (program('A="50%"'), "environment: a percent sign must be written as %%"),
        (program('A="%%%"'), "environment: a percent sign must be written as %%"),
        (program('A="%s"'), "environment: a percent sign must be written as %%"),
        (program('A="%(ENV_OPENAI_API_KEY)"'), "environment: an expansion must have the form %(ENV_NAME)s"),
        (program('A="%(ENV_X"'), "environment: an expansion must have the form %(ENV_NAME)s"),
        (program('A="%(ENV_X)s"'), "environment: %(ENV_X)s is not known here: set X for this command too"),
        (program('A="%(group)s"'), "environment: %(group)s is not known here: remove it"),
        (program("").replace("/usr", "'/usr"), "command: a quote is not closed"),
        (program("").replace("/usr", "%(ENV_X)s"), "command: %(ENV_X)s is not known here: set X for this command too"),
        ("[program:other]\ncommand=x\n", f"has no section [{SECTION}]"),
        ("", f"has no section [{SECTION}]"),
        ("environment=A=1\n", "is not a valid ini file"),
        (f"[{SECTION}\n", "is not a valid ini file"),
    ],
)
def test_what_supervisord_would_refuse_is_one_line_without_values(tmp_path: Path, ini: str, told: str) -> None:
    assert problem(ini, tmp_path) == told


def test_a_missing_ini_and_one_that_is_not_text(tmp_path: Path) -> None:
    file = tmp_path / "ai-chat.ini"
    with pytest.raises(ConfigurationError, match="cannot be read: No such file or directory"):
        read_program(file, {})
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="is not a valid ini file"):
        read_program(file, {})


SIGNS = ["=", ",", '"', "'", " ", "\n    ", ";", "#", " ;", "/.+-():", "\\", "@", "%%"]
WORDS = ["A", "B_1", "é", "1", 'KEY="value"', 'K2="with, comma"', "'single'", "%(ENV_QUOTED)s", "%(ENV_PERCENT)s"]
PIECES = st.sampled_from([*SIGNS, *WORDS])
SOUP = st.lists(PIECES, max_size=14).map("".join)
VALUE = st.text(st.sampled_from("ab1 ,;#=%/\\'é(){}$"), max_size=12)
PAIRS = st.lists(st.tuples(st.sampled_from("ABC"), VALUE), max_size=4).map(
    lambda pairs: ",\n    ".join(f'{name}="{value.replace("%", "%%")}"' for name, value in pairs)
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None)
@given(environment=st.one_of(SOUP, PAIRS))
def test_any_environment_is_read_as_supervisord_reads_it_or_refused_with_it(tmp_path: Path, environment: str) -> None:
    ini = program(environment)
    try:
        expected = supervisords(ini, tmp_path)
    except Exception:  # noqa: BLE001 - supervisord refuses by various exceptions
        assert problem(ini, tmp_path)
    else:
        assert ours(ini, tmp_path) == expected
