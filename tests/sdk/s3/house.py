"""The gateway with its pictures in a bucket, and how tests ask it."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from pictures import digest
from stack import TEAM_KEY, Stack
from weed import Weed

CONFIG = Path(__file__).resolve().parent / "gateway.yaml"
ANSWER_DEADLINE_S = 60.0
METRIC_DEADLINE_S = 45.0  # a put is given up after 30 s


def soon(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + METRIC_DEADLINE_S
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.1)
    return False


class House(Stack):
    def __init__(self, weed: Weed, folder: Path, prefix: str, env: dict[str, str]):
        self.weed, self.prefix = weed, prefix
        super().__init__(folder, config=CONFIG, env=env)

    def draw(self, prompt: str, size: str = "816x816") -> bytes:
        """The picture, of a request that must be answered with one."""
        answer = httpx.post(
            f"{self.api}/v1/images/generations",
            json={"model": "gpt-image-2", "prompt": prompt, "size": size, "quality": "low"},
            headers={"Authorization": f"Bearer {TEAM_KEY}"},
            timeout=ANSWER_DEADLINE_S,
            trust_env=False,
        )
        assert answer.status_code == 200, answer.text
        return base64.b64decode(answer.json()["data"][0]["b64_json"], validate=True)

    def key(self, picture: bytes) -> str:
        """The name its object must have."""
        name = digest(picture)
        return f"{self.prefix}/{name[:2]}/{name[2:4]}/{name}.png"

    def draw_and_store(self, prompt: str) -> bytes:
        picture = self.draw(prompt)
        assert self.weed.appears(self.key(picture), picture), "it was never stored"
        return picture

    def restart(self) -> None:
        self.stop_gateway()
        self.start_gateway()

    def failures(self, operation: str, reason: str) -> int:
        """What the gateway counts of its picture store's failures."""
        labels = f'evolink_gateway_picture_store_failures_total{{operation="{operation}",reason="{reason}"}} '
        lines = self.http.get(f"{self.admin}/metrics").text.splitlines()
        return sum(int(line.removeprefix(labels)) for line in lines if line.startswith(labels))

    def fails_soon(self, operation: str, *reasons: str) -> bool:
        return soon(lambda: any(self.failures(operation, reason) for reason in reasons))

    def says_soon(self, message: str) -> bool:
        """The log is written by a thread of its own, some milliseconds behind."""
        return soon(lambda: message in self.log())

    def ready(self) -> int:
        return self.http.get(f"{self.admin}/readyz").status_code

    def log(self) -> str:
        return self.gateway.err.read_text()
