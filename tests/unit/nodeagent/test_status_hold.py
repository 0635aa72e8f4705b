"""How long a status waits for what is about to follow it."""

from __future__ import annotations

from typing import Any

import pytest

from nodeagent.state.hold import INTERIM_S, NEWS_S, STOP_S, Hold

RUNNING = {"running": {"startedAt": "x"}}
ENDED = {"terminated": {"exitCode": 0}}


def status(phase: str, *containers: tuple[dict[str, Any], bool, int]) -> dict[str, Any]:
    entries = [
        {"name": f"c{i}", "state": state, "ready": ready, "restartCount": count}
        for i, (state, ready, count) in enumerate(containers)
    ]
    return {"phase": phase, "containerStatuses": entries}


CREATING = status("Pending", ({"waiting": {"reason": "ContainerCreating"}}, False, 0))
READY = status("Running", (RUNNING, True, 0))


def test_nothing_is_held_when_nothing_is_under_way() -> None:
    hold = Hold()
    for at, said in enumerate((CREATING, READY, CREATING, status("Succeeded", (ENDED, False, 0)))):
        assert hold.until(said, float(at), busy=False, stopping=False) == float(at)


def test_steps_of_a_start_wait_and_news_waits_less() -> None:
    hold = Hold()
    assert hold.until(CREATING, 1.0, busy=True, stopping=False) == 1.0 + INTERIM_S
    assert hold.until(CREATING, 1.5, busy=True, stopping=False) == 1.0 + INTERIM_S
    assert hold.until(READY, 1.6, busy=True, stopping=False) == 1.6 + NEWS_S
    assert hold.until(READY, 1.6 + NEWS_S, busy=True, stopping=False) == 1.6 + NEWS_S  # told now
    assert hold.until(READY, 1.7, busy=True, stopping=False) == 1.7 + INTERIM_S  # no news any more


def test_long_start_is_told_once_per_interval() -> None:
    hold = Hold()
    told = [at for at in range(50) if hold.until(CREATING, at / 10, busy=True, stopping=False) == at / 10]
    assert told == [10, 21, 32, 43]


def test_end_of_a_container_waits_for_the_end_of_its_pod_but_not_for_long() -> None:
    hold = Hold()
    hold.until(READY, 0.0, busy=False, stopping=False)
    ended = status("Running", (ENDED, False, 0))
    assert hold.until(READY, 1.0, busy=True, stopping=True) == 1.0 + INTERIM_S
    assert hold.until(ended, 1.1, busy=True, stopping=True) == pytest.approx(1.1 + STOP_S)
    assert hold.until(status("Succeeded", (ENDED, False, 0)), 1.2, busy=False, stopping=True) == 1.2


def test_cause_of_a_failed_start_is_news() -> None:
    hold = Hold()
    hold.until(CREATING, 0.0, busy=True, stopping=False)
    failed = status("Pending", ({"waiting": {"reason": "ImagePullBackOff"}}, False, 0))
    assert hold.until(failed, 0.1, busy=True, stopping=False) == pytest.approx(0.1 + NEWS_S)
