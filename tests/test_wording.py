"""An error is read in the gateway's own words; where these cannot be told from a quote, nothing is
given up.
"""

from __future__ import annotations

import pytest

from klingflow.gateway.payload import Said
from klingflow.gateway.wording import Wording
from klingflow.model import Failure


def wording(message: str, prompt: str = "", code: str = "x") -> Wording:
    return Wording.of(Said(code, message), {"prompt": prompt})


def test_what_was_said_is_kept_in_full() -> None:
    """A person sees the quote; the class comes without it."""
    error = wording("参数错误: 人们在雨中任务排队", "人们在雨中任务排队")
    assert error.of_the_task() == Failure("parameters", "x", "参数错误: 人们在雨中任务排队")
    assert error.text == "参数错误: 人们在雨中任务排队"


SCENES = [
    "屏幕上写着余额不足",
    "他喊: invalid api key",
    "违规的审核员在走廊里",
    "server busy tonight",
]


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("status", [400, 404, 422, 500])
def test_a_quote_decides_nothing_about_a_refusal(scene: str, status: int) -> None:
    """Neither the account, nor a limit, nor the content."""
    assert wording(f"参数错误: {scene}", scene).refusal(status).kind == "parameters"


@pytest.mark.parametrize("scene", SCENES)
def test_a_quote_decides_nothing_about_a_failed_task(scene: str) -> None:
    """So `retries` buys nothing again for it."""
    assert wording(f"参数错误: {scene}", scene).of_the_task().kind == "parameters"
    assert wording(f"it failed: {scene}", scene).of_the_task().kind == "unknown"


def test_a_genuine_word_beside_a_quote_counts() -> None:
    """The account is empty, whatever the prompt says."""
    error = wording("账户余额不足 (prompt: 屏幕上写着余额不足)", "屏幕上写着余额不足")
    assert error.refusal(429).kind == "quota"


@pytest.mark.parametrize(
    ("message", "prompt", "lost"),
    [
        ("invalid prompt: 他说连接超时了", "他说连接超时了", False),
        ("upstream: 他说连接超时了", "他说连接超时了", True),
        ("上游连接超时", "连接超时", True),
        ("invalid: read timeout (他说连接超时了)", "他说连接超时了", True),
        ("invalid prompt", "他说连接超时了", False),
    ],
)
def test_a_lost_way_is_believed_unless_the_rest_explains_the_error(
    message: str, prompt: str, lost: bool
) -> None:
    """A prompt must not make a refusal of what may have been charged."""
    assert wording(message, prompt).says_way_was_lost() is lost


def test_a_lost_body_is_believed_unless_the_rest_explains_the_error() -> None:
    """In the same way."""
    assert wording("empty body", "an empty body").says_body_was_lost()
    assert not wording("invalid prompt: an empty body", "an empty body").says_body_was_lost()


def test_a_task_or_model_that_only_the_prompt_names_is_known() -> None:
    """Such words are definite, so a quote does not count."""
    assert wording("task not found").says_no_such_task()
    assert not wording("a task not found", "a task not found").says_no_such_task()
    assert wording("no available channel").says_model_is_not_offered()
    assert not wording("no such model here", "no such model here").says_model_is_not_offered()


def test_what_may_be_about_the_query_is_told() -> None:
    """The key, a limit, a lost connection."""
    assert wording("invalid token").is_of_the_request()
    assert wording("server busy").is_of_the_request()
    assert wording("timeout").is_of_the_request()
    assert not wording(
        "invalid prompt: server busy tonight", "server busy tonight"
    ).is_of_the_request()
