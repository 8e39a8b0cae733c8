"""What clients want: the official SDK, retrying by itself, asks until it has the pictures."""

from __future__ import annotations

import base64
import hashlib
import random
import threading
import time
from dataclasses import dataclass, field

import openai

from pictures import drawn
from stack import TEAM_KEY

# Endless for an SDK: what it gives up, a person would send again.
RETRIES = 10_000
TIMEOUT_S = 30.0
# Shorter than most tasks take: the SDK gives up and asks again, many times.
HASTY_TIMEOUT_S = 0.3
STREAM_TRIES_MAX = 1_000
# The SDK's own pauses, shortened, so that the load is with the gateway and not asleep.
PAUSES_S = {"INITIAL_RETRY_DELAY": 0.02, "MAX_RETRY_DELAY": 0.3}

KINDS = {"plain": 8, "two": 3, "edit": 2, "stream": 3, "named": 2, "hasty": 2}
FAULTS = {
    "": 20,
    "[create:lost*1]": 3,
    "[create:malformed*1]": 1,
    "[create:503*1]": 1,
    "[fail:service_error*1]": 2,
    "[poll:503*2]": 1,
    "[poll:cut*1]": 1,
    "[media:500*1]": 1,
    "[media:truncated*1]": 1,
    "[media:slow;seconds=0.5]": 1,
}


class Load:
    """How many requests are on the wire, and a sign whenever one is sent."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.in_flight = 0
        self.sent = 0

    def begin(self) -> None:
        with self.changed:
            self.in_flight += 1
            self.sent += 1
            self.changed.notify_all()

    def end(self) -> None:
        with self.changed:
            self.in_flight -= 1

    def wait_for_one(self, seconds: float) -> None:
        """Until the next request is sent, or so long."""
        with self.changed:
            before = self.sent
            self.changed.wait_for(lambda: self.sent > before, seconds)


class Wire(openai.DefaultHttpxClient):
    """The SDK's own HTTP client, counted."""

    load: Load

    def send(self, *args, **options):
        self.load.begin()
        try:
            return super().send(*args, **options)
        finally:
            self.load.end()


@dataclass
class Wish:
    number: int
    kind: str
    prompt: str
    count: int
    # SHA-256 of the pictures that came.
    pictures: list[str] = field(default_factory=list)
    error: str | None = None
    seconds: float = 0.0

    @classmethod
    def draw(cls, seed: int, number: int) -> Wish:
        chance = random.Random(f"{seed}/{number}")
        kind = chance.choices(list(KINDS), list(KINDS.values()))[0]
        fault = chance.choices(list(FAULTS), list(FAULTS.values()))[0]
        prompt = f"wish {number} of {seed} {fault}".strip()
        return cls(number, kind, prompt, 2 if kind == "two" else 1)

    def ask(self, client: openai.OpenAI, load: Load) -> None:
        began = time.monotonic()
        try:
            self.pictures = [hashlib.sha256(picture).hexdigest() for picture in self._pictures(client, load)]
        except Exception as error:  # whatever it is, it is no picture
            self.error = f"{type(error).__name__}: {error}"
        self.seconds = time.monotonic() - began

    def _pictures(self, client: openai.OpenAI, load: Load) -> list[bytes]:
        wish = {"model": "gpt-image-2", "prompt": self.prompt, "size": "816x816", "quality": "low", "n": self.count}
        match self.kind:
            case "edit":
                sketch = drawn(f"#{self.number % 0x1000000:06x}", (128, 128))
                answer = client.images.edit(image=("sketch.png", sketch, "image/png"), **wish)
            case "named":
                answer = client.images.generate(extra_headers={"Idempotency-Key": f"wish-{self.number}"}, **wish)
            case "hasty":
                answer = client.with_options(timeout=HASTY_TIMEOUT_S).images.generate(**wish)
            case "stream":
                return [self._streamed(client, load, wish)]
            case _:
                answer = client.images.generate(**wish)
        return [base64.b64decode(item.b64_json, validate=True) for item in answer.data]

    def _streamed(self, client: openai.OpenAI, load: Load, wish: dict) -> bytes:
        """A stream that breaks after its head is raised by the SDK, so the client asks again itself."""
        for _ in range(STREAM_TRIES_MAX):
            broken = None
            load.begin()
            try:
                for event in client.images.generate(stream=True, **wish):
                    if event.type == "image_generation.completed":
                        return base64.b64decode(event.b64_json, validate=True)
                broken = "the stream ended without a picture"
            except openai.APIStatusError:
                raise
            except openai.APIError as error:
                # What upstream failed for good is told in the stream, and is no reason to ask again.
                if getattr(error, "body", None) and not _is_passing(error.body):
                    raise
                broken = str(error)
            except Exception as error:  # httpx has no name for it that all versions of the SDK share
                broken = str(error)
            finally:
                load.end()
            time.sleep(PAUSES_S["INITIAL_RETRY_DELAY"])
        raise RuntimeError(f"a stream was broken {STREAM_TRIES_MAX} times, at last: {broken}")


def _is_passing(error: object) -> bool:
    code = error.get("code") if isinstance(error, dict) else None
    return code in ("server_is_overloaded", "upstream_unavailable", "upstream_outcome_unknown", "generation_timeout")


class Clients:
    """Threads with a client each; every one asks, wish by wish, until it is told to make no more of them."""

    def __init__(self, api: str, seed: int, threads: int):
        for name, seconds in PAUSES_S.items():
            assert hasattr(openai._base_client, name)
            setattr(openai._base_client, name, seconds)
        self.api, self.seed, self.load = api, seed, Load()
        self.wishes: list[Wish] = []
        self.failed = threading.Event()
        self._lock, self._enough = threading.Lock(), threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def finish(self, seconds: float) -> None:
        """No more wishes; those that were made are answered."""
        self._enough.set()
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if any(thread.is_alive() for thread in self._threads):
            open_ones = [wish.prompt for wish in self.wishes if not wish.seconds]
            raise RuntimeError(f"clients still wait after {seconds:.0f} s: {open_ones}")

    def _run(self) -> None:
        wire = Wire(trust_env=False)
        wire.load = self.load
        with openai.OpenAI(
            base_url=f"{self.api}/v1", api_key=TEAM_KEY, max_retries=RETRIES, timeout=TIMEOUT_S, http_client=wire
        ) as client:
            while not self._enough.is_set():
                with self._lock:
                    wish = Wish.draw(self.seed, len(self.wishes))
                    self.wishes.append(wish)
                wish.ask(client, self.load)
                if wish.error:
                    self.failed.set()
                    return
