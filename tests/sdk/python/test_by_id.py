"""Generations by their id, through the SDK's plain `get` and `delete`, and answers that do not wait."""

from __future__ import annotations

import time

import openai
import pytest
from openai.types import ImagesResponse

from failures import INVALID, assert_error
from pictures import assert_picture, decode, drawn
from stack import VISITOR_KEY

MODEL = "gpt-image-2"
DEADLINE_S = 20.0


def promised(client, prompt, prefer="respond-async"):
    """The answer of a call that does not wait."""
    return client.images.with_raw_response.generate(
        model=MODEL, prompt=prompt, quality="low", size="1024x640", extra_headers={"Prefer": prefer}
    )


def path_of(answer) -> str:
    """The generation's path, below the SDK's base URL."""
    location = answer.headers["location"]
    assert location == f"/v1/images/generations/{answer.headers['x-gateway-generation-id']}"
    return location.removeprefix("/v1")


def finished(client, path: str) -> ImagesResponse:
    """Asks until the answer is there."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        answer = client.get(path, cast_to=ImagesResponse)
        if answer.data:
            return answer
        time.sleep(0.1)
    raise AssertionError(f"{path} did not end in {DEADLINE_S:.0f} s")


def test_a_finished_generation_is_found_by_its_id(client, stack, prompt):
    first = client.images.with_raw_response.generate(model=MODEL, prompt=prompt, quality="low", size="1024x640")
    again = client.get(f"/images/generations/{first.headers['x-gateway-generation-id']}", cast_to=ImagesResponse)
    assert decode(again.data[0]) == decode(first.parse().data[0])
    assert (again.created, again.size, again.usage) == (first.parse().created, "1024x640", first.parse().usage)
    assert len(stack.tasks(prompt)) == 1


def test_who_asks_not_to_wait_is_told_where_to_look(client, sent, stack, new_prompt):
    prompt = new_prompt("[latency:1s]")
    began = time.monotonic()
    answer = promised(client, prompt)
    assert time.monotonic() - began < 1
    assert answer.http_response.status_code == 202
    assert answer.headers["preference-applied"] == "respond-async"
    assert int(answer.headers["retry-after"]) >= 1
    path = path_of(answer)
    running = client.get(path, cast_to=object)
    assert running["state"] in ("queued", "running") and 0 <= running["progress"] <= 100
    assert_picture(decode(finished(client, path).data[0]), "1024x640")
    assert len(stack.tasks(prompt)) == 1


def test_who_waits_a_little_gets_a_promise_when_that_is_over(client, new_prompt):
    answer = promised(client, new_prompt("[latency:3s]"), "wait=1")
    assert answer.http_response.status_code == 202
    assert answer.headers["preference-applied"] == "wait=1"
    assert_picture(decode(finished(client, path_of(answer)).data[0]), "1024x640")


def test_who_waits_long_enough_gets_the_picture(client, prompt):
    answer = promised(client, prompt, "wait=20")
    assert answer.http_response.status_code == 200
    assert_picture(decode(answer.parse().data[0]), "1024x640")


def test_an_edit_may_be_promised_too(client, new_prompt):
    answer = client.images.with_raw_response.edit(
        model=MODEL, prompt=new_prompt("[latency:1s]"), image=drawn("red"), quality="low", size="1024x640",
        extra_headers={"Prefer": "respond-async"},
    )
    assert answer.http_response.status_code == 202
    assert_picture(decode(finished(client, path_of(answer)).data[0]), "1024x640")


def test_a_failed_generation_answers_with_its_error(client, new_prompt):
    path = path_of(promised(client, new_prompt("[fail:content_policy_violation]")))
    with pytest.raises(openai.BadRequestError) as caught:
        finished(client, path)
    assert_error(caught.value, 400, "moderation_blocked", None, "image_generation_user_error")


def test_what_cannot_be_made_is_refused_and_not_promised(client, prompt):
    with pytest.raises(openai.NotFoundError) as caught:
        client.images.generate(model="no-such-model", prompt=prompt, extra_headers={"Prefer": "respond-async"})
    assert caught.value.code == "model_not_found"


@pytest.mark.parametrize("id", ["gen_0190a5b4c1d27e3f8a9b0c1d2e3f4a5b", "gen_", "nonsense"])
def test_an_unknown_id_is_not_found(client, sent, id):
    with pytest.raises(openai.NotFoundError) as caught:
        client.get(f"/images/generations/{id}", cast_to=object)
    assert_error(caught.value, 404, "generation_not_found", None, INVALID)
    assert len(sent) == 1


def test_another_team_does_not_find_it(client, stack, sent, prompt):
    answer = client.images.with_raw_response.generate(model=MODEL, prompt=prompt, quality="low", size="1024x640")
    path = f"/images/generations/{answer.headers['x-gateway-generation-id']}"
    with pytest.raises(openai.NotFoundError) as caught:
        sent.client(stack, api_key=VISITOR_KEY).get(path, cast_to=object)
    assert caught.value.code == "generation_not_found"


def test_a_generation_may_be_taken_back(client, new_prompt):
    path = path_of(promised(client, new_prompt("[latency:2s]")))
    answer = client.delete(path, cast_to=object)
    assert (answer["deleted"], path.endswith(answer["id"])) == (True, True)
    for call in [client.get, client.delete]:
        with pytest.raises(openai.NotFoundError) as caught:
            call(path, cast_to=object)
        assert caught.value.code == "generation_not_found"
