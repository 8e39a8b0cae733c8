"""`images.generate` through the whole gateway: what was asked for is what comes back, and what upstream was told."""

from __future__ import annotations

import time

import httpx
import pytest

from pictures import assert_picture, decode, digest, opened

MODEL = "gpt-image-2"
LOWEST_UPSTREAM_AREA = 655_360  # pixels; below it Evolink refuses


def generate(client, prompt, **parameters):
    """One cheap generation, unless the parameters say otherwise."""
    return client.images.generate(**{"model": MODEL, "prompt": prompt, "quality": "low", **parameters})


def test_a_picture_comes_back_as_base64_by_default(client, stack, prompt):
    result = generate(client, prompt, size="1024x1024")
    [item] = result.data
    assert_picture(decode(item), "1024x1024")
    assert (result.size, result.quality, result.output_format) == ("1024x1024", "low", "png")
    assert result.background == "opaque"
    assert abs(result.created - time.time()) < 60
    [task] = stack.tasks(prompt)
    assert task["body"]["model"] == MODEL
    assert task["body"]["size"] == "1024x1024"
    assert "response_format" not in task["body"]


def test_usage_is_told_in_whole_numbers(client, prompt):
    usage = generate(client, prompt).usage
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens > 0
    assert usage.input_tokens_details.text_tokens + usage.input_tokens_details.image_tokens == usage.input_tokens


def test_a_url_leads_to_the_picture(client, prompt):
    [item] = generate(client, prompt, size="1024x1024", response_format="url").data
    assert item.b64_json is None
    answer = httpx.get(item.url, timeout=10, trust_env=False)
    assert answer.headers["content-type"] == "image/png"
    assert_picture(answer.content, "1024x1024")


def test_four_pictures_are_four_different_pictures(client, stack, prompt):
    result = generate(client, prompt, n=4, size="1024x1024")
    pictures = [decode(item) for item in result.data]
    for picture in pictures:
        assert_picture(picture, "1024x1024")
    assert len({digest(picture) for picture in pictures}) == 4
    tasks = stack.tasks(prompt)
    assert len(tasks) == 4
    assert all(task["body"].get("n", 1) == 1 for task in tasks)
    assert len({task["idempotency_key"] for task in tasks}) == 4


@pytest.mark.parametrize("size", ["1536x1024", "1024x1536", "1792x1024", "1024x640", "2048x1152"])
def test_pixel_sizes_hold(client, stack, prompt, size):
    result = generate(client, prompt, size=size)
    assert_picture(decode(result.data[0]), size)
    assert result.size == size
    assert stack.tasks(prompt)[0]["body"]["size"] == size


@pytest.mark.parametrize("ratio, resolution", [("1:1", "1K"), ("16:9", "1K"), ("2:3", "2K")])
def test_a_ratio_with_a_resolution_is_passed_on(client, stack, prompt, ratio, resolution):
    result = generate(client, prompt, size=ratio, extra_body={"resolution": resolution})
    picture = opened(decode(result.data[0]))
    width, height = map(int, ratio.split(":"))
    assert picture.width / picture.height == pytest.approx(width / height, rel=0.03)
    assert result.size == f"{picture.width}x{picture.height}"
    body = stack.tasks(prompt)[0]["body"]
    assert (body["size"], body["resolution"]) == (ratio, resolution)


def test_size_auto_names_the_size_that_was_made(client, prompt):
    result = generate(client, prompt, size="auto")
    assert_picture(decode(result.data[0]), result.size)


@pytest.mark.parametrize("size", ["256x256", "512x512"])
def test_the_old_small_sizes_are_made_larger_and_scaled_down(client, stack, prompt, size):
    result = client.images.generate(model="dall-e-2", prompt=prompt, size=size, response_format="b64_json")
    assert_picture(decode(result.data[0]), size)
    assert result.size == size
    width, height = map(int, stack.tasks(prompt)[0]["body"]["size"].split("x"))
    assert width == height and width * height >= LOWEST_UPSTREAM_AREA


