"""The running program on PostgreSQL: a server that goes and comes back, and two programs on one server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fakes.postgres import PostgresServer, postgres_server
from fakes.processes import STARTS_PROCESSES
from fakes.program import Service, run

pytestmark = STARTS_PROCESSES

PASSWORD = "canary-3f81"
FREELY = {"AICHAT_MAX_MESSAGES_PER_MINUTE": "10000", "AICHAT_AUTO_TITLES": "false"}


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    with postgres_server(durable=True) as server:
        yield server


def said(service: Service, session_id: str) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in service.messages(session_id)]


def test_the_server_may_go_and_come_back_while_the_program_runs(tmp_path: Path, server: PostgresServer) -> None:
    with Service(tmp_path, AICHAT_DATABASE_URL=server.create(), **FREELY) as service:
        session = service.ask("one").body["session_id"]

        server.stop()
        for method, path, body in (
            ("POST", "/v1/chat/send", {"message": "lost", "session_id": session}),
            ("GET", f"/v1/chat/sessions/{session}/messages", None),
        ):
            away = service.request(method, path, body)
            assert (away.status, away.body["code"]) == (503, "database_unavailable")
            assert int(away.headers["Retry-After"]) > 0
        ready = service.request("GET", "/ready")
        assert ready.status == 503
        assert ready.body["checks"]["database"] != "ok"

        server.start()
        assert service.ask("two", session).status == 200
        service.wait_for("database_usable_again")
        assert service.request("GET", "/ready").status == 200

        server.stop()
        server.start()
        assert service.ask("three", session).status == 200
        assert [content for role, content in said(service, session) if role == "user"] == ["one", "two", "three"]
        assert service.errors() == ""
    assert list(tmp_path.iterdir()) == []


def test_an_answer_goes_on_while_the_server_is_away_and_is_stored_when_it_is_back(
    tmp_path: Path, server: PostgresServer
) -> None:
    url = server.create()
    with Service(tmp_path, AICHAT_DATABASE_URL=url, **{**FREELY, "AICHAT_MOCK_DELAY_MS": "30"}) as service:
        asked = service.ask_streaming("word " * 40)
        with service.follow(asked["stream_url"]) as events:
            told = [next(events)]
            server.kill()
            while "word" not in "".join(event["content"] for event in told if event["type"] == "message"):
                told.append(next(events))
            server.start()
            told.extend(events)
        assert told[-1]["type"] == "done"
        (question, answer) = said(service, asked["session_id"])
        assert question[1] == "word " * 40
        assert answer == ("assistant", "".join(event["content"] for event in told if event["type"] == "message"))


def test_two_programs_on_one_server_lose_and_double_nothing(tmp_path: Path, server: PostgresServer) -> None:
    url = server.create("two")
    sessions = [f"qan_{number}" for number in range(8)]
    with (
        Service(tmp_path, AICHAT_DATABASE_URL=url, **FREELY) as first,
        Service(tmp_path, AICHAT_DATABASE_URL=url, **FREELY) as second,
    ):
        services = (first, second)

        def chat(session: str) -> None:
            for number in range(10):
                asked = services[number % 2].ask(f"{session} question {number}", session)
                assert asked.status == 200, asked

        with ThreadPoolExecutor(len(sessions)) as threads:
            list(threads.map(chat, sessions))

        for session in sessions:
            history = said(first, session)
            assert history == said(second, session)
            assert [role for role, _ in history] == ["user", "assistant"] * 10
            questions = [content for role, content in history if role == "user"]
            assert questions == [f"{session} question {number}" for number in range(10)]
    ids = server.execute("SELECT id FROM messages", "two")
    assert max(Counter(ids).values()) == 1
    assert len(ids) == 20 * len(sessions)


def test_two_programs_that_start_together_on_an_empty_database_both_serve(
    tmp_path: Path, server: PostgresServer
) -> None:
    url = server.create()
    services = [Service(tmp_path, AICHAT_DATABASE_URL=url) for _ in range(2)]
    for service in services:
        with service:
            assert service.ask("hello").status == 200


def test_a_server_that_is_not_there_is_one_clear_line_without_the_password(tmp_path: Path) -> None:
    url = f"postgresql://u:{PASSWORD}@127.0.0.1:9/d"
    for command in (("check",), ("db", "status"), ("db", "upgrade")):
        done = run(*command, "--env-only", environment={"AICHAT_DATA_DIR": str(tmp_path), "AICHAT_DATABASE_URL": url})
        assert done.returncode == 1
        assert "127.0.0.1:9" in done.stdout + done.stderr
        assert PASSWORD not in done.stdout + done.stderr


def test_the_parts_lead_to_the_same_database(tmp_path: Path, server: PostgresServer) -> None:
    url = server.create("parts")
    folder = url.rpartition("host=")[2]
    parts = {"AICHAT_DB_HOST": folder, "AICHAT_DB_NAME": "parts", "AICHAT_DB_USER": "tester"}
    with Service(tmp_path, **parts) as service:
        assert service.ask("hello").status == 200
    done = run("db", "status", "--env-only", environment={"AICHAT_DATABASE_URL": url})
    assert "rows                2  messages" in done.stdout
