"""An answer arrives through nginx as it is made, not at its end."""

from itertools import pairwise

from pmm_client import PMMClient

PAUSE = 0.04  # between two words of the mock provider, its default


def test_a_streamed_answer_arrives_through_nginx_chunk_by_chunk(alice: PMMClient) -> None:
    """The words arrive with the pauses with which they were made; a buffering proxy would deliver them all at once."""
    events = alice.ask("Tell me about the slow queries of today. " * 6, alice.create_session("streamed"))
    words = [event for event in events if event.data["type"] == "message"]
    gaps = [later.at - earlier.at for earlier, later in pairwise(words)]

    # The first words may be there before the reader is; from then on, each comes after a pause.
    assert sum(gap > PAUSE / 2 for gap in gaps) >= max(5, len(gaps) // 2), gaps
    assert [event.data["type"] for event in events].count("done") == 1
    assert events[-1].data["type"] == "done"


def test_the_stream_and_the_history_tell_the_same(alice: PMMClient) -> None:
    """What was streamed is what is stored."""
    session = alice.create_session("streamed and stored")
    events = alice.ask("Is replication healthy?", session)
    streamed = "".join(event.data["content"] for event in events if event.data["type"] == "message")
    question, answer = alice.get(f"/v1/chat/sessions/{session}/messages").json()["messages"]
    assert (question["role"], question["content"]) == ("user", "Is replication healthy?")
    assert (answer["role"], answer["content"]) == ("assistant", streamed)


def test_a_finished_stream_can_be_read_again_from_the_start(alice: PMMClient) -> None:
    """A second reader gets every event."""
    started = alice.post("/v1/chat/send?streaming=true", {"message": "hello"}).json()
    first, second = alice.events(started["stream_url"]), alice.events(started["stream_url"])
    assert [event.data for event in first] == [event.data for event in second]


def test_the_stream_forbids_buffering_to_whatever_else_is_on_the_way(alice: PMMClient) -> None:
    """The headers that keep proxies and browsers from collecting the stream."""
    started = alice.post("/v1/chat/send?streaming=true", {"message": "hello"}).json()
    reply = alice.get(started["stream_url"])
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert "no-transform" in reply.headers["cache-control"]
