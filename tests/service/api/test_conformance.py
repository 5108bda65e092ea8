"""The service keeps to its own OpenAPI document, whatever it is asked: schemathesis makes the questions of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from msgspec import structs
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from aichat_backend.config.settings import Settings
from fakes.backend import running_backend
from fakes.processes import STARTS_PROCESSES
from fakes.toolbox import FakeToolbox, tool

pytestmark = STARTS_PROCESSES
"""What it uploads may be a document, which is read in a process of its own."""

IDENTITY = {"X-User-ID": "1"}
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
REFUSED_BY_HTTP = "".join(map(chr, [*range(32), 127]))
"""What no header may have in it: the HTTP server refuses that before there is an API."""

repeatable = hypothesis_settings(
    max_examples=6,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@dataclass
class Interview:
    """Every operation is asked with ids and bodies that fit the document, and with ones that do not."""

    document: dict[str, Any]
    url: str
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)

    def hold(self) -> None:
        schema = schemathesis.openapi.from_dict(self.document)
        schema.config.generation.update(exclude_header_characters=REFUSED_BY_HTTP)
        for found in schema.get_all_operations():
            operation = found.ok()
            described = self.document["paths"][operation.path][operation.method]
            self._ask(operation.as_strategy())
            if described["security"]:
                self._ask(operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
            if any(parameter["name"].endswith("_id") for parameter in described["parameters"]):
                self._ask(operation.as_strategy(**self._known_ids(described["parameters"])))

    def _ask(self, cases: Any) -> None:
        @repeatable
        @given(case=cases)
        def each(case: Case) -> None:
            answer = case.call(base_url=self.url, headers=IDENTITY)
            self.answers[case.operation.label, answer.status_code] += 1
            case.validate_response(answer, checks=CHECKS)

        each()

    def _known_ids(self, parameters: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, str]]:
        """Ids of what is really there, made anew: the operation before may have deleted it."""
        form = {"message": (None, "Hello"), "file0": ("a.txt", b"x", "text/plain")}
        asked = self._call("POST", "/send-with-files?streaming=true", files=form)
        [question, *_] = self._call("GET", f"/sessions/{asked['session_id']}/messages")["messages"]
        known = {**asked, "attachment_id": question["attachments"][0]["id"]}
        if any(parameter["name"] == "request_id" for parameter in parameters):
            known |= self._asked_for_approval()
        return {
            container: {
                parameter["name"]: known[parameter["name"]]
                for parameter in parameters
                if parameter["in"] == place and parameter["name"] in known
            }
            for place, container in (("path", "path_parameters"), ("query", "query"))
        }

    def _asked_for_approval(self) -> dict[str, str]:
        """A request for approval that waits, and its session."""
        session_id = self._call("POST", "/send", json={"message": "use query"})["session_id"]
        [_question, waiting] = self._call("GET", f"/sessions/{session_id}/messages")["messages"]
        return {"session_id": session_id, "request_id": waiting["approval_request"]["request_id"]}

    def _call(self, method: str, path: str, **more: Any) -> Mapping[str, Any]:
        answer = requests.request(method, f"{self.url}/v1/chat{path}", headers=IDENTITY, timeout=10, **more)
        answer.raise_for_status()
        body: Mapping[str, Any] = answer.json()
        return body


async def test_every_answer_is_one_that_the_document_tells_of(settings: Settings) -> None:
    patient = structs.replace(settings, max_messages_per_minute=100_000)
    async with running_backend(patient, toolbox=FakeToolbox([tool("query")])) as backend:
        document = (await backend.user().get("/openapi.json")).json
        interview = Interview(document, str(backend.client.make_url("")).rstrip("/"))
        await asyncio.to_thread(interview.hold)

    reached = {operation for operation, status in interview.answers if status < 400}
    documented = {f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods}
    assert reached == documented
