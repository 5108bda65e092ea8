"""Two programs on one PostgreSQL: to their users they are one service, whichever of them a request reaches."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from threading import Barrier
from typing import Any, NamedTuple

import pytest

from fakes.mcp_processes import Program, program
from fakes.postgres import PostgresServer
from fakes.processes import STARTS_PROCESSES
from fakes.program import Answer, Service

pytestmark = [STARTS_PROCESSES, pytest.mark.thorough]

FREELY = {
    "AICHAT_MAX_MESSAGES_PER_MINUTE": "10000",
    "AICHAT_MAX_RUNS_PER_USER": "1000",
    "AICHAT_AUTO_TITLES": "false",
    "AICHAT_MOCK_DELAY_MS": "10",
}
LONG = " ".join(["word"] * 3000)
"""Its answer takes half a minute at least: it is under way for as long as a test wants."""

SESSIONS, CLIENTS, QUESTIONS = 2, 4, 4

new_session = map("session-{}".format, count()).__next__


class Pair(NamedTuple):
    here: Service
    there: Service
    tools: Program


@pytest.fixture(scope="module")
def pair(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("two")
    tools = program(folder, "record")
    servers = folder / "mcp-servers.json"
    servers.write_text(json.dumps({"mcpServers": {"t": {**tools.entry, "policy": "ask"}}}))
    settings = {**FREELY, "AICHAT_DATABASE_URL": postgres.create(), "AICHAT_MCP_SERVERS_FILE": str(servers)}
    with Service(folder, **settings) as here, Service(folder, **settings) as there:
        yield Pair(here, there, tools)


def begun(service: Service, session: str) -> tuple[str, Callable[[], list[dict[str, Any]]]]:
    """The path of a long answer of which the first word has been heard, and the events until its end."""
    asked = service.ask_streaming(LONG, session)
    following = service.follow(asked["stream_url"])
    events = following.__enter__()
    heard = [next(events)]

    def to_the_end() -> list[dict[str, Any]]:
        heard.extend(events)
        following.__exit__(None, None, None)
        return heard

    return asked["stream_url"], to_the_end


def can_go_on(service: Service, session: str) -> bool:
    """Whether there is nothing in the way of another question."""
    asked = service.request("POST", "/v1/chat/send?streaming=true", {"message": "And now?", "session_id": session})
    return asked.status == 200 and service.request("DELETE", asked.body["stream_url"]).status == 200


def text(events: list[dict[str, Any]]) -> str:
    return "".join(event["content"] for event in events if event["type"] == "message")


def said(service: Service, session: str) -> list[tuple[str, str]]:
    return [(message["role"], message["content"]) for message in service.messages(session)]


def test_clients_of_both_who_share_sessions_lose_and_double_nothing(pair: Pair) -> None:
    sessions = [new_session() for _ in range(SESSIONS)]

    def chat(client: int) -> list[str]:
        """Each question goes to the other program than the one before, and is asked again while another is answered."""
        refused = []
        for number in range(QUESTIONS):
            service = pair[(client + number) % 2]
            question = f"question {client} {number}"
            while (asked := service.ask(question, sessions[client % SESSIONS])).status == 409:
                refused.append(asked.body["code"])
            assert asked.status == 200, asked
            assert question in asked.body["message"]["content"]
        return refused

    with ThreadPoolExecutor(CLIENTS) as clients:
        refused = {code for codes in clients.map(chat, range(CLIENTS)) for code in codes}

    assert refused == {"session_busy"}
    for place, session in enumerate(sessions):
        history = said(pair.here, session)
        assert history == said(pair.there, session)
        questions = [content for role, content in history if role == "user"]
        askers = range(place, CLIENTS, SESSIONS)
        assert sorted(questions) == [f"question {asker} {number}" for asker in askers for number in range(QUESTIONS)]
        assert [role for role, _ in history] == ["user", "assistant"] * len(questions)
        assert all(question in answer for (_, question), (_, answer) in zip(history[::2], history[1::2], strict=True))


def test_an_approval_that_is_decided_at_both_at_the_same_moment_is_carried_out_once(pair: Pair) -> None:
    sessions = [new_session() for _ in range(6)]
    for session in sessions:
        asked = pair.here.ask('use t__record {"id": "it"}', session)
        assert asked.body["message"]["role"] == "tool_approval", asked
    before = len(pair.tools.noted("ran"))

    def decide(service: Service, session: str, together: Barrier) -> Answer:
        request = service.messages(session)[-1]["approval_request"]["request_id"]
        together.wait()
        return service.request("POST", f"/v1/chat/sessions/{session}/approvals/{request}", {"approved": True})

    with ThreadPoolExecutor(2) as users:
        for session in sessions:
            together = Barrier(2)
            deciding = [users.submit(decide, service, session, together) for service in (pair.here, pair.there)]
            answers = sorted((each.result() for each in deciding), key=lambda answer: answer.status)
            assert [answer.status for answer in answers] == [200, 409]
            assert answers[1].body["code"] in ("approval_decided", "session_busy")
            assert said(pair.here, session) == said(pair.there, session)
    assert len(pair.tools.noted("ran")) - before == len(sessions)


def test_while_one_answers_the_other_refuses_questions_and_tells_readers_to_come_back(pair: Pair) -> None:
    session = new_session()
    path, to_the_end = begun(pair.here, session)

    refused = pair.there.ask("And this?", session)
    assert (refused.status, refused.body["code"]) == (409, "session_busy")
    with pair.there.follow(path) as events:
        (event,) = events
    assert (event["type"], event["session_id"]) == ("error", session)
    assert "reload the conversation" in event["error"]
    with pair.there.follow(path, last_event_id=57) as events:
        assert [event["type"] for event in events] == ["error"]
    unknown = pair.there.request("GET", f"{path[:-1]}{'0' if path[-1] != '0' else '1'}")
    assert unknown.status == 404

    pair.here.request("DELETE", path)
    assert to_the_end()[-1]["type"] == "done"


def test_an_answer_is_stopped_through_the_other_and_all_that_was_heard_is_kept(pair: Pair) -> None:
    session = new_session()
    path, to_the_end = begun(pair.here, session)

    assert pair.there.request("DELETE", path).status == 200

    # Stored by the time the other one says so.
    history = said(pair.there, session)
    events = to_the_end()
    assert events[-1]["type"] == "done"
    (asked, (role, answer)) = history
    assert (asked, role) == (("user", LONG), "assistant")
    assert answer.startswith(text(events).strip())
    assert answer.endswith("[stopped]")
    assert can_go_on(pair.there, session)


def test_another_answer_is_asked_for_at_the_other_while_the_first_is_under_way(pair: Pair) -> None:
    session = new_session()
    assert pair.here.ask("short", session).status == 200
    _path, to_the_end = begun(pair.here, session)

    regenerated = pair.there.request("POST", f"/v1/chat/sessions/{session}/regenerate?streaming=true")

    assert regenerated.status == 200, regenerated
    assert to_the_end()[-1]["type"] == "done"
    assert pair.here.request("DELETE", regenerated.body["stream_url"]).status == 200
    assert [role for role, _ in said(pair.here, session)] == ["user", "assistant"] * 2


@pytest.mark.parametrize("what", ["session", "messages", "user"])
def test_what_is_deleted_at_the_other_ends_the_answer_and_stays_deleted(pair: Pair, what: str) -> None:
    session = new_session()
    _path, to_the_end = begun(pair.here, session)
    paths = {"session": f"/sessions/{session}", "messages": f"/sessions/{session}/messages", "user": "/me"}

    assert pair.there.request("DELETE", f"/v1/chat{paths[what]}").status == 200

    last = to_the_end()[-1]
    assert last["type"] == "error"
    assert "Reload the conversation" in last["error"]
    for service in (pair.here, pair.there):
        history = service.request("GET", f"/v1/chat/sessions/{session}/messages")
        assert (history.status, history.body.get("messages")) == ((200, []) if what == "messages" else (404, None))


def test_the_answer_of_a_program_that_was_killed_is_interrupted_by_the_other(
    postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, session = tmp_path_factory.mktemp("killed"), new_session()
    settings = {**FREELY, "AICHAT_DATABASE_URL": postgres.create()}
    with Service(folder, **settings) as survivor:
        with Service(folder, **settings) as killed:
            path, _to_the_end = begun(killed, session)
            killed.signal(signal.SIGKILL)
            killed.exit_status()

        assert survivor.ask("And this?", session).status == 409
        # Whoever stops it waits until it is found to be dead.
        assert survivor.request("DELETE", path).status == 200

        (_, question), (_, answer) = said(survivor, session)
        assert question == LONG
        assert "interrupted" in answer
        assert len(survivor.told("run_interrupted")) == 1
        assert can_go_on(survivor, session)
