"""PMM's page in a real browser: it logs in, and does with `fetch` and `EventSource` what PMM's web interface does."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect, sync_playwright

from pmm_client import PASSWORDS

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
# Root has no sandbox; the rest keeps the browser from looking for its makers.
_SWITCHES = ("--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync")
_PATIENCE_MILLISECONDS = 60_000

_SCRIPT = Path(__file__).with_suffix(".js")


@dataclass(frozen=True)
class Told:
    """What the page has seen of one question's answer."""

    kinds: list[str]
    """Types of the events; runs of the same one taken together."""
    connections: int
    """One for each answer, and more where it broke.

    A browser also connects again when its machine's network changes, as by a server that ends beside this one.
    """
    ids: list[int]
    """Of its events, as the browser gave them."""
    text: str
    session_id: str


class WebPage:
    """A page of PMM, open in a browser. Ask one question after the other."""

    def __init__(self, page: Page) -> None:
        self._page = page

    def log_in(self, login: str) -> None:
        """Get the session's cookie, as the login page does."""
        answer = self._page.request.post("/graph/login", data={"user": login, "password": PASSWORDS[login]})
        expect(answer).to_be_ok()

    def begin(self, how: str, **question: str) -> None:
        """Ask: `plainly`, `withFile`, or `approving` tools in the very moment in which they are seen."""
        self._page.evaluate("([how, question]) => begin(how, question)", [how, question])

    def wait_for_events(self, count: int) -> None:
        """Return as soon as so many have come."""
        seen = "count => noted.filter((note) => note.kind === 'event').length >= count"
        self._page.wait_for_function(seen, arg=count)

    def told(self) -> Told:
        """Return what has come, once all has."""
        self._page.wait_for_function("() => ended !== undefined")
        assert self._page.evaluate("() => ended") == "well"
        return _told(self._page.evaluate("() => noted"))

    def get(self, path: str) -> Any:
        """GET, from the page."""
        return json.loads(self._page.evaluate("async (path) => (await fetch(path)).text()", path))


@contextmanager
def opened_page(base: str) -> Iterator[WebPage]:
    """Open the page of the PMM server at this address; its certificate may be its own."""
    program = next(found for name in _PROGRAMS if (found := shutil.which(name)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_SWITCHES)
        page = browser.new_page(base_url=base, ignore_https_errors=True)
        page.set_default_timeout(_PATIENCE_MILLISECONDS)
        page.goto("/graph/")
        page.add_script_tag(path=_SCRIPT)
        yield WebPage(page)
        browser.close()


def _told(noted: list[dict[str, Any]]) -> Told:
    events = [note for note in noted if note["kind"] == "event"]
    data = [event["data"] for event in events]
    return Told(
        kinds=[kind for kind, _ in groupby(event["type"] for event in data)],
        connections=sum(note["kind"] == "opened" for note in noted),
        ids=[event["id"] for event in events],
        text="".join(event["content"] for event in data if event["type"] == "message"),
        session_id=data[0]["session_id"],
    )
