"""Makes what the description allows into what can be made, so that every allowed request must be taken.

Some rules cannot be written down in a JSON schema: names of models, sizes that a model makes, links that lead somewhere,
what goes together. Forbidden requests are sent as they were made up.
"""

from __future__ import annotations

import base64
import os
import struct
import zlib

import schemathesis
from schemathesis import GenerationMode

PICTURES = ["images", "image", "image[]", "mask", "image_urls", "mask_url"]
MODELS = ["gpt-image-2", "gpt-image-1", "dall-e-2", "dall-e-3"]
SIZES = ["auto", "1024x1024", "1024x640", "512x512", "3:2"]
LINK = "https://192.0.2.1/lamp.png"  # nobody opens it: the simulator takes other hosts' links on trust


def _png() -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", 64, 64, 8, 6, 0, 0, 0)
    rows = zlib.compress(64 * (b"\0" + 64 * b"\xff\0\0\x80"))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


FILE = _png()
PICTURE = f"data:image/png;base64,{base64.b64encode(FILE).decode()}"


def usable(value):
    """A picture in place of what was made up: a link or a data URL, bare or as an object."""
    if isinstance(value, list):
        return [usable(one) for one in value] or [PICTURE]
    if isinstance(value, dict):
        return {**value, "image_url": PICTURE} if "file_id" not in value else {"image_url": PICTURE}
    return PICTURE if value is not None else None


def with_pictures(body: dict) -> dict:
    body = {name: usable(value) if name in PICTURES else value for name, value in body.items()}
    if body.get("images") or body.get("image"):
        body.pop("image_urls", None)  # together they could be too many
    if body.get("images"):
        body.pop("image", None)
    if body.get("mask"):
        body.pop("mask_url", None)
    if isinstance(body.get("image_urls"), list):
        body["image_urls"] = [LINK for _ in body["image_urls"]]
    return body


def with_files(form: dict) -> dict:
    """The same for a form: its pictures are files, of which none may be left out."""
    form = {name: value for name, value in form.items() if name not in PICTURES and value is not None}
    return {**form, "image": FILE}


def consistent(body: dict) -> dict:
    """What goes together."""
    body = {**body, "prompt": f"a lamp {len(str(body))}"}
    for name, choices in [("model", MODELS), ("size", SIZES), ("resolution", ["1K"])]:
        if isinstance(body.get(name), str):
            body[name] = choices[len(body[name]) % len(choices)]
    if body.get("background") == "transparent":
        body["output_format"] = "png"
    if body.get("quality") in ("xhigh", "max"):
        body["quality"] = "high"
    if body.get("stream"):
        body["n"] = 1
    if body.get("response_format") == "url":  # leads to the picture as Evolink made it
        body.update(size="1024x1024", output_format="png")
    if isinstance(body.get("n"), int):
        body["n"] = min(body["n"], 2)
    return body


@schemathesis.hook
def before_load_schema(context, raw_schema) -> None:
    """Leaves only bodies of the media type in question: of forms less can be said."""
    for path in raw_schema["paths"].values():
        body = path.get("post", {}).get("requestBody", {"content": {}})
        body["content"] = {name: schema for name, schema in body["content"].items() if name == os.environ["MEDIA"]}


@schemathesis.hook
def before_call(context, case, kwargs) -> None:
    if case.meta is None or not isinstance(case.body, dict):
        return
    if any(part.mode != GenerationMode.POSITIVE for part in case.meta.components.values()):
        return
    if case.media_type == "application/json":
        case.body = with_pictures(consistent(case.body))
    else:
        case.body = with_files(consistent(case.body))
