"""The Dockerfile, as far as it can be judged without building it (tests/container/run does)."""

import re
import sys
from pathlib import Path

import pytest

from chart import ROOT, rendered_set, run

DOCKERFILE = ROOT / "Dockerfile"
HADOLINT = Path(sys.executable).with_name("hadolint")


def test_hadolint_has_nothing_to_say():
    done = run(HADOLINT, "--failure-threshold", "style", DOCKERFILE)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize(("line", "finding"), [("FROM debian", "DL3006"), ("CMD serve", "DL3025")])
def test_hadolint_would_find_something(line, finding, tmp_path):
    bad = tmp_path / "Dockerfile"
    bad.write_text(f"FROM scratch\n{line}\n")
    assert finding in run(HADOLINT, bad).stdout


def test_the_toolchain_is_the_pinned_one():
    pinned = re.search(r'channel = "([^"]+)"', (ROOT / "rust-toolchain.toml").read_text())[1]
    assert f"library/rust:{pinned}-" in DOCKERFILE.read_text()


def test_the_version_is_the_programs_own():
    version = re.search(r'^version = "([^"]+)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]
    assert f"ARG VERSION={version}\n" in DOCKERFILE.read_text()
    assert rendered_set(None).container["image"].endswith(f":{version}")


def test_image_and_chart_agree_on_addresses_and_paths():
    set_by_image = dict(re.findall(r"(EVOLINK_GATEWAY__\w+)=(\S+)", DOCKERFILE.read_text()))
    set_by_chart = {it["name"]: it["value"] for it in rendered_set(None).container["env"]}
    assert len(set_by_image) == 4 and set_by_image.items() <= set_by_chart.items()


def test_image_and_chart_agree_on_the_user():
    assert "USER 65532:65532\n" in DOCKERFILE.read_text()
    assert rendered_set(None).pod["spec"]["securityContext"]["runAsUser"] == 65532
