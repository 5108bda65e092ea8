"""Every provider as it is deployed: asked through nginx by somebody who logged in, with a tool and its approval."""

from testinfra.host import Host

from canary import API_KEY
from mock_llm import Chosen, heard
from notes import NOTE, WRITTEN, ask_for_a_note, kinds, text
from pmm_client import PMMClient
from polling import until

QUESTION = "Which database is slow?"
ANSWER = "The one called orders is slow: its disk has been busy since Tuesday, and its cache is too small."


def test_the_roles_variables_alone_choose_the_provider(host: Host, provider: Chosen) -> None:
    """What is in effect names it, and shows no key."""
    shown = host.check_output("aichat-backend config")
    assert ["AICHAT_LLM_PROVIDER", provider.name] in [line.split()[:2] for line in shown.splitlines()]
    assert API_KEY not in shown


def test_an_answer_streams_through_nginx(host: Host, alice: PMMClient, provider: Chosen) -> None:
    """It comes in pieces, from a model of the provider's own, and is what the history tells."""
    session = alice.create_session("")
    events = alice.ask(QUESTION, session)

    assert kinds(events) == ["message", "done"]
    assert text(events) == ANSWER
    assert events[-1].at - events[0].at > 0.2, "everything came at once"
    history = alice.get(f"/v1/chat/sessions/{session}/messages").json()["messages"]
    assert [message["content"] for message in history] == [QUESTION, ANSWER]
    assert all(request.model.startswith(provider.family) for request in heard(host, provider.path))
    until(
        "the model named the session",
        lambda: alice.get(f"/v1/chat/sessions/{session}").json()["title"] == "Slow orders database",
    )


def test_a_tool_runs_when_it_is_approved(host: Host, alice: PMMClient, provider: Chosen) -> None:
    """The model asks, the user approves in the chat, the tool writes, the model hears of it and goes on."""
    session, request_id = ask_for_a_note(host, alice, provider.name)

    events = alice.ask(f"[APPROVE_TOOLS:{request_id}]", session)

    assert kinds(events) == ["tool_execution", "message", "done"]
    assert text(events) == WRITTEN
    note = host.file(NOTE)
    assert (note.content_string, note.user) == ("orders is slow\n", "pmm")
    last = [request for request in heard(host, provider.path) if request.results][-1]
    assert "Successfully wrote" in last.results[0]