@pytest.mark.parametrize(
    "asked, effective",
    [("auto", "medium"), ("standard", "medium"), ("hd", "high"), ("low", "low"), ("medium", "medium"), ("high", "high")],
)
def test_every_quality_name_has_its_meaning(client, stack, prompt, asked, effective):
    result = generate(client, prompt, quality=asked, size="1024x1024")
    assert result.quality == effective
    assert stack.tasks(prompt)[0]["body"].get("quality", "medium") == effective


@pytest.mark.parametrize("asked, kind", [("png", "PNG"), ("jpeg", "JPEG"), ("webp", "WEBP")])
def test_the_output_format_holds_in_the_bytes(client, prompt, asked, kind):
    result = generate(client, prompt, output_format=asked, size="1024x640")
    assert result.output_format == asked
    assert_picture(decode(result.data[0]), "1024x640", kind)


@pytest.mark.parametrize("asked, kind", [("jpeg", "JPEG"), ("webp", "WEBP")])
def test_more_compression_makes_a_smaller_file(client, new_prompt, asked, kind):
    def made(compression: int) -> bytes:
        parameters = {"output_format": asked, "output_compression": compression, "size": "1024x640"}
        return decode(generate(client, new_prompt(), **parameters).data[0])

    rough, fine = made(5), made(95)
    for picture in (rough, fine):
        assert_picture(picture, "1024x640", kind)
    assert len(rough) < len(fine)


def test_a_transparent_background_is_passed_on(client, stack, prompt):
    result = generate(client, prompt, background="transparent", output_format="png", size="1024x640")
    assert result.background == "transparent"
    assert_picture(decode(result.data[0]), "1024x640")
    assert stack.tasks(prompt)[0]["body"]["background"] == "transparent"


def test_dall_e_3_answers_with_a_url_like_the_original(client, stack, prompt):
    result = client.images.generate(model="dall-e-3", prompt=prompt, size="1792x1024", quality="standard")
    [item] = result.data
    assert item.b64_json is None
    assert_picture(httpx.get(item.url, timeout=10, trust_env=False).content, "1792x1024")
    assert stack.tasks(prompt)[0]["body"]["model"] == MODEL


def test_dall_e_2_answers_with_a_url_too(client, prompt):
    [item] = client.images.generate(model="dall-e-2", prompt=prompt).data
    assert item.b64_json is None
    assert_picture(httpx.get(item.url, timeout=10, trust_env=False).content, "1024x1024")


def test_a_small_picture_of_dall_e_2_comes_as_base64_since_no_link_leads_to_it(client, prompt):
    result = client.images.generate(model="dall-e-2", prompt=prompt, size="256x256")
    assert_picture(decode(result.data[0]), "256x256")


@pytest.mark.parametrize("quality, effective", [("standard", "medium"), ("hd", "high")])
def test_the_qualities_of_dall_e_3_have_their_meaning(client, stack, prompt, quality, effective):
    result = client.images.generate(
        model="dall-e-3", prompt=prompt, size="1024x1792", quality=quality, style="natural", response_format="b64_json"
    )
    assert result.quality == effective
    assert_picture(decode(result.data[0]), "1024x1792")
    assert stack.tasks(prompt)[0]["body"]["quality"] == effective


def test_dall_e_3_gives_base64_when_asked(client, prompt):
    result = client.images.generate(model="dall-e-3", prompt=prompt, response_format="b64_json", size="1024x1024")
    assert_picture(decode(result.data[0]), "1024x1024")


def test_gpt_image_1_answers_with_base64_like_the_original(client, stack, prompt):
    result = client.images.generate(model="gpt-image-1", prompt=prompt, size="auto", quality="auto")
    assert_picture(decode(result.data[0]), result.size)
    assert stack.tasks(prompt)[0]["body"]["model"] == MODEL


