"""What an answer holds that may lead to a task is found, wherever it stands and however much there
is.
"""

from __future__ import annotations

import pytest

from klingflow.gateway.clues import MOST_HEADERS, MOST_NAMES, leads_in, names_in

TASK = "task_uS28Df3npjkcVE8FfH9JQcvjWKxUgrsG"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (f'{{"prompt": "{"x" * 9000}", "id": "{TASK}"', [TASK]),
        (f'{{\\"task_id\\": \\"{TASK}\\"}}', [TASK]),
        ('{"id":"first-1","id":"second-2"}', ["first-1", "second-2"]),
        ("<task_id>0190af22-7d1c</task_id>", ["0190af22-7d1c"]),
        ("location=/jobs?job_id=Kx81", ["Kx81"]),
        (f"data: {{'video_id': 'v_81'}}\n\n{TASK}", [TASK, "v_81"]),
        ('<div id="main-content"><p id="x">', []),
        ('{"request_id": "req-123456", "grid": "12345678"}', []),
        ("", []),
    ],
)
def test_what_may_be_an_id_is_found(text: str, names: list[str]) -> None:
    """In JSON, JSON inside JSON, pages, addresses and events; the surest first."""
    assert names_in(text) == names


def test_names_are_bounded() -> None:
    """A page may hold thousands."""
    assert len(names_in("".join(f'<a id="link-{n}">' for n in range(5000)))) == MOST_NAMES


def test_headers_that_lead_to_a_task_are_found() -> None:
    """By their names, cleaned and bounded."""
    headers = {"location": "/v1/videos/a\x1b[1m", "x-task-id": "b", "operation-location": "/c"}
    leads = {**headers, "location": "/v1/videos/a [1m"}
    assert leads_in({**headers, "date": "d", "x-taskrunner": "e", "x-video-id": ""}) == leads
    assert len(leads_in({f"location-{n}": "x" for n in range(99)})) == MOST_HEADERS
