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

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
CONFIG = Path(__file__).with_name("schemathesis.toml")
HOOKS = Path(__file__).with_name("hooks.py")
DEADLINE_S = 240

JSON = "application/json"
FORM = "multipart/form-data"
# Whatever is forbidden in JSON must be refused. In a form everything is a text, and Schemathesis takes what a text may
# well stand for (`true`, `2`) for forbidden.
OF_FORMS = ["--exclude-checks", "negative_data_rejection"]

# Media type, paths, options, and how many requests of which route must at least have been answered with 200 and with 400:
# a run in which nothing was made, or nothing refused, would prove little.
GROUPS = {
    "generations": (JSON, "^/v1/images/generations$", [], "/v1/images/generations", {200: 15, 400: 50}),
    "edits": (JSON, "^/v1/images/edits$", [], "/v1/images/edits", {200: 15, 400: 50}),
    "forms": (FORM, "^/v1/images/(edits|variations)$", OF_FORMS, "/v1/images/", {200: 10, 400: 5}),
    "Azure's paths": (JSON, "^/openai/", [], "/openai/", {200: 1, 400: 1}),
    "the rest": (JSON, "^/(v1/images/generations/.*|v1/models.*|images/.*|healthz|openapi.json)$", [], "/v1/models", {200: 1}),
}


@pytest.mark.parametrize("media, paths, options, route, expected", GROUPS.values(), ids=GROUPS.keys())
def test_the_server_does_what_its_description_says(stack, tmp_path, media, paths, options, route, expected):
    before = {status: stack.requests(status, route) for status in expected}
    environment = {"API": stack.api, "TEAM_KEY": TEAM_KEY, "HOOKS": str(HOOKS), "MEDIA": media}
    ran = subprocess.run(
        [SCHEMATHESIS, "--config-file", CONFIG, "run", f"{stack.api}/openapi.json", "--include-path-regex", paths, *options],
        env={**os.environ, **environment}, cwd=tmp_path, capture_output=True, text=True, timeout=DEADLINE_S,
    )
    assert ran.returncode == 0, ran.stdout[-20_000:] + ran.stderr[-2000:]
    for status, least in expected.items():
        assert stack.requests(status, route) - before[status] >= least, f"too few answers with {status}: {ran.stdout[-2000:]}"
