"""Fixtures that every suite of Python clients needs: the running gateway, and prompts nobody has used before."""

from __future__ import annotations

import itertools
import uuid

import pytest

from stack import Stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory):
    try:
        stack = Stack(tmp_path_factory.mktemp("stack"))
    except Exception as reason:  # said once, not by every test
        pytest.exit(f"the binary under test does not start: {reason}", returncode=1)
    yield stack
    stack.stop()


@pytest.fixture
def new_prompt():
    """Makes prompts that no other test shares, so that the ledger can be asked about them; words may be added."""
    run, number = uuid.uuid4().hex[:12], itertools.count()
    return lambda words="": f"a lighthouse at dusk, {run}-{next(number)} {words}".strip()


@pytest.fixture
def prompt(new_prompt) -> str:
    return new_prompt()
