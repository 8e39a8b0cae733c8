"""`images.edit`: pictures go in by every way the SDK has, reach upstream unchanged and in order, and one comes back."""

from __future__ import annotations

import base64
import io

import httpx
import pytest

from pictures import assert_picture, decode, digest, drawn, mask

MODEL = "gpt-image-2"
SLOWLY = "[latency:1s]"  # time to look at what upstream was given


def edit(client, prompt, image, **parameters):
    """One cheap edit, unless the parameters say otherwise."""
    return client.images.edit(**{"model": MODEL, "prompt": prompt, "image": image, "quality": "low", **parameters})


def edited(client, stack, prompt, image, **parameters):
    """The answer to an edit, and the pictures and the mask that upstream was given for it."""
    call = lambda: edit(client, prompt, image, **parameters)  # noqa: E731
    answer, (pictures, mask_given) = stack.while_running(prompt, call, stack.given)
    return answer, pictures, mask_given


def in_a_file(picture: bytes, folder):
    path = folder / "lamp.png"
    path.write_bytes(picture)
    return path


WAYS = {
    "an open file": lambda picture, folder: in_a_file(picture, folder).open("rb"),
    "a path": in_a_file,
    "a list of one file": lambda picture, folder: [in_a_file(picture, folder).open("rb")],
    "raw bytes": lambda picture, _: picture,
    "a list of one, raw": lambda picture, _: [picture],
    "BytesIO": lambda picture, _: io.BytesIO(picture),
    "a name and no type": lambda picture, _: ("lamp", picture),
    "a wrong name and type": lambda picture, _: ("lamp.jpg", picture, "image/jpeg"),
    "a type that is none of a picture": lambda picture, _: ("lamp.txt", picture, "text/plain"),
}


@pytest.mark.parametrize("given", WAYS.values(), ids=WAYS.keys())
def test_a_picture_goes_in_by_every_way_the_sdk_has(client, sent, stack, new_prompt, tmp_path, given):
    prompt, picture = new_prompt(SLOWLY), drawn("red")
    result, arrived, _ = edited(client, stack, prompt, given(picture, tmp_path), size="1024x640")
    assert_picture(decode(result.data[0]), "1024x640")
    assert [digest(one) for one in arrived] == [digest(picture)]
    assert len(sent) == 1
    [task] = stack.tasks(prompt)
    assert (task["body"]["model"], task["body"]["size"]) == (MODEL, "1024x640")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_the_usual_formats_are_taken(client, stack, new_prompt, kind):
    prompt, picture = new_prompt(SLOWLY), drawn("orange", kind=kind)
    result, arrived, _ = edited(client, stack, prompt, picture, size="1024x640")
    assert_picture(decode(result.data[0]), "1024x640")
    assert arrived == [picture]


def test_several_pictures_keep_their_order(client, stack, new_prompt):
    prompt = new_prompt(SLOWLY)
    pictures = [drawn(colour) for colour in ["red", "green", "blue", "green", "white"]]
    result, arrived, _ = edited(client, stack, prompt, pictures, size="1024x640")
    assert_picture(decode(result.data[0]), "1024x640")
    assert [digest(one) for one in arrived] == [digest(one) for one in pictures]


def test_sixteen_pictures_are_taken(client, stack, new_prompt):
    prompt = new_prompt("[latency:2s]")
    pictures = [drawn(f"#{number:02x}8040") for number in range(16)]
    _, arrived, _ = edited(client, stack, prompt, pictures, size="1024x640")
    assert [digest(one) for one in arrived] == [digest(one) for one in pictures]


def test_a_mask_goes_along_with_its_picture(client, stack, new_prompt):
    prompt, picture, hole = new_prompt(SLOWLY), drawn("navy"), mask()
    result, arrived, mask_given = edited(client, stack, prompt, picture, mask=hole, size="1024x640")
    assert_picture(decode(result.data[0]), "1024x640")
    assert (arrived, mask_given) == ([picture], hole)


def test_the_answer_describes_the_picture_like_a_generations(client, prompt):
    result = edit(client, prompt, drawn("red"), size="1024x640")
    assert (result.size, result.quality, result.output_format) == ("1024x640", "low", "png")
    usage = result.usage
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    assert usage.input_tokens_details.image_tokens > 0, "the picture that was sent counts"
    assert result._request_id


