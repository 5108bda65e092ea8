"""The life of the real process: how it starts, refuses to start, stops and comes back."""

from __future__ import annotations

import signal
import socket
from pathlib import Path
from time import monotonic

import pytest

from fakes.processes import STARTS_PROCESSES
from fakes.program import Service, free_port, run

pytestmark = STARTS_PROCESSES

SLOW = {"AICHAT_MOCK_DELAY_MS": "60"}
"""An answer takes about a second."""

HANGING = {"AICHAT_MOCK_DELAY_MS": "10000"}
"""An answer begins and does not end by itself."""

QUICKLY = 10.0
"""Seconds: far more than a stop needs, far less than the grace that it must not wait for."""

TERMINAL = ("done", "error")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path


def test_it_listens_says_so_and_answers_health(data: Path) -> None:
    before = monotonic()
    with Service(data) as service:
        health = service.request("GET", "/health")
        print(f"start to healthy: {monotonic() - before:.2f} s")  # noqa: T201 - told, never asserted: machines differ
        assert health.status == 200
        assert health.body["status"] == "ok"
        assert service.request("GET", "/v1/chat/health").body["status"] == "ok"
        told = service.wait_for("listening")
        assert (told["host"], told["port"], told["provider"]) == ("127.0.0.1", service.port, "mock")


def test_without_a_key_it_starts_degraded_and_answers_questions_with_503(data: Path) -> None:
    with Service(data, AICHAT_LLM_PROVIDER="openai") as service:
        assert "AICHAT_API_KEY" in service.wait_for("provider_not_configured")["problem"]
        health = service.request("GET", "/health")
        assert (health.status, health.body["status"]) == (200, "degraded")
        asked = service.ask("hello")
        assert (asked.status, asked.body["code"]) == (503, "provider_not_configured")


def test_what_looks_odd_in_the_settings_is_logged_and_no_secret_is(data: Path) -> None:
    canary = "sk-canary-6b1d"
    with Service(data, AICHAT_LLM_MODLE="x", AICHAT_API_KEY=canary, AICHAT_LOG_LEVEL="debug") as service:
        assert service.wait_for("setting_warning")["problem"].endswith("did you mean AICHAT_LLM_MODEL?")
        service.ask(f"my key is {canary}")
        service.signal(signal.SIGTERM)
        assert service.exit_status() == 0
        assert canary not in str(service.log)


