"""Fixtures: the running gateway, and clients of the official SDK."""

from __future__ import annotations

import httpx
import openai
import pytest

from fixtures import new_prompt, prompt, stack  # noqa: F401 (pytest finds them here)
from stack import TEAM_KEY, Stack


class Sent(list):
    """The requests an SDK client has put on the wire, retries included."""

    def http(self):
        return openai.DefaultHttpxClient(event_hooks={"request": [self.append]}, trust_env=False)

    def client(self, stack: Stack, **options) -> openai.OpenAI:
        return openai.OpenAI(
            **{"base_url": stack.base_url, "api_key": TEAM_KEY, "http_client": self.http(), **options}
        )


@pytest.fixture
def sent() -> Sent:
    return Sent()


@pytest.fixture
def client(stack, sent):
    with sent.client(stack) as client:
        yield client


@pytest.fixture
def raw(stack):
    """Plain HTTP with a good key, for what the SDK would never send."""
    headers = {"Authorization": f"Bearer {TEAM_KEY}"}
    with httpx.Client(base_url=stack.api, headers=headers, timeout=30, trust_env=False) as raw:
        yield raw