def test_two_pictures_are_two_different_pictures(client, stack, prompt):
    result = edit(client, prompt, drawn("red"), n=2, size="1024x640")
    pictures = [decode(item) for item in result.data]
    for picture in pictures:
        assert_picture(picture, "1024x640")
    assert len({digest(picture) for picture in pictures}) == 2
    assert len(stack.tasks(prompt)) == 2


def test_a_url_leads_to_the_picture(client, prompt):
    [item] = edit(client, prompt, drawn("red"), size="1024x640", response_format="url").data
    assert item.b64_json is None
    assert_picture(httpx.get(item.url, timeout=10, trust_env=False).content, "1024x640")


def test_parameters_sent_as_form_fields_have_their_effect(client, stack, prompt):
    parameters = {"output_format": "jpeg", "output_compression": 40, "background": "opaque", "quality": "high"}
    result = edit(client, prompt, drawn("red"), size="1024x640", **parameters)
    assert (result.output_format, result.quality) == ("jpeg", "high")
    assert_picture(decode(result.data[0]), "1024x640", "JPEG")
    assert stack.tasks(prompt)[0]["body"]["quality"] == "high"


def test_what_has_no_effect_is_named(client, prompt):
    answer = client.images.with_raw_response.edit(
        model=MODEL, prompt=prompt, image=drawn("red"), quality="low", size="1024x640", input_fidelity="high",
        user="somebody", extra_body={"nonsense": "x"},
    )
    assert_picture(decode(answer.parse().data[0]), "1024x640")
    ignored = [name.strip() for name in answer.headers["x-gateway-ignored"].split(",")]
    assert sorted(ignored) == ["input_fidelity", "nonsense", "user"]
    assert answer.headers["x-gateway-generation-id"].startswith("gen_")


def test_size_and_quality_may_be_auto(client, prompt):
    result = edit(client, prompt, drawn("red"), size="auto", quality="auto")
    assert_picture(decode(result.data[0]), result.size)
    assert result.quality == "medium"


def test_the_default_model_edits_too(client, stack, prompt):
    result = client.images.edit(prompt=prompt, image=drawn("red"), size="1024x640")
    assert_picture(decode(result.data[0]), "1024x640")
    assert stack.tasks(prompt)[0]["body"]["model"] == MODEL


def test_the_json_form_takes_data_urls(client, stack, new_prompt):
    prompt, pictures, hole = new_prompt(SLOWLY), [drawn("red"), drawn("blue", kind="JPEG")], mask()
    kinds = ["image/png", "image/jpeg"]
    url = lambda picture, kind: {"image_url": f"data:{kind};base64,{base64.b64encode(picture).decode()}"}  # noqa: E731
    body = {
        "model": MODEL, "prompt": prompt, "quality": "low", "size": "1024x640", "mask": url(hole, "image/png"),
        "images": [url(picture, kind) for picture, kind in zip(pictures, kinds, strict=True)],
    }
    call = lambda: client.post("/images/edits", body=body, cast_to=object)  # noqa: E731
    answer, (arrived, mask_given) = stack.while_running(prompt, call, stack.given)
    assert_picture(base64.b64decode(answer["data"][0]["b64_json"]), "1024x640")
    assert (arrived, mask_given) == (pictures, hole)


def test_pictures_of_a_generation_reach_upstream_once(client, stack, new_prompt):
    prompt, picture = new_prompt(SLOWLY), drawn("teal")
    _, urls = stack.while_running(
        prompt, lambda: edit(client, prompt, [picture, picture], n=2, size="1024x640"),
        lambda task: task["body"]["image_urls"],
    )
    assert len(urls) == 2
    assert [task["body"]["image_urls"] for task in stack.tasks(prompt)] == [urls, urls]


def test_the_pictures_sent_are_not_kept_upstream(client, stack, new_prompt):
    prompt = new_prompt(SLOWLY)
    _, urls = stack.while_running(
        prompt, lambda: edit(client, prompt, drawn("#123456"), size="1024x640"), lambda task: task["body"]["image_urls"]
    )
    assert stack.becomes_404(urls[0])


@pytest.mark.parametrize("fault", ["[create:500*1]", "[poll:500*2]", "[media:truncated*1]"])
def test_a_passing_fault_upstream_costs_neither_a_request_nor_a_task(client, sent, stack, new_prompt, fault):
    prompt = new_prompt(fault)
    assert_picture(decode(edit(client, prompt, drawn("red"), size="1024x640").data[0]), "1024x640")
    assert (len(sent), len(stack.tasks(prompt))) == (1, 1)