def assert_refused(environment: dict[str, str], complaint: str) -> None:
    given = {"AICHAT_PORT": str(free_port()), "AICHAT_LLM_PROVIDER": "mock", **environment}
    done = run("--env-only", environment=given)
    assert done.returncode == 1
    assert done.stderr.startswith(f"aichat-backend: {complaint}"), done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_port_that_is_taken_is_one_clear_line(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert_refused(
            {"AICHAT_DATA_DIR": str(data), "AICHAT_PORT": str(port)},
            f"AICHAT_PORT: {port} on 127.0.0.1 is in use by another program",
        )


@pytest.mark.parametrize("host", ["192.0.2.1", "not a host"])
def test_an_address_that_is_not_this_machines_is_one_clear_line(data: Path, host: str) -> None:
    assert_refused(
        {"AICHAT_DATA_DIR": str(data), "AICHAT_HOST": host, "AICHAT_PROXY_SECRET": "s3cret"},
        f"AICHAT_HOST: {host!r} is no address of this machine",
    )


def test_a_database_that_no_waiting_mends_is_one_clear_line_with_the_setting_that_names_it(data: Path) -> None:
    url = "mysql://pmm@localhost/chat"
    assert_refused({"AICHAT_DATA_DIR": str(data), "AICHAT_DATABASE_URL": url}, "AICHAT_DATABASE_URL: ")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_idle_stops_it_quickly_and_cleanly(data: Path, number: signal.Signals) -> None:
    with Service(data, AICHAT_SHUTDOWN_GRACE="600") as service:
        service.ask("hello")
        before = monotonic()
        service.signal(number)
        assert service.exit_status() == 0
        assert monotonic() - before < QUICKLY
        assert service.errors() == ""
        assert service.log[-1]["event"] == "stopped"
        assert [line for line in service.log if line["level"] not in ("info", "debug")] == []


def test_clients_that_say_nothing_or_not_all_do_not_hold_up_the_stop(data: Path) -> None:
    begun = b"POST /v1/chat/send HTTP/1.1\r\nHost: x\r\nX-User-ID: 7\r\nContent-Type: application/json\r\n"
    with Service(data, AICHAT_SHUTDOWN_GRACE="600") as service:
        address = ("127.0.0.1", service.port)
        with (
            socket.create_connection(address),
            socket.create_connection(address) as half_a_head,
            socket.create_connection(address) as half_a_body,
        ):
            half_a_head.sendall(begun)
            half_a_body.sendall(begun + b'Content-Length: 1000\r\n\r\n{"mess')
            assert service.request("GET", "/health").status == 200
            before = monotonic()
            service.signal(signal.SIGTERM)
            assert service.exit_status() == 0
            assert monotonic() - before < QUICKLY


def test_an_answer_under_way_ends_within_the_grace(data: Path) -> None:
    with Service(data, AICHAT_SHUTDOWN_GRACE="20", **SLOW) as service:
        asked = service.ask_streaming("hello")
        with service.follow(asked["stream_url"]) as events:
            said = [next(events)]
            service.signal(signal.SIGTERM)
            service.wait_for("draining")
            said += events
        assert [event["type"] for event in said if event["type"] in TERMINAL] == ["done"]
        assert said[-1]["type"] == "done"
        assert service.exit_status() == 0
    with Service(data) as service:
        answer = service.messages(asked["session_id"])[-1]
        assert answer["content"] == "".join(event.get("content", "") for event in said)


def test_during_the_drain_a_new_question_gets_503_and_everything_else_is_answered(data: Path) -> None:
    with Service(data, AICHAT_SHUTDOWN_GRACE="20", **SLOW) as service:
        asked = service.ask_streaming("hello", "watched")
        with service.follow(asked["stream_url"]) as events:
            next(events)
            service.signal(signal.SIGTERM)
            service.wait_for("draining")
            assert service.request("GET", "/v1/chat/sessions").status == 200
            refused = service.ask("one more")
            assert (refused.status, refused.body["code"]) == (503, "stopping")
            assert int(refused.headers["Retry-After"]) > 0
            assert list(events)[-1]["type"] == "done"
        assert service.exit_status() == 0
    with Service(data) as service:
        assert service.request("GET", "/v1/chat/sessions").body["pagination"]["total"] == 1


def test_an_answer_longer_than_the_grace_ends_with_one_error_and_its_text_is_kept(data: Path) -> None:
    with Service(data, AICHAT_SHUTDOWN_GRACE="0.2", **HANGING) as service:
        asked = service.ask_streaming("hello")
        with service.follow(asked["stream_url"]) as events:
            said = [next(events)]
            service.signal(signal.SIGTERM)
            said += events
        assert [event["type"] for event in said if event["type"] in TERMINAL] == ["error"]
        assert said[-1]["type"] == "error"
        assert service.exit_status() == 0
    with Service(data) as service:
        question, answer = service.messages(asked["session_id"])
        assert question["content"] == "hello"
        assert answer["content"].startswith(said[0]["content"])
        assert "interrupted" in answer["content"]


def test_a_second_signal_ends_the_grace_at_once_and_the_text_is_kept(data: Path) -> None:
    with Service(data, AICHAT_SHUTDOWN_GRACE="600", **HANGING) as service:
        asked = service.ask_streaming("hello")
        with service.follow(asked["stream_url"]) as events:
            next(events)
            service.signal(signal.SIGTERM)
            service.wait_for("draining")
            before = monotonic()
            service.signal(signal.SIGINT)
            assert list(events)[-1]["type"] == "error"
        assert service.exit_status() == 0
        assert monotonic() - before < QUICKLY
    with Service(data) as service:
        assert "interrupted" in service.messages(asked["session_id"])[-1]["content"]


def test_earlier_questions_reach_the_model_after_a_restart(data: Path) -> None:
    with Service(data) as service:
        session = service.ask("Which host is slow?").body["session_id"]
        service.signal(signal.SIGTERM)
        assert service.exit_status() == 0
    with Service(data) as service:
        answer = service.ask("And why?", session).body["message"]["content"]
    assert "Earlier questions in this conversation: 1; the first one was: Which host is slow?" in answer


def test_what_was_committed_survives_a_kill(data: Path) -> None:
    with Service(data) as service:
        session = service.ask("first").body["session_id"]
        service.signal(signal.SIGKILL)
        assert service.exit_status() == -signal.SIGKILL
    with Service(data, **HANGING) as service:
        asked = service.ask_streaming("second", session)
        with service.follow(asked["stream_url"]) as events:
            next(events)
            service.signal(signal.SIGKILL)
            assert service.exit_status() == -signal.SIGKILL
    with Service(data, AICHAT_PORT=str(service.port)) as service:
        service.wait_for("run_interrupted")
        roles = [(message["role"], message["content"]) for message in service.messages(session)]
        assert [role for role, _content in roles[:3]] == ["user", "assistant", "user"]
        assert roles[0][1] == "first"
        assert roles[2] == ("user", "second")
        assert service.ask("third", session).status == 200


def test_no_bytecode_or_state_is_left_beside_the_database(data: Path) -> None:
    with Service(data) as service:
        service.ask("hello")
        service.signal(signal.SIGTERM)
        assert service.exit_status() == 0
    assert [file.name for file in data.iterdir()] == ["chat.db"]
    assert (data / "chat.db").stat().st_mode & 0o077 == 0


def test_on_hup_the_file_of_the_tool_servers_is_read_again(data: Path) -> None:
    file = data / "mcp-servers.json"
    file.write_text('{"servers": []}')
    with Service(data, AICHAT_MCP_SERVERS_FILE=str(file)) as service:
        service.wait_for("listening")
        before = service.request("GET", "/v1/chat/mcp/servers").body
        file.write_text('{"servers": [{"name": "files", "command": "nothing", "enabled": false}]}')
        service.signal(signal.SIGHUP)
        service.wait_for("tool_servers_reloaded")
        after = service.request("GET", "/v1/chat/mcp/servers").body

    assert before == {"servers": []}
    assert [(server["name"], server["state"]) for server in after["servers"]] == [("files", "disabled")]
