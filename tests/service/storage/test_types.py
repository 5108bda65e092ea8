"""Times and texts on their way through the database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import sqlite

from aichat_backend.storage.types import Instant

INSTANT, DIALECT = Instant(), sqlite.dialect()


@given(st.datetimes(timezones=st.timezones() | st.just(UTC)))
def test_a_time_comes_back_as_the_same_instant_in_utc(time: datetime) -> None:
    stored = INSTANT.process_bind_param(time, DIALECT)
    found = INSTANT.process_result_value(stored, DIALECT)

    assert found == time.astimezone(UTC)
    assert found is not None
    assert found.tzinfo is UTC


def test_a_time_is_stored_as_microseconds_since_1970() -> None:
    time = datetime(1970, 1, 2, 1, 0, 0, 7, tzinfo=timezone(timedelta(hours=1)))

    assert INSTANT.process_bind_param(time, DIALECT) == 86_400_000_007


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        INSTANT.process_bind_param(datetime(2026, 1, 1), DIALECT)  # noqa: DTZ001 -- that is the point
