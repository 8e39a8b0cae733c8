"""What goes wrong with `images.edit`: the picture at fault is named, nothing is bought, no upload is repeated in vain."""

from __future__ import annotations

import io

import openai
import pytest

from failures import INVALID, assert_body, assert_error
from pictures import drawn, mask

MODEL = "gpt-image-2"
EDITS = "/v1/images/edits"
BIG = 60_000_000  # bytes: more than the model takes of one picture, less than the gateway takes of one request
HUGE = 120_000_000  # bytes: more than server.max_upload


def edit(client, prompt, image, **parameters):
    return client.images.edit(**{"model": MODEL, "prompt": prompt, "image": image, "quality": "low", **parameters})


UNUSABLE = {
    "a text": b"this is no picture",
    "a text called a picture": ("lamp.png", b"this is no picture", "image/png"),
    "nothing": ("lamp.png", b"", "image/png"),
    "half a PNG": drawn("red")[:200],
    "half a JPEG": drawn("red", kind="JPEG")[:400],
    "a GIF": drawn("red", kind="GIF"),
    "a good one and a bad one": [drawn("red"), b"this is no picture"],
}


@pytest.mark.parametrize("image", UNUSABLE.values(), ids=UNUSABLE.keys())
def test_a_file_that_is_no_usable_picture_is_named(client, sent, stack, prompt, image):
    with pytest.raises(openai.BadRequestError) as caught:
        edit(client, prompt, image)
    assert_error(caught.value, 400, "invalid_image", "image", INVALID)
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert len(sent) == 1
    assert stack.tasks(prompt) == []


def test_seventeen_pictures_are_too_many(client, sent, stack, prompt):
    with pytest.raises(openai.BadRequestError) as caught:
        edit(client, prompt, [drawn(f"#{number:02x}8040") for number in range(17)])
    assert_error(caught.value, 400, "invalid_value", "image", INVALID)
    assert "16" in caught.value.message
    assert len(sent) == 1
    assert stack.tasks(prompt) == []


BAD_MASKS = {
    "of another size": mask((512, 256)),
    "without transparency": drawn("black"),
    "no PNG": drawn("black", kind="JPEG"),
    "a text": b"this is no picture",
}


@pytest.mark.parametrize("hole", BAD_MASKS.values(), ids=BAD_MASKS.keys())
def test_a_mask_that_does_not_fit_is_named(client, sent, stack, prompt, hole):
    with pytest.raises(openai.BadRequestError) as caught:
        edit(client, prompt, drawn("red"), mask=hole)
    assert_error(caught.value, 400, "invalid_image", "mask", INVALID)
    assert len(sent) == 1
    assert stack.tasks(prompt) == []


BAD_FIELDS = {
    "n of zero": ({"n": 0}, "n"),
    "n above ten": ({"n": 11}, "n"),
    "a size that is none": ({"size": "huge"}, "size"),
    "a quality that is none": ({"quality": "ultra"}, "quality"),
    "a format that is none": ({"output_format": "bmp"}, "output_format"),
    "compression above 100": ({"output_format": "jpeg", "output_compression": 101}, "output_compression"),
    "a prompt above 32,000 characters": ({"prompt": "a" * 32_001}, "prompt"),
}


@pytest.mark.parametrize("parameters, param", BAD_FIELDS.values(), ids=BAD_FIELDS.keys())
def test_a_bad_field_of_the_form_is_named(client, sent, stack, prompt, parameters, param):
    with pytest.raises(openai.BadRequestError) as caught:
        edit(client, **{"prompt": prompt, "image": drawn("red"), **parameters})
    assert_error(caught.value, 400, "invalid_value", param, INVALID)
    assert len(sent) == 1
    assert stack.tasks(prompt) == []


def test_a_missing_picture_is_named(raw, prompt):
    answer = raw.post(EDITS, data={"model": MODEL, "prompt": prompt}, files={"other": b"x"})
    assert answer.status_code == 400
    assert_body(answer, "missing_required_parameter", "image", INVALID)


def test_a_missing_prompt_is_named(raw):
    answer = raw.post(EDITS, data={"model": MODEL}, files={"image": drawn("red")})
    assert answer.status_code == 400
    assert_body(answer, "missing_required_parameter", "prompt", INVALID)


@pytest.mark.parametrize("size", [BIG, HUGE], ids=["above the model's limit", "above the gateway's limit"])
def test_an_upload_that_is_too_large_is_refused_once_and_the_answer_arrives(client, sent, stack, prompt, size):
    before = stack.requests(413, EDITS)
    with pytest.raises(openai.APIStatusError) as caught:
        edit(client, prompt, io.BytesIO(drawn("red").ljust(size, b"\0")))
    assert_error(caught.value, 413, "request_too_large", caught.value.param, INVALID)
    assert (len(sent), stack.requests(413, EDITS) - before) == (1, 1)
    assert stack.tasks(prompt) == []


def test_a_wrong_key_is_refused_once_whatever_the_upload(stack, sent, prompt):
    client = sent.client(stack, api_key="sk-nobody")
    with pytest.raises(openai.AuthenticationError) as caught:
        edit(client, prompt, io.BytesIO(drawn("red").ljust(20_000_000, b"\0")))
    assert_error(caught.value, 401, "invalid_api_key", None, INVALID)
    assert len(sent) == 1


def test_an_unknown_model_is_not_found(client, sent, prompt):
    with pytest.raises(openai.NotFoundError) as caught:
        edit(client, prompt, drawn("red"), model="no-such-model")
    assert_error(caught.value, 404, "model_not_found", "model", INVALID)
    assert len(sent) == 1


FAILURES = {
    "[fail:content_policy_violation]": (400, "moderation_blocked", "image_generation_user_error"),
    "[fail:image_processing_error]": (400, "invalid_image", INVALID),
    "[fail:image_dimension_mismatch]": (400, "invalid_image", INVALID),
    "[fail:unknown_error]": (502, "unknown_error", "upstream_error"),
}


@pytest.mark.parametrize("fault", FAILURES)
def test_a_failure_upstream_is_told_once(client, sent, stack, new_prompt, fault):
    status, code, kind = FAILURES[fault]
    prompt = new_prompt(fault)
    with pytest.raises(openai.APIStatusError) as caught:
        edit(client, prompt, drawn("red"))
    assert_error(caught.value, status, code, caught.value.param, kind)
    assert len(sent) == 1
    assert 1 <= len(stack.tasks(prompt)) <= 3  # generation.attempts
