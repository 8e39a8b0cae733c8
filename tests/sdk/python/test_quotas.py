"""Budgets, rates and bounds as users of the SDK meet them: what is worth a retry is retried, and nothing else."""

from __future__ import annotations

import re
import time

import openai
import pytest

from failures import INVALID, assert_error
from pictures import assert_picture, decode
from stack import HASTY_KEY, MODEST_KEY, THRIFTY_KEY

MODEL = "gpt-image-2"
SMALL = {"model": MODEL, "size": "816x816", "quality": "low"}
REQUESTS_PER_MINUTE = 30


def test_a_spent_budget_is_told_once(stack, sent, new_prompt):
    with sent.client(stack, api_key=THRIFTY_KEY, max_retries=5) as client:
        assert_picture(decode(client.images.generate(prompt=new_prompt(), **SMALL).data[0]), "816x816")
        sent.clear()
        prompt = new_prompt()
        with pytest.raises(openai.RateLimitError, match=r"1 images per total.*does not begin anew") as caught:
            client.images.generate(prompt=prompt, **SMALL)
    assert_error(caught.value, 429, "insufficient_quota", None, "insufficient_quota")
    headers = caught.value.response.headers
    assert headers["x-should-retry"] == "false"
    assert "retry-after" not in headers
    assert len(sent) == 1
    assert stack.tasks(prompt) == []


def test_a_rate_is_waited_out_as_told(stack, sent, prompt):
    with sent.client(stack, api_key=HASTY_KEY, max_retries=3) as client:
        impatient = client.with_options(max_retries=0)
        refused = None
        while refused is None:  # the first makes a picture, the others are answered with it
            try:
                impatient.images.generate(prompt=prompt, **SMALL)
            except openai.RateLimitError as error:
                refused = error
        assert len(sent) > REQUESTS_PER_MINUTE
        assert_error(refused, 429, "rate_limit_exceeded", None, "rate_limit_error")
        told = refused.response.headers
        assert told["x-should-retry"] == "true"
        assert 1 <= int(told["retry-after"]) <= 2
        assert (told["x-ratelimit-limit-requests"], told["x-ratelimit-remaining-requests"]) == ("30", "0")
        sent.clear()
        began = time.monotonic()
        answer = client.images.with_raw_response.generate(prompt=prompt, **SMALL)
    assert_picture(decode(answer.parse().data[0]), "816x816")
    assert len(sent) == 2
    assert time.monotonic() - began >= 1
    headers = answer.headers
    assert int(headers["x-ratelimit-remaining-requests"]) < REQUESTS_PER_MINUTE
    assert headers["x-ratelimit-limit-images"] == "240"
    assert re.fullmatch(r"(1m0s|\d\d(\.\d{1,3})?s)", headers["x-ratelimit-reset-requests"]), headers
    assert len(stack.tasks(prompt)) == 1


def test_a_team_without_limits_is_told_none(client, prompt):
    headers = client.images.with_raw_response.generate(prompt=prompt, **SMALL).headers
    assert [name for name in headers if name.startswith("x-ratelimit-")] == []


@pytest.mark.parametrize(
    "parameters, param",
    [({"n": 3}, "n"), ({"quality": "high"}, "quality"), ({"size": "2048x2048"}, "size")],
    ids=["n", "quality", "size"],
)
def test_what_the_team_may_not_ask_for_is_forbidden(stack, sent, prompt, parameters, param):
    with sent.client(stack, api_key=MODEST_KEY) as client:
        with pytest.raises(openai.PermissionDeniedError) as caught:
            client.images.generate(**{**SMALL, "prompt": prompt, **parameters})
    assert_error(caught.value, 403, "limit_exceeded", param, INVALID)
    assert len(sent) == 1
    assert stack.tasks(prompt) == []
