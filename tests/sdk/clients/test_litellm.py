"""LiteLLM as a library: `image_generation` and `image_edit` against `openai/<model>` with an `api_base`."""

from __future__ import annotations

import base64

import litellm
import pytest

from pictures import assert_picture, drawn
from stack import TEAM_KEY

MODEL = "openai/gpt-image-2"


@pytest.fixture
def way(stack) -> dict:
    return {"model": MODEL, "api_base": stack.base_url, "api_key": TEAM_KEY}


def picture(answer) -> bytes:
    [item] = answer.data
    return base64.b64decode(item.b64_json, validate=True)


def test_a_picture_is_made(stack, way, prompt):
    answer = litellm.image_generation(prompt=prompt, size="1024x640", quality="low", **way)
    assert_picture(picture(answer), "1024x640")
    assert len(stack.tasks(prompt)) == 1


def test_a_picture_is_edited(stack, way, new_prompt):
    prompt, sent = new_prompt("[latency:1s]"), drawn("red")
    call = lambda: litellm.image_edit(image=sent, prompt=prompt, size="1024x640", quality="low", **way)  # noqa: E731
    answer, (arrived, _) = stack.while_running(prompt, call, stack.given)
    assert_picture(picture(answer), "1024x640")
    assert arrived == [sent]


def test_several_pictures_keep_their_order(stack, way, new_prompt, tmp_path):
    prompt, sent = new_prompt("[latency:1s]"), [drawn("red"), drawn("blue", kind="JPEG")]
    files = []
    for name, one in zip(["lamp.png", "sea.jpg"], sent, strict=True):
        (tmp_path / name).write_bytes(one)
        files.append((tmp_path / name).open("rb"))
    call = lambda: litellm.image_edit(image=files, prompt=prompt, size="1024x640", quality="low", **way)  # noqa: E731
    answer, (arrived, _) = stack.while_running(prompt, call, stack.given)
    assert_picture(picture(answer), "1024x640")
    assert arrived == sent


def test_a_refusal_is_its_own_exception(way, new_prompt):
    with pytest.raises(litellm.BadRequestError):
        litellm.image_generation(prompt=new_prompt(), size="1000x1000", **way)
    with pytest.raises(litellm.AuthenticationError):
        litellm.image_generation(prompt=new_prompt(), **{**way, "api_key": "sk-nobody"})
