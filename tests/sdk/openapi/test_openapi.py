"""What /openapi.json says against what the server does: Schemathesis sends what it allows and what it forbids.

Every answer must have a described status, media type, headers and body, forbidden requests must be refused, and nothing
may be a failure of the server's. Examples are bounded and the seed is fixed, so every run sends the same.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stack import TEAM_KEY

CONFIG = Path(__file__).with_name("schemathesis.toml")
DEADLINE_S = 240

# Paths and how many of their requests must at least have been answered with 200 and with 400: a run in which nothing
# was made, or nothing refused, would prove little.
GROUPS = {
    "generations": ("^/v1/images/generations$", [("/v1/images/generations", 200, 20), ("/v1/images/generations", 400, 50)]),
    "edits": ("^/v1/images/edits$", [("/v1/images/edits", 200, 2), ("/v1/images/edits", 400, 50)]),
    "the rest": ("^/(v1/images/variations|v1/images/generations/.*|v1/models.*|openai/.*|healthz|openapi.json)$", []),
}


@pytest.mark.parametrize("paths, expected", GROUPS.values(), ids=GROUPS.keys())
def test_the_server_does_what_its_description_says(stack, tmp_path, paths, expected):
    command = [Path(sys.executable).with_name("schemathesis"), "--config-file", CONFIG, "run"]
    ran = subprocess.run(
        [*command, f"{stack.api}/openapi.json", "--include-path-regex", paths],
        env={**os.environ, "API": stack.api, "TEAM_KEY": TEAM_KEY},
        cwd=tmp_path, capture_output=True, text=True, timeout=DEADLINE_S,
    )
    assert ran.returncode == 0, ran.stdout[-20_000:] + ran.stderr[-2000:]
    for route, status, least in expected:
        assert stack.requests(route, status) >= least, f"{route} answered too few with {status}"
