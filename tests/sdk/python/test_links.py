"""`response_format="url"` where pictures are stored: the link is the gateway's own, and opens as any link does."""

from __future__ import annotations

import urllib.error
import urllib.request

import httpx
import pytest

from pictures import assert_picture
from stack import Stack


@pytest.fixture(scope="module")
def storing(tmp_path_factory):
    """A gateway of its own, which stores pictures."""
    stack = Stack(tmp_path_factory.mktemp("storing"), env={"EVOLINK_GATEWAY__IMAGES__STORE": "disk"})
    yield stack
    stack.stop()


def link(client, prompt, **parameters) -> str:
    parameters = {"model": "gpt-image-2", "prompt": prompt, "quality": "low", **parameters}
    [item] = client.images.generate(**parameters, response_format="url").data
    assert item.b64_json is None
    return item.url


def test_a_url_opens_without_a_key(storing, sent, prompt):
    with sent.client(storing) as client:
        url = link(client, prompt, size="1024x1024")
    assert url.startswith(f"{storing.api}/images/")
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10) as answer:
        assert answer.headers["content-type"] == "image/png"
        assert_picture(answer.read(), "1024x1024")


@pytest.mark.parametrize(
    ("parameters", "size", "kind"),
    [
        ({"size": "1024x1024", "output_format": "jpeg", "output_compression": 40}, "1024x1024", "JPEG"),
        ({"size": "1024x1024", "output_format": "webp"}, "1024x1024", "WEBP"),
        ({"size": "256x256", "model": "dall-e-2", "quality": "auto"}, "256x256", "PNG"),
    ],
)
def test_a_url_leads_to_the_form_that_was_asked_for(storing, sent, prompt, parameters, size, kind):
    with sent.client(storing) as client:
        url = link(client, prompt, **parameters)
    answer = httpx.get(url, timeout=10, trust_env=False)
    assert answer.headers["content-type"] == f"image/{kind.lower()}"
    assert_picture(answer.content, size, kind)


def test_a_changed_url_is_refused(storing, sent, prompt):
    with sent.client(storing) as client:
        url = link(client, prompt, size="1024x1024")
    answer = httpx.get(f"{url}x", timeout=10, trust_env=False)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "picture_not_found")
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url.split("?")[0], timeout=10)
