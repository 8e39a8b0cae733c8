"""A server of S3's protocol in a process of its own: SeaweedFS, with what it keeps in a folder.

Tests look at the bucket, and tamper with it, by the server's own file interface, which asks for no signature.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

START_DEADLINE_S = 60.0
STOP_DEADLINE_S = 20.0
OBJECT_DEADLINE_S = 30.0
BUCKET = "pictures"
KEY_ID, SECRET = "gateway", "a-secret-nobody-logs"
PORTS = (
    ("master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc")
    + ("s3.port", "s3.port.grpc", "admin.port", "admin.port.grpc")
)  # fmt: skip
OFF = ("-admin.ui=false", "-webdav=false", "-master.telemetry=false", "-s3.iam=false")
OFF_PORTS = ("-s3.port.iceberg=0", "-s3.port.lance=0")


def _free_ports(count: int) -> list[int]:
    """Ports that are free now. The server cannot be told to choose; one that is taken meanwhile is told by its start."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [taken.getsockname()[1] for taken in sockets]
    for taken in sockets:
        taken.close()
    return ports


class Weed:
    """`start` and `stop` as often as wanted: addresses and objects stay the same."""

    def __init__(self, folder: Path):
        self.folder = folder
        (folder / "data").mkdir()
        allowed = {
            "name": "gateway",
            "credentials": [{"accessKey": KEY_ID, "secretKey": SECRET}],
            "actions": ["Read", "Write", "List"],
        }
        (folder / "s3.json").write_text(json.dumps({"identities": [allowed]}))
        self.ports = dict(zip(PORTS, _free_ports(len(PORTS)), strict=True))
        self.endpoint = f"http://127.0.0.1:{self.ports['s3.port']}"
        self.files = f"http://127.0.0.1:{self.ports['filer.port']}/buckets/{BUCKET}"
        self.http = httpx.Client(timeout=10, trust_env=False)
        self.child: subprocess.Popen | None = None

    def start(self) -> None:
        weed = shutil.which("weed", path=str(Path(sys.executable).parent)) or "weed"
        where = [f"-dir={self.folder / 'data'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-bucket={BUCKET}"]
        ports = [f"-{name}={port}" for name, port in self.ports.items()]
        config = f"-s3.config={self.folder / 's3.json'}"
        with (self.folder / "weed.log").open("ab") as log:
            command = [weed, "mini", *where, *ports, *OFF, *OFF_PORTS, config]
            self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + START_DEADLINE_S
        while not self._is_ready():
            if self.child.poll() is not None or time.monotonic() > deadline:
                self.stop()
                log = (self.folder / "weed.log").read_text(errors="replace")
                raise RuntimeError(f"SeaweedFS does not start:\n{log[-4000:]}")
            time.sleep(0.1)

    def _is_ready(self) -> bool:
        try:
            there = self.http.get(f"{self.files}/", headers={"Accept": "application/json"}).status_code == 200
            return there and self.http.get(f"{self.endpoint}/{BUCKET}").status_code == 403  # unsigned
        except httpx.TransportError:
            return False

    def stop(self) -> None:
        if self.child is None:
            return
        self.child.terminate()
        try:
            self.child.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        self.child = None

    def get(self, key: str) -> httpx.Response | None:
        """The object; None if there is none."""
        answer = self.http.get(f"{self.files}/{key}")
        return answer if answer.status_code == 200 else None

    def put(self, key: str, data: bytes) -> None:
        """Writes an object past the gateway."""
        self.http.put(f"{self.files}/{key}", content=data).raise_for_status()

    def appears(self, key: str, data: bytes) -> httpx.Response | None:
        """The object, as soon as it has these bytes."""
        deadline = time.monotonic() + OBJECT_DEADLINE_S
        while time.monotonic() < deadline:
            if (found := self.get(key)) and found.content == data:
                return found
            time.sleep(0.1)
        return None

    def sizes(self, folder: str) -> dict[str, int]:
        """The length of every object below."""
        answer = self.http.get(f"{self.files}/{folder}/?limit=1000", headers={"Accept": "application/json"})
        if answer.status_code == 404:
            return {}
        found: dict[str, int] = {}
        for entry in answer.raise_for_status().json()["Entries"] or []:
            name = f"{folder}/{entry['FullPath'].rsplit('/', 1)[1]}"
            if entry["Mode"] & 0x80000000:  # a folder
                found |= self.sizes(name)
            else:
                found[name] = entry["FileSize"]
        return found
