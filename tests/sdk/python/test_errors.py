"""What goes wrong, as users of the SDK meet it: exception class, status, `code`, `param`, `type`, and no retry in vain."""

from __future__ import annotations

import openai
import pytest

from failures import INVALID, assert_body, assert_error
from pictures import assert_picture, decode
from stack import EXPIRED_KEY, TEAM_KEY, VISITOR_KEY

MODEL = "gpt-image-2"

BAD_VALUES = {
    "size no multiple of 16": ({"size": "1000x1000"}, "size"),
    "size too small": ({"size": "128x128"}, "size"),
    "size too large": ({"size": "4096x4096"}, "size"),
    "size too long and narrow": ({"size": "3840x640"}, "size"),
    "size that is none": ({"size": "huge"}, "size"),
    "n of zero": ({"n": 0}, "n"),
    "n above ten": ({"n": 11}, "n"),
    "n as a text": ({"n": "two"}, "n"),
    "n as a fraction": ({"n": 1.5}, "n"),
    "quality unknown": ({"quality": "ultra"}, "quality"),
    "quality of the wrong type": ({"quality": 3}, "quality"),
    "format unknown": ({"output_format": "bmp"}, "output_format"),
    "compression above 100": ({"output_format": "jpeg", "output_compression": 101}, "output_compression"),
    "compression below 0": ({"output_format": "jpeg", "output_compression": -1}, "output_compression"),
    "background unknown": ({"background": "plaid"}, "background"),
    "response form unknown": ({"response_format": "xml"}, "response_format"),
    "resolution unknown": ({"size": "1:1", "extra_body": {"resolution": "9K"}}, "resolution"),
    "prompt of the wrong type": ({"prompt": 5}, "prompt"),
    "prompt above 32,000 characters": ({"prompt": "a" * 32_001}, "prompt"),
    "prompt above 60,000 bytes": ({"prompt": "界" * 20_001}, "prompt"),
}


@pytest.mark.parametrize("parameters, param", BAD_VALUES.values(), ids=BAD_VALUES.keys())
def test_a_bad_value_is_named_and_nothing_is_bought(client, sent, stack, prompt, parameters, param):
    with pytest.raises(openai.BadRequestError) as caught:
        client.images.generate(**{"model": MODEL, "prompt": prompt, **parameters})
    assert_error(caught.value, 400, "invalid_value", param, INVALID)
    assert len(sent) == 1
    assert stack.tasks(prompt) == []


def test_transparency_in_a_jpeg_is_refused(client, stack, prompt):
    with pytest.raises(openai.BadRequestError) as caught:
        client.images.generate(model=MODEL, prompt=prompt, background="transparent", output_format="jpeg")
    assert caught.value.code == "invalid_value"
    assert caught.value.param in ("background", "output_format")
    assert stack.tasks(prompt) == []


def test_the_message_for_a_bad_size_tells_what_would_work(client, prompt):
    with pytest.raises(openai.BadRequestError, match=r"(?s)1000x1000.*16|16.*1000x1000"):
        client.images.generate(model=MODEL, prompt=prompt, size="1000x1000")


@pytest.mark.parametrize("parameters", [{"prompt": None}, {}], ids=["null", "absent"])
def test_a_missing_prompt_is_named(client, sent, parameters):
    with pytest.raises(openai.BadRequestError) as caught:
        client.post("/images/generations", body={"model": MODEL, **parameters}, cast_to=object)
    assert_error(caught.value, 400, "missing_required_parameter", "prompt", INVALID)
    assert len(sent) == 1


def test_a_url_of_a_picture_that_must_be_converted_needs_a_store(client, sent, prompt):
    with pytest.raises(openai.BadRequestError) as caught:
        client.images.generate(model="dall-e-2", prompt=prompt, size="256x256", response_format="url")
    assert_error(caught.value, 400, "invalid_value", "response_format", INVALID)
    assert "b64_json" in caught.value.message
    assert len(sent) == 1


@pytest.mark.parametrize("key", ["sk-nobody", EXPIRED_KEY], ids=["unknown", "expired"])
def test_a_wrong_key_is_refused_once(stack, sent, prompt, key):
    client = sent.client(stack, api_key=key)
    with pytest.raises(openai.AuthenticationError) as caught:
        client.images.generate(model=MODEL, prompt=prompt)
    assert_error(caught.value, 401, "invalid_api_key", None, INVALID)
    assert key not in caught.value.message
    with pytest.raises(openai.AuthenticationError):
        client.models.list()
    assert len(sent) == 2
    assert stack.tasks(prompt) == []


def test_a_model_the_team_may_not_use_is_forbidden(stack, sent, prompt):
    client = sent.client(stack, api_key=VISITOR_KEY)
    with pytest.raises(openai.PermissionDeniedError) as caught:
        client.images.generate(model=MODEL, prompt=prompt)
    assert_error(caught.value, 403, "model_not_allowed", "model", INVALID)
    assert client.models.list().data == []
    assert len(sent) == 2
    assert stack.tasks(prompt) == []