def test_without_a_model_the_default_one_draws(client, stack, prompt):
    result = client.images.generate(prompt=prompt, quality="low")
    assert_picture(decode(result.data[0]), result.size)
    assert stack.tasks(prompt)[0]["body"]["model"] == MODEL


def test_null_is_the_same_as_absent(client, stack, prompt):
    names = ["size", "quality", "n", "background", "output_format", "output_compression", "response_format"]
    names += ["user", "style", "moderation", "resolution", "stream", "partial_images"]
    answer = client.images.with_raw_response.generate(
        model=MODEL, prompt=prompt, extra_body=dict.fromkeys(names)
    )
    result = answer.parse()
    assert_picture(decode(result.data[0]), result.size)
    assert "x-gateway-ignored" not in answer.headers
    assert None not in stack.tasks(prompt)[0]["body"].values()


def test_a_prompt_of_32000_characters_is_taken(client, stack, prompt):
    longest = prompt.ljust(32_000, ".")
    assert_picture(decode(generate(client, longest, size="1024x640").data[0]), "1024x640")
    assert len(stack.tasks(longest)) == 1


def test_a_prompt_in_many_scripts_arrives_unchanged(client, stack, prompt):
    written = f"{prompt} «Leuchtturm» 灯台 маяк 🗼 \"quoted\" \\ back\nnew line"
    generate(client, written, size="1024x640")
    assert len(stack.tasks(written)) == 1


def test_the_answer_carries_its_headers(client, stack, prompt):
    answer = client.images.with_raw_response.generate(
        model=MODEL, prompt=prompt, quality="low", n=2, user="somebody", style="vivid", moderation="low"
    )
    headers = answer.headers
    assert headers["content-type"].split(";")[0] == "application/json"
    assert int(headers["content-length"]) == len(answer.content)
    assert headers["x-request-id"]
    assert headers["x-gateway-generation-id"].startswith("gen_")
    assert int(headers["openai-processing-ms"]) > 0
    tasks = {name.strip() for name in headers["x-evolink-task-ids"].split(",")}
    assert tasks == {task["id"] for task in stack.tasks(prompt)} and len(tasks) == 2
    ignored = [name.strip() for name in headers["x-gateway-ignored"].split(",")]
    assert sorted(ignored) == ["moderation", "style", "user"]


def test_a_result_knows_its_request_id(client, prompt):
    first, second = generate(client, prompt), generate(client, f"{prompt} again")
    assert first._request_id and second._request_id and first._request_id != second._request_id


def test_one_call_is_one_request_and_one_task(client, sent, stack, prompt):
    generate(client, prompt)
    assert len(sent) == 1
    [task] = stack.tasks(prompt)
    assert 16 <= len(task["idempotency_key"]) <= 96


PASSING_FAULTS = [
    "[create:429*1;retry-after=1]",
    "[create:500*1]",
    "[create:html*1]",
    "[create:malformed*1]",
    "[create:lost*1]",
    "[poll:500*2]",
    "[poll:malformed*1]",
    "[media:truncated*1]",
    "[done:result_data]",
]


@pytest.mark.parametrize("fault", PASSING_FAULTS)
def test_a_passing_fault_upstream_costs_neither_a_request_nor_a_task(client, sent, stack, new_prompt, fault):
    prompt = new_prompt(fault)
    assert_picture(decode(generate(client, prompt, size="1024x640").data[0]), "1024x640")
    assert (len(sent), len(stack.tasks(prompt))) == (1, 1)


@pytest.mark.parametrize("delivered", ["[media:jpeg]", "[media:webp]"])
def test_a_picture_upstream_delivers_in_another_format_is_converted(client, new_prompt, delivered):
    result = generate(client, new_prompt(delivered), size="1024x640", output_format="png")
    assert result.output_format == "png"
    assert_picture(decode(result.data[0]), "1024x640", "PNG")
