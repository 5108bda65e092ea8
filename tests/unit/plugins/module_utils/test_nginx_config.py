# Copyright (c) 2026, the percona.pmm_ai_chat authors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The right server block gets exactly one include line."""

from __future__ import annotations

import pytest
from ansible_collections.percona.pmm_ai_chat.plugins.module_utils._nginx_config import (
    MARK,
    NginxProblem,
    listens_on,
    parse,
    superseded,
    with_include,
    without_include,
)

PATH = "/etc/nginx/aichat/locations.conf"
PORTS = [8443, 8080]
PMM = """\
upstream managed { server 127.0.0.1:7772; }
server { listen 9000; return 404; }
server {
  listen 8080; # } not the end
  listen [::]:8443 ssl;
  server_name _;
  if ($maintenance_mode = 1) {
    return 503 "a } in \\" quotes ;";
  }
  rewrite ^/x$ ${y}z last;
  location ~ "^/a{2}$" { return 204; }
}
"""


def test_the_line_is_the_last_one_of_the_block() -> None:
    expected = PMM[: PMM.rindex("}")] + f"  include {PATH}; {MARK}\n}}\n"
    assert with_include(PMM, PATH, PORTS) == expected


def test_a_second_time_changes_nothing_and_removing_gives_the_original_back() -> None:
    once = with_include(PMM, PATH, PORTS)
    assert with_include(once, PATH, PORTS) == once
    assert without_include(once, PATH) == PMM


def test_a_line_that_somebody_moved_is_accepted() -> None:
    text = f"server {{\n  include {PATH};\n  listen 8080;\n}}\n"
    assert with_include(text, PATH, PORTS) == text


def test_a_doubled_line_is_reduced_to_one() -> None:
    text = f"server {{\n  include {PATH}; {MARK}\n  listen 8080;\n  include {PATH}; {MARK}\n}}\n"
    assert with_include(text, PATH, PORTS) == f"server {{\n  include {PATH}; {MARK}\n  listen 8080;\n}}\n"


def test_a_line_with_another_path_or_in_another_block_makes_way() -> None:
    plain = PMM.replace("{ listen 9000; return 404; }", "{\n  listen 9000;\n}")
    before = with_include(with_include(plain, "/old.conf", PORTS), "/older.conf", [9000])
    before = before.replace("  listen 8080;", f"  include /old.conf; {MARK}\n  listen 8080;")
    assert superseded(before, PATH) == ["/old.conf", "/older.conf"]
    after = with_include(before, PATH, PORTS)
    assert after == with_include(plain, PATH, PORTS)
    assert superseded(after, PATH) == []
    assert without_include(before, PATH) == plain


def test_two_blocks_for_the_two_ports_both_get_it() -> None:
    text = "http {\n\tserver {\n\t\tlisten 8080;\n\t}\n\tserver {\n\t\tlisten 8443 ssl;\n\t}\n}\n"
    edited = with_include(text, PATH, PORTS)
    assert edited.count(f"\t\tinclude {PATH}; {MARK}\n\t}}") == 2
    assert without_include(edited, PATH) == text


def test_a_block_on_one_line() -> None:
    edited = with_include("server { listen 8080; }\n", PATH, PORTS)
    assert [directive.words for directive in parse(edited)[0].children] == [["listen", "8080"], ["include", PATH]]


@pytest.mark.parametrize(
    ("listen", "ports"),
    [
        ("8443 ssl http2", {8443}),
        ("0.0.0.0:8080", {8080}),
        ("[::]:8443 ssl", {8443}),
        ("*:8080 default_server", {8080}),
        ("localhost", {80}),
        ("unix:/run/8080", set()),
    ],
)
def test_ports(listen: str, ports: set[int]) -> None:
    assert listens_on(parse(f"server {{ listen {listen}; }}")[0]) == ports


def test_lua_code_is_not_read_as_nginx() -> None:
    text = "server {\n  listen 8080;\n  access_by_lua_block { local t = { a = 'b;' } }\n}\n"
    assert MARK in with_include(text, PATH, PORTS)


def test_no_server_block_is_told() -> None:
    with pytest.raises(NginxProblem, match="no server block listens on 8443 or 8080"):
        with_include("server { listen 80; }", PATH, PORTS)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("server {\n listen 8080;", "line 1: this block is never closed"),
        ("server { listen 8080; }\n}", "line 2: unexpected }"),
        ("listen 8080", "line 1: this directive never ends"),
        ("\n;", "line 2: unexpected ;"),
        ("a 'b", "line 1: this quote is never closed"),
        ("a_by_lua_block { {", "line 1: this block is never closed"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(text: str, problem: str) -> None:
    with pytest.raises(NginxProblem, match=problem):
        with_include(text, PATH, PORTS)
