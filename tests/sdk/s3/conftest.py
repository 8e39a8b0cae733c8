"""Fixtures: one server of the bucket for all tests, and for each test a gateway with a part of the bucket of its own."""

from __future__ import annotations

import uuid

import pytest

from fixtures import new_prompt, prompt  # noqa: F401 (pytest finds them here)
from house import House
from weed import SECRET, Weed


@pytest.fixture(scope="session")
def weed(tmp_path_factory):
    weed = Weed(tmp_path_factory.mktemp("weed"))
    weed.start()
    yield weed
    weed.stop()


@pytest.fixture
def new_house(weed, tmp_path):
    """Makes the test's gateway; settings may be given."""
    houses = []

    def make(**settings: str) -> House:
        prefix = f"team/{uuid.uuid4().hex[:8]}"
        env = {"S3_ENDPOINT": weed.endpoint, "S3_SECRET": SECRET, "PREFIX": prefix, **settings}
        houses.append(House(weed, tmp_path, prefix, env))
        return houses[-1]

    yield make
    for house in houses:
        house.stop()


@pytest.fixture
def house(new_house) -> House:
    return new_house()
