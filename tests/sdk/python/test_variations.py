"""`images.create_variation`: another picture after the one that was sent."""

from __future__ import annotations

import httpx
import openai
import pytest

from failures import INVALID, assert_error
from pictures import assert_picture, decode, drawn

MODEL = "gpt-image-2"


def test_a_variation_is_a_picture(client, sent):
    result = client.images.create_variation(model=MODEL, image=drawn("red"), size="1024x1024")
    assert_picture(decode(result.data[0]), "1024x1024")
    assert len(sent) == 1


def test_dall_e_2_answers_with_a_url_like_the_original(client):
    [item] = client.images.create_variation(model="dall-e-2", image=drawn("red"), size="1024x1024").data
    assert item.b64_json is None
    assert_picture(httpx.get(item.url, timeout=10, trust_env=False).content, "1024x1024")


@pytest.mark.parametrize("size", ["256x256", "512x512"])
def test_the_old_small_sizes_hold(client, size):
    result = client.images.create_variation(
        model="dall-e-2", image=drawn("red"), size=size, n=2, response_format="b64_json"
    )
    assert len(result.data) == 2
    for item in result.data:
        assert_picture(decode(item), size)


def test_the_picture_is_what_upstream_gets(client, stack):
    picture = drawn("#0a0b0c")
    before = {task["id"] for task in stack.ledger()}
    client.images.create_variation(model=MODEL, image=picture, size="1024x1024")
    [task] = [task for task in stack.ledger() if task["id"] not in before]
    assert len(task["body"]["image_urls"]) == 1
    assert task["body"]["prompt"], "upstream needs an instruction"


def test_what_is_no_picture_is_named(client, sent):
    with pytest.raises(openai.BadRequestError) as caught:
        client.images.create_variation(model=MODEL, image=b"no picture")
    assert_error(caught.value, 400, "invalid_image", "image", INVALID)
    assert len(sent) == 1
