"""Runs the binary under test: a simulator, and a gateway wired to it, each in its own process.

Knows nothing of OpenAI's SDK and nothing of pytest.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

CONFIG = Path(__file__).resolve().parent.parent / "gateway.yaml"
START_DEADLINE_S = 20.0
STOP_DEADLINE_S = 20.0
TASK_DEADLINE_S = 20.0
SPEED = "50"  # tasks take a few hundred milliseconds
TEAM_KEY = "sk-team-design"
EXPIRED_KEY = "sk-team-expired"
VISITOR_KEY = "sk-team-visitors"  # may use no model
THRIFTY_KEY = "sk-team-thrifty"  # has a budget of one picture
HASTY_KEY = "sk-team-hasty"  # 30 requests a minute
MODEST_KEY = "sk-team-modest"  # max_n, max_quality, max_resolution


class Process:
    """One running command of the binary; its output goes to files that failures can quote."""

    def __init__(self, arguments: list[str], folder: Path, name: str, env: dict[str, str] | None = None):
        self.name = name
        self.out = folder / f"{name}.out"
        self.err = folder / f"{name}.err"
        # A developer's own settings must not reach the binary under test.
        clean = {name: value for name, value in os.environ.items() if not name.startswith("EVOLINK_")}
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.child = subprocess.Popen(
                [os.environ["EVOLINK_GATEWAY_BIN"], *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=folder,
                env={**clean, **(env or {})},
            )

    def wait_for(self, find):
        """What `find` makes of this process, as soon as that is not None."""
        deadline = time.monotonic() + START_DEADLINE_S
        while time.monotonic() < deadline:
            if (found := find(self)) is not None:
                return found
            if self.child.poll() is not None:
                raise RuntimeError(f"{self.name} ended with {self.child.returncode}:\n{self.quote()}")
            time.sleep(0.02)
        raise RuntimeError(f"{self.name} was not ready in {START_DEADLINE_S:.0f} s:\n{self.quote()}")

    def quote(self) -> str:
        return self.out.read_text()[-2000:] + self.err.read_text()[-4000:]

    def stop(self) -> int:
        """Asks it to end and tells its exit status; a process that does not listen is killed."""
        self.child.terminate()
        try:
            return self.child.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            raise RuntimeError(f"{self.name} ignored SIGTERM:\n{self.quote()}") from None


def _simulator_url(process: Process) -> str | None:
    found = re.search(r"simulator listening on (http://\S+)", process.out.read_text())
    return found and found[1]


def _gateway_addresses(process: Process) -> tuple[str, str] | None:
    for line in process.err.read_text().splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if entry.get("message") == "listening":
            return f"http://{entry['fields']['api']}", f"http://{entry['fields']['admin']}"
    return None


def _ready(url: str):
    def find(_process: Process) -> bool | None:
        try:
            return True if httpx.get(url, timeout=2, trust_env=False).status_code == 200 else None
        except httpx.TransportError:
            return None

    return find


class Stack:
    """A simulator and a gateway. `api` and `admin` are the gateway's base URLs, `upstream` the simulator's."""

    def __init__(self, folder: Path, speed: str = SPEED, flags: tuple[str, ...] = (), settings: dict[str, str] | None = None):
        simulate = ["simulate", "--listen", "127.0.0.1:0", "--speed", speed, "--estimated-time", "0", "--seed", "7"]
        self.simulator = Process([*simulate, *flags], folder, "simulator")
        self.gateway: Process | None = None
        self.http = httpx.Client(timeout=10, trust_env=False)
        try:
            self.upstream = self.simulator.wait_for(_simulator_url).rstrip("/")
            env = {"SIMULATOR_URL": self.upstream, "STATE_DIR": str(folder / "state")}
            env |= {f"EVOLINK_GATEWAY__{name}": value for name, value in (settings or {}).items()}
            self.gateway = Process(["serve", "--config", str(CONFIG)], folder, "gateway", env)
            self.api, self.admin = self.gateway.wait_for(_gateway_addresses)
            self.gateway.wait_for(_ready(f"{self.admin}/readyz"))
        except BaseException:
            for process in filter(None, [self.gateway, self.simulator]):
                process.child.kill()
                process.child.wait()
            raise

    @property
    def base_url(self) -> str:
        return f"{self.api}/v1"

    def ledger(self) -> list[dict]:
        """All tasks upstream has taken, by anybody."""
        return self.http.get(f"{self.upstream}/_simulator/ledger").json()["tasks"]

    def tasks(self, prompt: str) -> list[dict]:
        """The tasks upstream has taken for this prompt."""
        return [task for task in self.ledger() if task["body"]["prompt"] == prompt]

    def while_running(self, prompt: str, call, look):
        """What `call` gives, and what `look` makes of this prompt's first task while it runs.

        Pictures that came with a request are deleted upstream after its end, so the prompt should take its time
        (`[latency:…]`).
        """
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(call)
            deadline = time.monotonic() + TASK_DEADLINE_S
            while not (tasks := self.tasks(prompt)):
                if answer.done():
                    raise RuntimeError(f"the call ended before it made a task: {answer.result()}")
                if time.monotonic() > deadline:
                    raise RuntimeError(f"no task after {TASK_DEADLINE_S:.0f} s")
                time.sleep(0.02)
            seen = look(tasks[0])
            return answer.result(), seen

    def given(self, task: dict) -> tuple[list[bytes], bytes | None]:
        """The reference pictures, in order, and the mask that upstream was given for this task."""

        def fetched(url: str) -> bytes:
            answer = self.http.get(url)
            assert answer.status_code == 200, f"{url}: {answer.status_code}"
            return answer.content

        body = task["body"]
        mask = body.get("mask_url")
        return [fetched(url) for url in body.get("image_urls", [])], fetched(mask) if mask else None

    def becomes_404(self, url: str) -> bool:
        """Whether this file of upstream's is gone soon."""
        deadline = time.monotonic() + TASK_DEADLINE_S
        while time.monotonic() < deadline:
            if self.http.get(url).status_code == 404:
                return True
            time.sleep(0.05)
        return False

    def requests(self, status: int, route: str = "") -> int:
        """How many requests (of this route) the gateway has answered so, by its own count."""
        lines = self.http.get(f"{self.admin}/metrics").text.splitlines()
        counted = [line for line in lines if line.startswith("evolink_gateway_requests_total{")]
        labels = (f'route="{route}', f'status="{status}"')
        return sum(int(float(line.rsplit(" ", 1)[1])) for line in counted if all(label in line for label in labels))

    def stop(self) -> None:
        """Ends both; a gateway that panicked or did not end well is an error."""
        self.http.close()
        try:
            status = self.gateway.stop()
            log = self.gateway.err.read_text()
            if status != 0 or "panicked at" in log:
                raise RuntimeError(f"the gateway ended with {status}:\n{log[-4000:]}")
        finally:
            self.simulator.stop()
