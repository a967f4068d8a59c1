"""What a notification says in each form, and what its host's answer means."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import get_args

import pytest

from klingflow.model import Json
from klingflow.results.notice import Form, Notice, body_of, form_of, refusal

COST = {"spent": {"purchases": 1, "amounts": {"CNY": "2.00"}, "unpriced": 0}}
NOTICE = Notice("film", 3, {"done": 1, "failed": 2}, COST, "雨夜 <b> & 完")


@pytest.mark.parametrize(
    ("host", "form"),
    [
        ("open.feishu.cn", "feishu"),
        ("open.larksuite.com", "feishu"),
        ("QYAPI.weixin.qq.com", "wecom"),
        ("oapi.dingtalk.com", "dingtalk"),
        ("hooks.slack.com", "slack"),
        ("hooks.slack-gov.com", "slack"),
        ("hooks.slack.com.example.com", "plain"),
        ("127.0.0.1", "plain"),
    ],
)
def test_the_host_tells_the_form(host: str, form: Form) -> None:
    """Its name as a whole, in any case."""
    assert form_of(host) == form


@pytest.mark.parametrize(
    ("form", "sent"),
    [
        ("plain", {"name": "film", "exit_code": 3, "counts": {"done": 1, "failed": 2}, "cost": COST,
                   "text": "雨夜 <b> & 完"}),
        ("feishu", {"msg_type": "text", "content": {"text": "雨夜 <b> & 完"}}),
        ("wecom", {"msgtype": "text", "text": {"content": "雨夜 <b> & 完"}}),
        ("dingtalk", {"msgtype": "text", "text": {"content": "雨夜 <b> & 完"}}),
        ("slack", {"text": "雨夜 &lt;b&gt; &amp; 完"}),
    ],
)  # fmt: skip
def test_each_host_gets_the_text_in_its_form(form: Form, sent: Json) -> None:
    """Only a program of one's own gets the numbers apart."""
    assert json.loads(body_of(NOTICE, form)) == sent


@pytest.mark.parametrize("form", get_args(Form))
@pytest.mark.parametrize("text", ["雨" * 40_000, "\n" * 6_000, "a\udcff", '"' * 9_000])
def test_every_text_can_be_sent(form: Form, text: str) -> None:
    """Feishu takes 20 KB, whatever stands in it."""
    body = body_of(replace(NOTICE, text=text), form)
    assert json.loads(body) and (form == "plain" or len(body) <= 20_000)


def test_a_long_text_is_cut_between_characters() -> None:
    """WeCom takes 2048 bytes."""
    sent = json.loads(body_of(replace(NOTICE, text="雨" * 2000), "wecom"))["text"]["content"]
    assert (len(sent.encode()), sent[-2:]) == (2046, "雨…")


@pytest.mark.parametrize(
    ("form", "status", "body", "said"),
    [
        ("plain", 200, b"", ""),
        ("plain", 204, b"whatever", ""),
        ("plain", 302, b"", "the host answered 302"),
        ("plain", 500, b"https://secret", "the host answered 500"),
        ("slack", 200, b"ok", ""),
        ("slack", 403, b"invalid_token", "the host answered 403"),
        ("feishu", 200, b'{"code":0,"msg":"success"}', ""),
        ("feishu", 200, b'{"StatusCode":0,"StatusMessage":"success"}', ""),
        ("feishu", 200, b'{"code":19021,"msg":"sign match"}', "the host refused it with 19021"),
        ("wecom", 200, b'{"errcode":0,"errmsg":"ok"}', ""),
        ("wecom", 200, b'{"errcode":93000,"errmsg":"invalid"}', "the host refused it with 93000"),
        ("dingtalk", 200, b'{"errcode":310000,"errmsg":"keywords not in content"}',
         "the host refused it with 310000"),
        ("dingtalk", 200, b'{"errcode":"https://secret"}', "the host refused it"),
        ("wecom", 200, b"<html>", "the host did not say that it took the notification"),
        ("wecom", 200, b"[" * 100_000, "the host did not say that it took the notification"),
        ("wecom", 200, b"[0]", "the host did not say that it took the notification"),
    ],
)  # fmt: skip
def test_an_answer_tells_whether_it_was_taken(
    form: Form, status: int, body: bytes, said: str
) -> None:
    """Nothing of the host's words is repeated."""
    assert refusal(status, body, form) == said
