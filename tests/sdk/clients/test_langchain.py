"""LangChain's `DallEAPIWrapper`, which asks for `dall-e-2` or `dall-e-3` and joins the links of the answer."""

from __future__ import annotations

import httpx
import pytest
from langchain_community.utilities.dalle_image_generator import DallEAPIWrapper

from pictures import assert_picture
from stack import TEAM_KEY


def pictures(links: str) -> list[bytes]:
    return [httpx.get(link, timeout=10, trust_env=False).content for link in links.split("\n")]


@pytest.mark.parametrize(
    "asked, size",
    [({}, "1024x1024"), ({"model": "dall-e-3", "size": "1792x1024", "quality": "hd"}, "1792x1024")],
    ids=["as it comes", "dall-e-3"],
)
def test_the_links_lead_to_pictures(stack, prompt, asked, size):
    wrapper = DallEAPIWrapper(base_url=stack.base_url, api_key=TEAM_KEY, **asked)
    [made] = pictures(wrapper.run(prompt))
    assert_picture(made, size)
    assert len(stack.tasks(prompt)) == 1


def test_two_pictures_are_two_links(stack, prompt):
    made = pictures(DallEAPIWrapper(base_url=stack.base_url, api_key=TEAM_KEY, n=2).run(prompt))
    assert len(made) == 2 and made[0] != made[1]
