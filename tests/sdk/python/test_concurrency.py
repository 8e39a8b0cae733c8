"""Many calls at once through the asynchronous client: everybody gets a picture, and everybody their own."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter

import openai

from pictures import assert_picture, decode, digest
from stack import TEAM_KEY

CALLS = 100
SIZES = ["1024x640", "640x1024", "832x832"]


async def all_at_once(base_url: str, asked: list[tuple[str, str]]) -> list[bytes]:
    http = openai.DefaultAsyncHttpxClient(trust_env=False)
    async with openai.AsyncOpenAI(base_url=base_url, api_key=TEAM_KEY, max_retries=0, http_client=http) as client:

        async def one(prompt: str, size: str) -> bytes:
            result = await client.images.generate(model="gpt-image-2", prompt=prompt, quality="low", size=size)
            return decode(result.data[0])

        return await asyncio.gather(*(one(prompt, size) for prompt, size in asked))


def test_a_hundred_calls_at_once_get_a_hundred_pictures(stack, new_prompt):
    asked = [(new_prompt(), size) for size in itertools.islice(itertools.cycle(SIZES), CALLS)]
    pictures = asyncio.run(all_at_once(stack.base_url, asked))
    for (_, size), picture in zip(asked, pictures, strict=True):
        assert_picture(picture, size)
    assert len({digest(picture) for picture in pictures}) == CALLS
    bought = Counter(task["body"]["prompt"] for task in stack.ledger())
    assert [bought[prompt] for prompt, _ in asked] == [1] * CALLS
