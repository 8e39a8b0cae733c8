"""Makes pictures to send, and judges those that come back: whole, and of the size and format asked for."""

from __future__ import annotations

import base64
import hashlib
import io

from PIL import Image


def drawn(colour: str, size: tuple[int, int] = (512, 512), kind: str = "PNG") -> bytes:
    """A plain picture; another colour is another picture."""
    return _saved(Image.new("RGB", size, colour), kind)


def mask(size: tuple[int, int] = (512, 512)) -> bytes:
    """A PNG whose left half is to be made anew: transparent there, opaque elsewhere."""
    picture = Image.new("RGBA", size, "black")
    picture.paste((0, 0, 0, 0), (0, 0, size[0] // 2, size[1]))
    return _saved(picture, "PNG")


def _saved(picture: Image.Image, kind: str) -> bytes:
    written = io.BytesIO()
    picture.save(written, kind)
    return written.getvalue()


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
