"""`models.list` and `models.retrieve`."""

from __future__ import annotations

import openai
import pytest

MODEL = "gpt-image-2"


def test_the_list_has_the_models_a_key_may_use(client, sent):
    models = {model.id: model for model in client.models.list()}
    assert (models[MODEL].object, models[MODEL].created >= 0) == ("model", True)
    assert models[MODEL].owned_by
    assert len(sent) == 1


def test_one_model_is_retrieved_as_it_is_listed(client):
    [listed] = [model for model in client.models.list() if model.id == MODEL]
    assert client.models.retrieve(MODEL).to_dict() == listed.to_dict()


def test_a_percent_encoded_id_is_the_same_model(raw):
    answer = raw.get("/v1/models/gpt%2Dimage%2D2")
    assert answer.status_code == 200
    assert answer.json() == raw.get(f"/v1/models/{MODEL}").json()


@pytest.mark.parametrize("name", ["no-such-model", "black-forest-labs/FLUX.1 dev"])
def test_an_unknown_model_is_not_found_by_its_own_name(client, sent, name):
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve(name)
    assert (caught.value.status_code, caught.value.code) == (404, "model_not_found")
    assert caught.value.param == "model"
    assert name in caught.value.message
    assert len(sent) == 1


def test_a_slash_in_an_id_may_be_left_raw(raw):
    answer = raw.get("/v1/models/black-forest-labs/FLUX.1%20dev")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "model_not_found"
