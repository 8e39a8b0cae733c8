"""Fixtures: the running gateway, clients of the official SDK, and prompts nobody has used before."""

from __future__ import annotations

import itertools
import uuid

import httpx
import openai
import pytest

from stack import TEAM_KEY, Stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory):
    try:
        stack = Stack(tmp_path_factory.mktemp("stack"))
    except Exception as reason:  # said once, not by every test
        pytest.exit(f"the binary under test does not start: {reason}", returncode=1)
    yield stack
    stack.stop()


class Sent(list):
    """The requests an SDK client has put on the wire, retries included."""

    def client(self, stack: Stack, **options) -> openai.OpenAI:
        http = openai.DefaultHttpxClient(event_hooks={"request": [self.append]}, trust_env=False)
        return openai.OpenAI(
            **{"base_url": stack.base_url, "api_key": TEAM_KEY, "http_client": http, **options}
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


@pytest.fixture
def new_prompt():
    """Makes prompts that no other test shares, so that the ledger can be asked about them; words may be added."""
    run, number = uuid.uuid4().hex[:12], itertools.count()
    return lambda words="": f"a lighthouse at dusk, {run}-{next(number)} {words}".strip()


@pytest.fixture
def prompt(new_prompt) -> str:
    return new_prompt()
