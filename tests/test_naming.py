"""A reply names its task by an id; ids of rows, requests and other services are told apart."""

from __future__ import annotations

from typing import Any

import pytest

from klingflow.gateway.naming import claimed_ids, created_ids, names_a_task, task_of


@pytest.mark.parametrize(
    ("reply", "ids"),
    [
        ({"id": "task_1"}, ["task_1"]),
        ({"id": "task_1", "task_id": "up_2"}, ["task_1", "up_2"]),
        ({"id": "task_1", "data": {"task_id": "up_2"}}, ["task_1", "up_2"]),
        (
            {"code": 0, "id": "req_1", "data": {"id": 7, "task_id": "task_2"}},
            ["task_2", "7", "req_1"],
        ),
        (
            {"code": 0, "id": "task_1", "status": "queued", "data": {"task_id": "up_2"}},
            ["task_1", "up_2"],
        ),
        ({"data": [{"id": "task_1"}]}, []),
        ({"id": None, "task_id": ""}, []),
    ],
)
def test_the_tasks_own_id_comes_first(reply: dict[str, Any], ids: list[str]) -> None:
    """An envelope's id is its request's, and in `data` of the legacy shape `id` is a row's."""
    assert created_ids(reply) == ids


@pytest.mark.parametrize(
    ("reply", "names"),
    [
        ({"error": {"task_id": "task_1"}}, True),
        ({"detail": {"task_id": "task_1"}}, True),
        ({"error": {"id": "err_1"}}, False),
        ({"error": "task_id task_1"}, False),
        ({"task_id": "task_1"}, False),
    ],
)
def test_an_error_may_name_a_task(reply: dict[str, Any], names: bool) -> None:
    """Then the task may have been made; an `id` alone may be the error's own."""
    assert names_a_task(reply) is names


ROW = {"id": 7, "task_id": "task_2", "status": "queued"}


@pytest.mark.parametrize(
    ("reply", "task", "ids"),
    [
        ({"id": "task_1", "status": "queued"}, {"id": "task_1", "status": "queued"}, ["task_1"]),
        ({"id": "task_1", "task_id": "up_2"}, {"id": "task_1", "task_id": "up_2"}, ["task_1"]),
        ({"code": 0, "data": ROW}, ROW, ["7", "task_2"]),
        ({"status": "success", "data": ROW}, ROW, ["7", "task_2"]),
        (
            {"id": "task_1", "status": "queued", "data": ROW},
            {"id": "task_1", "status": "queued", "data": ROW},
            ["task_1"],
        ),
        ({"status": "queued", "data": {"id": "x"}}, {"status": "queued", "data": {"id": "x"}}, []),
    ],
)
def test_the_status_is_read_where_the_task_is(
    reply: dict[str, Any], task: dict[str, Any], ids: list[str]
) -> None:
    """An envelope with a status of its own names no task; beside an `id`, the `task_id` of a reply
    without `data` is often the upstream's.
    """
    assert task_of(reply) == task
    assert claimed_ids(reply, task_of(reply)) == ids
