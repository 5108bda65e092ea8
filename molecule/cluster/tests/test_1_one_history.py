"""Two servers on one database are one service to their users."""

from testinfra.host import Host

from pmm_client import PMMClient


def test_a_conversation_that_was_begun_on_one_is_read_on_the_other(one: Host, two: Host) -> None:
    """With its title, question and answer, and only by whose it is."""
    here, there = PMMClient(one, "alice"), PMMClient(two, "alice")
    session = here.create_session("begun on one")
    here.ask("What changed since yesterday?", session)

    messages = f"/v1/chat/sessions/{session}/messages"
    assert [message["role"] for message in there.get(messages).json()["messages"]] == ["user", "assistant"]
    assert there.get(messages).json() == here.get(messages).json()
    assert session in there.session_ids()
    assert session not in PMMClient(two, "bob").session_ids()


def test_it_goes_on_there(one: Host, two: Host) -> None:
    """What is added on the other server is seen on the first."""
    here, there = PMMClient(one, "alice"), PMMClient(two, "alice")
    session = here.create_session("to be continued")
    here.ask("one", session)
    there.ask("two", session)
    said = here.get(f"/v1/chat/sessions/{session}/messages").json()["messages"]
    assert [message["content"] for message in said if message["role"] == "user"] == ["one", "two"]
