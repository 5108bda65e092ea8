"""PMM's page in a real browser, through nginx and TLS: the browser's own reading of streams, cookies and forms."""

from collections.abc import Iterator

import pytest
from testinfra.host import Host

from notes import NOTE, WRITTEN
from tool_servers import wait_until_ready
from web_page import WebPage, opened_page


@pytest.fixture(scope="module")
def page(host: Host) -> Iterator[WebPage]:
    """Alice's."""
    address = host.check_output("hostname -I").split()[0]
    with opened_page(f"https://{address}:8443") as opened:
        opened.log_in("alice")
        yield opened


def test_an_answer_streams_into_the_page(page: WebPage) -> None:
    """The browser numbers what it got, and the history tells the same."""
    page.begin("plainly", message="Which database is slow?")
    told = page.told()

    assert told.kinds == ["message", "done"]
    assert told.ids == list(range(1, len(told.ids) + 1))
    assert told.text == last_answer(page, told.session_id)


def test_a_page_whose_connection_broke_goes_on_where_it_was(host: Host, page: WebPage) -> None:
    """By itself: the browser connects again, and says what it has seen last."""
    page.begin("plainly", message="What happened to it?")
    page.wait_for_events(3)
    host.check_output("supervisorctl restart nginx")
    told = page.told()

    assert told.kinds == ["message", "done"]
    assert told.connections >= 2
    assert told.ids == list(range(1, len(told.ids) + 1))
    assert told.text == last_answer(page, told.session_id)


def test_a_tool_approved_the_moment_it_is_seen_runs(host: Host, page: WebPage) -> None:
    """Before the stream that asks for it has ended."""
    wait_until_ready(host)
    assert host.run(f"rm --force {NOTE}").rc == 0
    page.begin("approving", message="Write it down: in a browser")
    told = page.told()

    assert told.kinds == [
        *("message", "tool_approval_request", "done"),
        *("tool_execution", "message", "done"),
    ]
    assert told.text.endswith(WRITTEN)
    assert host.file(NOTE).content_string == "orders is slow\n"


def test_a_file_of_the_page_is_sent_and_shown(page: WebPage) -> None:
    """The browser writes the form, and names no type that it does not know."""
    page.begin("withFile", message="What is in the table?", name="slow databases.csv", content="name\norders\n")
    told = page.told()

    assert told.text == "One row, with the name of a database."
    question, _ = page.get(f"/v1/chat/sessions/{told.session_id}/messages")["messages"]
    (attachment,) = question["attachments"]
    assert (attachment["filename"], attachment["mime_type"]) == ("slow databases.csv", "text/csv")


def last_answer(page: WebPage, session_id: str) -> str:
    """What the history ends with."""
    content = page.get(f"/v1/chat/sessions/{session_id}/messages")["messages"][-1]["content"]
    assert isinstance(content, str)
    return content
