"""`stream=True`: one event with the picture, failures as exceptions, and nothing lost when a reader leaves."""

from __future__ import annotations

import asyncio
import base64
import json

import openai
import pytest

from failures import INVALID, assert_error
from pictures import assert_picture, decode, drawn
from stack import TEAM_KEY

MODEL = "gpt-image-2"


def generate(client, prompt, **parameters):
    return client.images.generate(
        **{"model": MODEL, "prompt": prompt, "quality": "low", "size": "1024x640", "stream": True, **parameters}
    )


def edit(client, prompt, **parameters):
    return client.images.edit(
        **{"model": MODEL, "prompt": prompt, "image": drawn("red"), "quality": "low", "size": "1024x640",
           "stream": True, **parameters}
    )


CALLS = {"image_generation": generate, "image_edit": edit}
both = pytest.mark.parametrize("kind", CALLS)


def assert_completed(event, kind: str, format: str = "png") -> None:
    assert event.type == f"{kind}.completed"
    assert_picture(base64.b64decode(event.b64_json, validate=True), "1024x640", format.upper())
    assert (event.size, event.quality, event.background, event.output_format) == ("1024x640", "low", "opaque", format)
    assert event.created_at > 0
    usage = event.usage
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens > 0
    assert usage.input_tokens_details.image_tokens + usage.input_tokens_details.text_tokens == usage.input_tokens


@both
def test_a_stream_ends_with_the_picture(client, sent, stack, prompt, kind):
    [event] = CALLS[kind](client, prompt)
    assert_completed(event, kind)
    assert (len(sent), len(stack.tasks(prompt))) == (1, 1)


@both
@pytest.mark.parametrize("partial_images", [0, 1, 3])
def test_partial_images_may_be_asked_for_and_none_are_sent(client, prompt, kind, partial_images):
    [event] = CALLS[kind](client, prompt, partial_images=partial_images)
    assert_completed(event, kind)


@both
def test_the_format_holds_in_streams(client, prompt, kind):
    [event] = CALLS[kind](client, prompt, output_format="webp")
    assert_completed(event, kind, "webp")


@both
def test_the_asynchronous_client_streams_too(stack, prompt, kind):
    async def events():
        http = openai.DefaultAsyncHttpxClient(trust_env=False)
        async with openai.AsyncOpenAI(base_url=stack.base_url, api_key=TEAM_KEY, http_client=http) as client:
            return [event async for event in await CALLS[kind](client, prompt)]

    [event] = asyncio.run(events())
    assert_completed(event, kind)


@both
def test_leaving_after_the_event_is_no_failure(client, stack, prompt, kind):
    for event in CALLS[kind](client, prompt):
        assert_completed(event, kind)
        break
    assert len(stack.tasks(prompt)) == 1
    assert_picture(decode(generate(client, f"{prompt} again", stream=False).data[0]), "1024x640")


def test_who_left_before_the_event_gets_the_picture_by_asking_again(client, stack, new_prompt):
    prompt = new_prompt("[latency:1s]")
    with generate(client, prompt):
        pass
    assert_picture(decode(generate(client, prompt, stream=False).data[0]), "1024x640")
    assert len(stack.tasks(prompt)) == 1


# Failures after the head was sent; one that is known at once still gets its true status.
LATE = {
    "[fail:content_policy_violation]": ("moderation_blocked", "image_generation_user_error"),
    "[fail:unknown_error]": ("unknown_error", "upstream_error"),
    "[media:404]": ("result_unavailable", "upstream_error"),
}


@both
@pytest.mark.parametrize("fault", LATE)
def test_a_late_failure_is_raised_with_its_code(client, sent, new_prompt, kind, fault):
    with pytest.raises(openai.APIError) as caught:
        list(CALLS[kind](client, new_prompt(f"[latency:1s] {fault}")))
    assert not isinstance(caught.value, openai.APIStatusError), "the status was sent long before"
    assert (caught.value.code, caught.value.type) == LATE[fault]
    assert caught.value.message and caught.value.body["message"] == caught.value.message
    assert set(caught.value.body) == {"message", "type", "param", "code"}
    assert len(sent) == 1


EARLY = {
    "two pictures": ({"n": 2}, 400, "invalid_value", "n", openai.BadRequestError),
    "partial_images above 3": ({"partial_images": 4}, 400, "invalid_value", "partial_images", openai.BadRequestError),
    "a bad size": ({"size": "huge"}, 400, "invalid_value", "size", openai.BadRequestError),
    "an unknown model": ({"model": "no-such-model"}, 404, "model_not_found", "model", openai.NotFoundError),
}


@both
@pytest.mark.parametrize("parameters, status, code, param, error", EARLY.values(), ids=EARLY.keys())
def test_what_can_be_refused_is_refused_before_the_stream(
    client, sent, stack, prompt, kind, parameters, status, code, param, error
):
    with pytest.raises(error) as caught:
        CALLS[kind](client, prompt, **parameters)
    assert_error(caught.value, status, code, param, INVALID)
    assert len(sent) == 1
    assert stack.tasks(prompt) == []


def test_a_wrong_key_is_refused_before_the_stream(stack, sent, prompt):
    with pytest.raises(openai.AuthenticationError):
        generate(sent.client(stack, api_key="sk-nobody"), prompt)
    assert len(sent) == 1


def test_a_picture_that_is_none_is_refused_before_the_stream(client, prompt):
    with pytest.raises(openai.BadRequestError) as caught:
        edit(client, prompt, image=b"no picture")
    assert_error(caught.value, 400, "invalid_image", "image", INVALID)


def test_on_the_wire_it_is_one_named_event_after_nothing_but_comments(raw, prompt):
    asked = {"model": MODEL, "prompt": prompt, "quality": "low", "size": "1024x640", "stream": True}
    answer = raw.post("/v1/images/generations", json=asked)
    headers = answer.headers
    assert headers["content-type"].split(";")[0] == "text/event-stream"
    assert "no-cache" in headers["cache-control"] and headers["x-accel-buffering"] == "no"
    assert headers["x-request-id"] and headers["x-gateway-generation-id"].startswith("gen_")
    assert answer.text.endswith("\n\n")
    blocks = [block for block in answer.text.split("\n\n") if block and not block.startswith(":")]
    assert len(blocks) == 1, "no [DONE], no ping"
    name, data = blocks[0].split("\n")
    assert name == "event: image_generation.completed"
    assert json.loads(data.removeprefix("data: "))["type"] == "image_generation.completed"
