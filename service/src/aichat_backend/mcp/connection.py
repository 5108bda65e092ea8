"""One connection to a server, from its opening to its end. It is closed by the task that opened it; any may call."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import structlog
from mcp import Client, MCPError
from mcp_types import (
    CONNECTION_CLOSED,
    HEADER_MISMATCH,
    PARSE_ERROR,
    CallToolRequest,
    CallToolRequestParams,
    CallToolResult,
    InputRequiredResult,
    Tool,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import TypeAdapter, ValidationError

from aichat_backend.chat.tools import ToolOutcome
from aichat_backend.mcp.endpoint import BROKEN, NOT_TAKEN
from aichat_backend.mcp.failures import CallFailed, NotRun, Refused, ServerFailed, Unknown
from aichat_backend.mcp.link import Link
from aichat_backend.mcp.listing import ListedTool, digest_of
from aichat_backend.mcp.redaction import Redactor
from aichat_backend.mcp.results import outcome_of
from aichat_backend.mcp.text import one_line

_LIST_SECONDS = 30.0
_MOST_PAGES = 100
_MOST_TOOLS = 1_000
_LONGEST_SCHEMA = 131_072
_STATE_PAUSE_SECONDS = 0.25
_LONGEST_ERROR = 1_000

_UNKNOWN = (
    "Whether the tool ran, and how far, is unknown. Do not call it again unless running twice does no harm; "
    "look first at what it did."
)

_log = structlog.get_logger(__name__)

_Answer: TypeAdapter[CallToolResult | InputRequiredResult] = TypeAdapter(CallToolResult | InputRequiredResult)


class Connection:
    """A server that answers."""

    def __init__(
        self,
        server: str,
        client: Client,
        link: Link,
        *,
        redact: Redactor,
        output_bytes: int,
    ) -> None:
        self._server = server
        self._client = client
        self._link = link
        self._redact = redact
        self._output_bytes = output_bytes
        self.calls = 0
        """How many are under way, or about to be."""

    @property
    def protocol(self) -> str:
        """The version of the protocol that both speak."""
        return self._client.protocol_version

    @property
    def tools_changed(self) -> bool:
        """Whether the server said that its tools are others than those that were listed last."""
        return self._link.tools_changed

    @property
    def in_doubt(self) -> bool:
        """Whether a call went wrong since the server last answered well."""
        return self._link.in_doubt

    @property
    def ended(self) -> bool:
        """Whether nothing comes through any more."""
        return self._link.ended

    @property
    def why_ended(self) -> ServerFailed | None:
        """None while it stands."""
        return self._link.failed(self._link.reason) if self.ended else None

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Keep it open for a call."""
        self.calls += 1
        try:
            yield
        finally:
            self.calls -= 1
            if not self.calls:
                self._link.note_rest()

    async def list_tools(self) -> tuple[ListedTool, ...]:
        """All tools, of all pages, as the server has them now.

        Raises:
            ServerFailed: it does not answer, or not sensibly.
        """
        self._link.tools_changed = self._link.in_doubt = False
        if self._client.server_capabilities.tools is None:
            return ()
        found: dict[str, ListedTool | None] = {}
        cursor: str | None = None
        try:
            async with asyncio.timeout(_LIST_SECONDS):
                for _page in range(_MOST_PAGES):
                    page = await self._client.list_tools(cursor=cursor)
                    for tool in page.tools:
                        found.setdefault(tool.name, self._listed(tool))
                    cursor = page.next_cursor
                    if cursor is None:
                        break
        except TimeoutError as error:
            self._link.in_doubt = True
            raise ServerFailed(f"it did not list its tools within {_LIST_SECONDS:g} s") from error
        except MCPError as error:
            self._link.in_doubt = True
            raise (self.why_ended or self._not_listed(error)) from error
        except ValidationError as error:
            raise ServerFailed("its list of tools does not keep to the protocol") from error
        if cursor is not None or len(found) > _MOST_TOOLS:
            raise ServerFailed(f"its list of tools has more than {_MOST_TOOLS} entries or {_MOST_PAGES} pages")
        return tuple(tool for tool in found.values() if tool is not None)

    @property
    def announces_changes(self) -> bool:
        """Whether changes of the list must be asked for, with `listen`; older servers tell of them unasked."""
        tools = self._client.server_capabilities.tools
        return bool(tools and tools.list_changed) and self.protocol in MODERN_PROTOCOL_VERSIONS

    async def listen(self) -> None:
        """Have the server tell of every change of its tools, until it ends that.

        Raises:
            ServerFailed: it will not, or the connection broke.
        """
        try:
            async with self._client.listen(tools_list_changed=True) as changes:
                # What changed before was not announced.
                self._link.note_change()
                async for _change in changes:
                    self._link.note_change()
        except (MCPError, RuntimeError) as error:
            raise ServerFailed("it does not announce changes of its tools") from error

    async def call(self, name: str, arguments: Mapping[str, Any], *, seconds: float) -> ToolOutcome:
        """Call a tool once.

        Raises:
            CallFailed: there is no result; which class it is tells whether the tool ran.
        """
        if not _is_text(arguments):
            raise NotRun("The tool did not run: its arguments hold characters that are no text.")
        if self.ended:
            raise NotRun(f"The connection to the tool's server is lost: {self._link.reason}. The tool did not run.")
        try:
            async with asyncio.timeout(seconds):
                result = await self._result(name, arguments)
        except TimeoutError as error:
            self._link.note_doubt()
            raise Unknown(f"The tool did not answer within {seconds:g} s. {_UNKNOWN}") from error
        except MCPError as error:
            self._link.note_doubt()
            raise self._failure(error) from error
        except ValidationError as error:
            raise Unknown(f"The tool's answer does not keep to the protocol and cannot be read. {_UNKNOWN}") from error
        return outcome_of(result, redact=self._redact, most_bytes=self._output_bytes)

    async def _result(self, name: str, arguments: Mapping[str, Any]) -> CallToolResult:
        """The result, however often a server of the newer protocol asks to be asked again.

        The SDK's own `call_tool` also holds results against the tool's output schema: a pattern in it, chosen by the
        server, could keep this process busy, and a model can use a result that does not fit.
        """
        state: str | None = None
        while True:
            request = CallToolRequest(
                params=CallToolRequestParams(name=name, arguments=dict(arguments), request_state=state)
            )
            answer = await self._client.session.send_request(request, _Answer)
            if isinstance(answer, CallToolResult):
                return answer
            if answer.input_requests:
                raise Refused(
                    "The tool asks the user for input in a way that is not supported here, and did not finish. "
                    "Call it again with all it needs, if its arguments allow that."
                )
            state = answer.request_state
            await asyncio.sleep(_STATE_PAUSE_SECONDS)

    def _not_listed(self, error: MCPError) -> ServerFailed:
        trouble = self._link.last_trouble
        reason = f"it did not list its tools: it {trouble}" if trouble else "it did not list its tools"
        return self._link.failed(reason, said="" if error.message == trouble else self._told(error))

    def _failure(self, error: MCPError) -> CallFailed:
        match error.code:
            case _ if self.ended:
                return Unknown(
                    f"The connection to the tool's server was lost during the call: {self._link.reason}. {_UNKNOWN}"
                )
            case code if code in (CONNECTION_CLOSED, PARSE_ERROR, BROKEN):
                return Unknown(f"The tool's server broke the call off ({self._told(error)}). {_UNKNOWN}")
            case code if code == NOT_TAKEN:
                return NotRun(f"The tool did not run: its server {self._told(error)}.")
            case code if code == HEADER_MISMATCH:
                return NotRun("The tool did not run: its server has changed it meanwhile.")
            case _:
                return Refused(f"The tool's server refused the call: {self._told(error)}")

    def _told(self, error: MCPError) -> str:
        return one_line(self._redact(error.message), _LONGEST_ERROR)

    def _listed(self, tool: Tool) -> ListedTool | None:
        description = tool.description or ""
        if len(json.dumps(tool.input_schema)) > _LONGEST_SCHEMA:
            _log.warning("mcp_tool_left_out", server=self._server, tool=tool.name, problem="its schema is too long")
            return None
        read_only = bool(tool.annotations and tool.annotations.read_only_hint)
        return ListedTool(
            name=tool.name,
            description=description,
            input_schema=tool.input_schema,
            claims_read_only=read_only,
            digest=digest_of(tool.name, description, tool.input_schema, claims_read_only=read_only),
        )


def _is_text(arguments: Mapping[str, Any]) -> bool:
    """Whether the arguments can be sent: half of a character would fail in the transport, and end everybody's calls."""
    try:
        json.dumps(arguments, ensure_ascii=False).encode()
    except (UnicodeEncodeError, ValueError):
        return False
    return True
