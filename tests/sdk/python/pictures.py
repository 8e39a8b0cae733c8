"""Judges the pictures that come back: they must open, be whole, and have the size and format asked for."""

from __future__ import annotations

import base64
import hashlib
import io

from PIL import Image


def decode(item) -> bytes:
    """The bytes of one `data[]` item that carries base64, and nothing else."""
    assert item.b64_json and item.url is None
    return base64.b64decode(item.b64_json, validate=True)


def opened(data: bytes) -> Image.Image:
    """The picture, decoded to the last pixel."""
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


def assert_picture(data: bytes, size: str, kind: str = "PNG") -> None:
    picture = opened(data)
    assert f"{picture.width}x{picture.height}" == size
    assert picture.format == kind


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
