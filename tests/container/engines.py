"""What builds images and runs their programs: docker or podman, or buildah where no daemon and no cgroups are to be had."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import uuid
from pathlib import Path

ANSWER_S = 60
BUILD_S = 3600


def told(*command: str | Path, timeout: float = ANSWER_S) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=timeout)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
    return done.stdout


def chosen() -> Docker | Buildah:
    """$CONTAINER_ENGINE, else the first one that answers."""
    wanted = os.environ.get("CONTAINER_ENGINE")
    for name in [wanted] if wanted else ["docker", "podman", "buildah"]:
        if shutil.which(name) and subprocess.run([name, "info"], capture_output=True, timeout=ANSWER_S).returncode == 0:
            return Buildah() if name == "buildah" else Docker(name)
    raise SystemExit(f"tests/container/run: no engine answers: {wanted or 'docker, podman or buildah'} is needed")


class Docker:
    """docker, and podman, which takes the same arguments."""

    def __init__(self, program: str) -> None:
        self.program = program

    def build(self, tag: str, folder: Path, arguments: list[str]) -> None:
        # OCI's own format has no health check, and docker makes its own by itself.
        form = ["--format=docker"] if self.program == "podman" else []
        subprocess.run([self.program, "build", *form, "--tag", tag, *arguments, str(folder)], check=True, timeout=BUILD_S)

    def config(self, image: str) -> dict:
        told_of = json.loads(told(self.program, "image", "inspect", image))[0]
        # podman tells the health check beside the configuration.
        return {"Healthcheck": told_of.get("Healthcheck"), **told_of["Config"]}

    def files(self, image: str) -> dict[str, tarfile.TarInfo]:
        container = told(self.program, "create", image).strip()
        try:
            done = subprocess.run([self.program, "export", container], capture_output=True, check=True, timeout=ANSWER_S)
        finally:
            told(self.program, "rm", container)
        with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
            return {member.name.removeprefix("./"): member for member in archive}

    def start(self, image: str, arguments: list[str], env: dict[str, str], mounts: dict[Path, str]) -> DockerRun:
        name = f"evolink-gateway-test-{uuid.uuid4().hex[:8]}"
        options = [f"--env={key}={value}" for key, value in env.items()]
        options += [f"--volume={source}:{target}" for source, target in mounts.items()]
        hardened = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=host"]
        told(self.program, "run", "--detach", f"--name={name}", *hardened, *options, image, *arguments)
        return DockerRun(self.program, name)


class DockerRun:
    def __init__(self, program: str, name: str) -> None:
        self.program, self.name = program, name

    @property
    def pid(self) -> int:
        return int(told(self.program, "inspect", "--format={{.State.Pid}}", self.name))

    def run_beside(self, *arguments: str) -> int:
        return subprocess.run([self.program, "exec", self.name, *arguments], timeout=ANSWER_S).returncode

    def terminate(self) -> None:
        told(self.program, "kill", "--signal=TERM", self.name)

    def wait(self) -> int:
        return int(told(self.program, "wait", self.name))

    def log(self) -> str:
        done = subprocess.run([self.program, "logs", self.name], capture_output=True, text=True, timeout=ANSWER_S)
        return done.stdout + done.stderr

    def remove(self) -> None:
        told(self.program, "rm", "--force", self.name)


# The image's tree becomes the root, read-only, of a process without privileges, with the devices that every OCI runtime
# gives (a static program has its random numbers from /dev/urandom). $1: the tree; $2: uid:gid; $3: how many
# mounts "SOURCE TARGET" follow; then the command.
INTO_TREE = """
set -eu
tree=$1 user=$2 mounts=$3; shift 3
mount --bind "$tree" "$tree"
mount --rbind /proc "$tree/proc"
mount -t tmpfs -o mode=755 tmpfs "$tree/dev"
for device in null zero full random urandom tty; do
    touch "$tree/dev/$device"; mount --bind "/dev/$device" "$tree/dev/$device"
done
while [ "$mounts" -gt 0 ]; do mount --bind "$1" "$tree$2"; shift 2; mounts=$((mounts - 1)); done
mount -o remount,bind,ro "$tree"
exec setpriv --no-new-privs chroot --userspec="$user" "$tree" "$@"
"""


class Buildah:
    """buildah builds; the tree is run in a mount namespace and a changed root, on the host's network. Needs root."""

    def build(self, tag: str, folder: Path, arguments: list[str]) -> None:
        own = ["--isolation=chroot", "--network=host", "--layers", "--format=docker"]
        subprocess.run(["buildah", "build", *own, "--tag", tag, *arguments, str(folder)], check=True, timeout=BUILD_S)

    def config(self, image: str) -> dict:
        return json.loads(told("buildah", "inspect", "--type", "image", image))["Docker"]["config"]

    def files(self, image: str) -> dict[str, tarfile.TarInfo]:
        with tempfile.TemporaryDirectory() as folder:
            container = told("buildah", "from", "--pull-never", image).strip()
            try:
                tree = told("buildah", "mount", container).strip()
                told("tar", "--create", "--file", f"{folder}/tree", "--directory", tree, ".")
            finally:
                told("buildah", "rm", container)
            with tarfile.open(f"{folder}/tree") as archive:
                return {member.name.removeprefix("./"): member for member in archive}

    def start(self, image: str, arguments: list[str], env: dict[str, str], mounts: dict[Path, str]) -> BuildahRun:
        return BuildahRun(self.config(image), image, arguments, env, mounts)


class BuildahRun:
    def __init__(self, config: dict, image: str, arguments: list[str], env: dict[str, str], mounts: dict) -> None:
        self.container = told("buildah", "from", "--pull-never", image).strip()
        self.tree = Path(told("buildah", "mount", self.container).strip())
        self.user = config["User"]
        self.env = {**dict(entry.split("=", 1) for entry in config["Env"]), **env}
        # As an engine would make them.
        self.mounts = {**mounts, Path("/etc/hosts"): "/etc/hosts", Path("/etc/resolv.conf"): "/etc/resolv.conf"}
        for source, target in self.mounts.items():
            place = self.tree / target.lstrip("/")
            if source.is_dir():
                place.mkdir(parents=True, exist_ok=True)
            else:
                place.touch()
        for folder in ("proc", "dev"):
            (self.tree / folder).mkdir(exist_ok=True)
        self.output = tempfile.TemporaryFile("w+")
        self.child = self._run([*config["Entrypoint"], *arguments], self.output)

    def _run(self, command: list[str], output: object) -> subprocess.Popen:
        mounts = [str(part) for pair in self.mounts.items() for part in pair]
        shell = ["sh", "-c", INTO_TREE, "sh", str(self.tree), self.user, str(len(self.mounts)), *mounts, *command]
        # The process replaces each of these programs in turn: its id is the child's.
        return subprocess.Popen(["unshare", "--mount", *shell], env=self.env, stdout=output, stderr=output)

    @property
    def pid(self) -> int:
        return self.child.pid

    def run_beside(self, *arguments: str) -> int:
        return self._run(list(arguments), None).wait(ANSWER_S)

    def terminate(self) -> None:
        self.child.terminate()

    def wait(self) -> int:
        return self.child.wait(ANSWER_S)

    def log(self) -> str:
        self.output.seek(0)
        return self.output.read()

    def remove(self) -> None:
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        told("buildah", "rm", self.container)
