"""`AzureOpenAI`: the model in the path, the key in `api-key`, a version in the query."""

from __future__ import annotations

import openai
import pytest

from failures import INVALID, assert_error
from pictures import assert_picture, decode, drawn
from stack import TEAM_KEY

MODEL = "gpt-image-2"


@pytest.fixture
def azure(stack, sent):
    options = {"azure_endpoint": stack.api, "api_key": TEAM_KEY, "api_version": "2025-04-01-preview"}
    with openai.AzureOpenAI(**options, http_client=sent.http()) as client:
        yield client


def assert_sent_as_azure_does(sent, path: str) -> None:
    [request] = sent
    assert request.url.path == path
    assert request.url.params["api-version"]
    assert request.headers["api-key"] == TEAM_KEY


def test_a_picture_is_generated(azure, sent, stack, prompt):
    result = azure.images.generate(model=MODEL, prompt=prompt, quality="low", size="1024x640")
    assert_picture(decode(result.data[0]), "1024x640")
    assert_sent_as_azure_does(sent, f"/openai/deployments/{MODEL}/images/generations")
    assert len(stack.tasks(prompt)) == 1


def test_a_picture_is_edited(azure, sent, stack, prompt):
    result = azure.images.edit(model=MODEL, prompt=prompt, image=drawn("red"), quality="low", size="1024x640")
    assert_picture(decode(result.data[0]), "1024x640")
    assert_sent_as_azure_does(sent, f"/openai/deployments/{MODEL}/images/edits")
    assert len(stack.tasks(prompt)) == 1


def test_an_alias_may_be_deployed(azure, stack, prompt):
    [item] = azure.images.generate(model="dall-e-3", prompt=prompt, size="1024x1024").data
    assert item.url
    assert stack.tasks(prompt)[0]["body"]["model"] == MODEL


def test_a_stream_ends_with_the_picture(azure, prompt):
    [event] = azure.images.generate(model=MODEL, prompt=prompt, quality="low", size="1024x640", stream=True)
    assert event.type == "image_generation.completed"


def test_a_deployment_that_is_none_is_an_unknown_model(azure, sent, prompt):
    with pytest.raises(openai.NotFoundError) as caught:
        azure.images.generate(model="no-such-model", prompt=prompt)
    assert_error(caught.value, 404, "model_not_found", "model", INVALID)
    assert len(sent) == 1
