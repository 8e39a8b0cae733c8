"""The running gateway; tasks take next to no time."""

from __future__ import annotations

import pytest

from stack import Stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory):
    stack = Stack(tmp_path_factory.mktemp("stack"), speed="5000")
    yield stack
    stack.stop()
