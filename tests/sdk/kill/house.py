"""The gateway under the kill loop, and its simulator: started, ended in every way, and asked what they know."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import subprocess
import time
from pathlib import Path

import httpx

from stack import CONFIG, Process, _simulator_url

START_DEADLINE_S = 20.0
QUIET_DEADLINE_S = 60.0
# Longer than any task takes; what is left then is the next process's.
DRAIN_S = 10
UPSTREAM_KEY = "sk-simulated"


class Simulator:
    """Upstream, which outlives every gateway, and whose ledger is the truth."""

    def __init__(self, folder: Path, seed: int):
        flags = ["--latency", "50ms..400ms", "--estimated-time", "0", "--seed", str(seed % 2**32)]
        self.process = Process(["simulate", "--listen", "127.0.0.1:0", *flags], folder, "simulator")
        self.url = self.process.wait_for(_simulator_url).rstrip("/")
        self.http = httpx.Client(base_url=self.url, timeout=60, trust_env=False)

    def ledger(self) -> dict:
        return self.http.get("/_simulator/ledger").raise_for_status().json()

    def picture(self, task_id: str) -> bytes:
        """The picture of a completed task. Faults of its prompt may strike here too."""
        key = {"Authorization": f"Bearer {UPSTREAM_KEY}"}
        for _ in range(10):
            task = self.http.get(f"/v1/tasks/{task_id}", headers=key)
            if task.status_code == 200:
                answer = self.http.get(task.json()["results"][0])
                if answer.status_code == 200:
                    return answer.content
        raise RuntimeError(f"the simulator does not give the picture of {task_id}")

    def stop(self) -> None:
        self.http.close()
        self.process.stop()


class Gateway:
    """One process after the other on the same folder and the same ports."""

    def __init__(self, folder: Path, upstream: str):
        self.state = folder / "state"
        self.log = folder / "gateway.log"
        self.api, self.admin = (f"http://127.0.0.1:{port}" for port in _free_ports(2))
        own = {name: value for name, value in os.environ.items() if not name.startswith("EVOLINK_")}
        self.env = own | {
            "SIMULATOR_URL": upstream,
            "STATE_DIR": str(self.state),
            "EVOLINK_GATEWAY__SERVER__LISTEN": self.api.removeprefix("http://"),
            "EVOLINK_GATEWAY__SERVER__ADMIN_LISTEN": self.admin.removeprefix("http://"),
            "EVOLINK_GATEWAY__SERVER__DRAIN": f"{DRAIN_S}s",
            "EVOLINK_GATEWAY__EVOLINK__POLL__MIN": "20ms",
            "EVOLINK_GATEWAY__IMAGES__STORE": "disk",
            "EVOLINK_GATEWAY__IMAGES__PATH": str(folder / "images"),
        }
        self.http = httpx.Client(timeout=5, trust_env=False)
        self.child: subprocess.Popen | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.child = subprocess.Popen(
                [os.environ["EVOLINK_GATEWAY_BIN"], "serve", "--config", str(CONFIG)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.log.parent,
                env=self.env,
            )

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_DEADLINE_S
        while time.monotonic() < deadline:
            if self.child.poll() is not None:
                raise RuntimeError(f"the gateway ended with {self.child.returncode}:\n{self.last_words()}")
            try:
                if self.http.get(f"{self.admin}/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.005)
        raise RuntimeError(f"the gateway was not ready in {START_DEADLINE_S:.0f} s:\n{self.last_words()}")

    def kill(self) -> None:
        self.child.kill()
        self.child.wait()

    def terminate(self) -> None:
        """Drains it: it must end by itself, well, and in time."""
        self.child.terminate()
        try:
            status = self.child.wait(DRAIN_S + 5)
        except subprocess.TimeoutExpired:
            self.child.kill()
            raise RuntimeError(f"the gateway drains for more than {DRAIN_S} s:\n{self.last_words()}") from None
        if status != 0:
            raise RuntimeError(f"the gateway drained and ended with {status}:\n{self.last_words()}")

    def freeze(self, seconds: float) -> None:
        self.child.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        self.child.send_signal(signal.SIGCONT)

    def last_words(self) -> str:
        return self.log.read_text(errors="replace")[-4000:]

    def rows(self, sql: str) -> list[tuple]:
        """What the journal says; it is opened for reading only."""
        with sqlite3.connect(f"file:{self.state / 'state.db'}?mode=ro", uri=True, timeout=10) as journal:
            return journal.execute(sql).fetchall()

    def wait_until_quiet(self) -> int:
        """Waits until the journal has nothing unfinished; tells how much is left at the deadline."""
        deadline = time.monotonic() + QUIET_DEADLINE_S
        while (left := self.rows("SELECT count(*) FROM generations WHERE ended IS NULL")[0][0]) > 0:
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
        return left

    def listed(self, state: str) -> list[dict]:
        """What the admin API lists as being in this state."""
        answer = self.http.get(f"{self.admin}/admin/v1/generations", params={"state": state})
        return answer.raise_for_status().json()["data"]

    def gauge(self, name: str) -> float:
        """The sum of this metric's series; 0 without one."""
        lines = self.http.get(f"{self.admin}/metrics").text.splitlines()
        values = [line.rsplit(" ", 1) for line in lines if line.startswith(f"evolink_gateway_{name}")]
        return sum(float(value) for series, value in values if series.split("{")[0] == f"evolink_gateway_{name}")


def _free_ports(count: int) -> list[int]:
    """Ports that are free now. Nobody else is given them: the system hands out ports by chance, and these are few."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