def test_an_unknown_model_is_not_found(client, sent, prompt):
    with pytest.raises(openai.NotFoundError) as caught:
        client.images.generate(model="no-such-model", prompt=prompt)
    assert_error(caught.value, 404, "model_not_found", "model", INVALID)
    assert "no-such-model" in caught.value.message
    assert len(sent) == 1


def test_a_part_of_the_api_that_is_not_here_is_an_unknown_url(client, sent):
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "hello"}])
    assert_error(caught.value, 404, "unknown_url", None, INVALID)
    assert len(sent) == 1


def test_a_body_above_the_limit_is_refused_once(client, sent):
    with pytest.raises(openai.APIStatusError) as caught:
        client.images.generate(model=MODEL, prompt="a" * 2_000_000)
    assert_error(caught.value, 413, "request_too_large", None, INVALID)
    assert len(sent) == 1


def test_a_refusal_of_the_safety_filter_is_the_users_error(client, sent, stack, new_prompt):
    prompt = new_prompt("[fail:content_policy_violation]")
    with pytest.raises(openai.BadRequestError) as caught:
        client.images.generate(model=MODEL, prompt=prompt, quality="low")
    assert_error(caught.value, 400, "moderation_blocked", None, "image_generation_user_error")
    assert (len(sent), len(stack.tasks(prompt))) == (1, 1)


def test_a_task_that_fails_for_good_is_not_asked_for_again(client, sent, stack, new_prompt):
    prompt = new_prompt("[fail:unknown_error]")
    with pytest.raises(openai.InternalServerError) as caught:
        client.images.generate(model=MODEL, prompt=prompt, quality="low")
    assert_error(caught.value, 502, "unknown_error", None, "upstream_error")
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert len(sent) == 1
    assert 1 <= len(stack.tasks(prompt)) <= 3  # generation.attempts


def test_a_result_that_is_gone_is_not_bought_again(client, sent, stack, new_prompt):
    prompt = new_prompt("[media:404]")
    with pytest.raises(openai.InternalServerError) as caught:
        client.images.generate(model=MODEL, prompt=prompt, quality="low")
    assert_error(caught.value, 502, "result_unavailable", None, "upstream_error")
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert (len(sent), len(stack.tasks(prompt))) == (1, 1)


def test_an_empty_upstream_account_is_the_operators_problem(client, sent, new_prompt):
    prompt = new_prompt("[create:402]")
    with pytest.raises(openai.InternalServerError) as caught:
        client.images.generate(model=MODEL, prompt=prompt, quality="low")
    assert_error(caught.value, 502, "upstream_account_error", None, "upstream_error")
    assert len(sent) == 1


def test_no_key_at_all_is_refused(raw, prompt):
    answer = raw.post("/v1/images/generations", json={"prompt": prompt}, headers={"Authorization": ""})
    assert answer.status_code == 401
    assert_body(answer, "invalid_api_key", None, INVALID)


def test_the_header_of_azure_clients_carries_a_key_too(raw):
    answer = raw.get("/v1/models", headers={"Authorization": "", "api-key": TEAM_KEY})
    assert answer.status_code == 200


def test_a_wrong_method_names_the_right_one(raw):
    answer = raw.get("/v1/images/generations")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"
    assert_body(answer, "method_not_allowed", None, INVALID)


def test_another_media_type_is_refused(raw):
    answer = raw.post("/v1/images/generations", content="prompt=x", headers={"Content-Type": "text/plain"})
    assert answer.status_code == 415
    assert_body(answer, "unsupported_media_type", None, INVALID)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b'{"prompt": "a",}', b'{"prompt": "\xff"}'])
def test_a_body_that_is_no_json_object_is_refused(raw, body):
    answer = raw.post("/v1/images/generations", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert_body(answer, "invalid_json", None, INVALID)


def test_every_refusal_tells_clients_not_to_retry(raw, prompt):
    refused = [
        raw.post("/v1/images/generations", json={"prompt": prompt, "n": 0}),
        raw.post("/v1/images/generations", json={"prompt": prompt, "model": "no-such-model"}),
        raw.get("/v1/nowhere"),
        raw.get("/v1/models", headers={"Authorization": "Bearer sk-nobody"}),
    ]
    assert [answer.headers["x-should-retry"] for answer in refused] == ["false"] * 4


def test_a_client_that_leaves_early_gets_its_own_time_out(stack, sent, client, new_prompt):
    hasty = sent.client(stack, timeout=0.5, max_retries=0)
    with pytest.raises(openai.APITimeoutError):
        hasty.images.generate(model=MODEL, prompt=new_prompt("[latency:2s]"), quality="low")
    assert len(sent) == 1
    result = client.images.generate(model=MODEL, prompt=new_prompt(), quality="low", size="1024x640")
    assert_picture(decode(result.data[0]), "1024x640")


def test_a_client_that_retries_after_its_time_out_gets_the_first_picture(stack, sent, new_prompt):
    prompt = new_prompt("[latency:2s]")
    client = sent.client(stack, timeout=0.7, max_retries=8)
    result = client.images.generate(model=MODEL, prompt=prompt, quality="low", size="1024x640")
    assert_picture(decode(result.data[0]), "1024x640")
    assert len(sent) > 1, "the first request should have timed out"
    assert len(stack.tasks(prompt)) == 1
