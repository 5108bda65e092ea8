"""No page of another site may read an answer: there is no route that a browser is told to share."""

from __future__ import annotations

import pytest

from fakes.backend import Backend
from fakes.routes import routes_of

SITES = ["https://elsewhere.example", "http://pmm.example.elsewhere.example", "null"]


@pytest.mark.parametrize("site", SITES)
async def test_no_route_shares_its_answers_with_another_site(backend: Backend, site: str) -> None:
    routes = routes_of(backend.service.app)
    asker = backend.user(prefix="")
    assert len(routes) >= 20

    for route in routes:
        path = route.filled("A" * 22)
        wish = {"Origin": site, "Access-Control-Request-Method": route.method}
        answers = [
            await asker.call("OPTIONS", path, headers=wish),
            await asker.call(route.method, path, headers={"Origin": site}),
        ]
        sharing = [name for answer in answers for name in answer.headers if name.startswith("Access-Control-")]
        assert (route, sharing) == (route, [])
        assert answers[0].status == 405
