"""How much each user may upload."""

from __future__ import annotations

import pytest

from aichat_backend.attachments.quota import UploadAllowance, UploadQuota
from aichat_backend.errors import TooManyRequests


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def quota(clock: Clock) -> UploadQuota:
    return UploadQuota(UploadAllowance(files_an_hour=3, bytes_an_hour=100, at_once=2), clock=clock)


def receive(quota: UploadQuota, user_id: str) -> None:
    with quota.receiving(user_id):
        pass


@pytest.mark.parametrize(("files", "size"), [(3, 0), (0, 100), (1, 200)])
def test_who_has_used_up_the_hour_waits(quota: UploadQuota, clock: Clock, files: int, size: int) -> None:
    quota.charge("1", files=files, size=size)
    clock.now += 100

    for refused in (lambda: receive(quota, "1"), lambda: quota.charge("1", files=1, size=1)):
        with pytest.raises(TooManyRequests, match="3 files or 100 bytes") as refusal:
            refused()
        assert (refusal.value.code, refusal.value.retry_after) == ("upload_quota", 3501)
    receive(quota, "2")


def test_as_the_hour_passes_there_is_room_again(quota: UploadQuota, clock: Clock) -> None:
    for _ in range(3):
        quota.charge("1", files=1, size=10)
        clock.now += 60

    with pytest.raises(TooManyRequests):
        quota.charge("1", files=1, size=10)
    clock.now += 3600 - 180
    quota.charge("1", files=1, size=10)


def test_only_so_many_uploads_of_a_user_arrive_at_once(quota: UploadQuota) -> None:
    arriving = [quota.receiving("1") for _ in range(2)]
    for upload in arriving:
        upload.__enter__()

    with pytest.raises(TooManyRequests, match="2 of your uploads") as refusal:
        receive(quota, "1")
    receive(quota, "2")
    arriving[0].__exit__(None, None, None)
    receive(quota, "1")

    assert refusal.value.retry_after == 5


def test_nothing_is_kept_of_those_who_have_not_come_for_an_hour(quota: UploadQuota, clock: Clock) -> None:
    quota.charge("1", files=1, size=1)
    clock.now += 3601
    receive(quota, "1")

    assert (quota._charges, quota._arriving) == ({}, {})
