"""Fixtures of the OpenAI suites, and an environment in which the clients stay on this machine."""

from __future__ import annotations

import os

from fixtures import new_prompt, prompt, stack  # noqa: F401 (pytest finds them here)

os.environ.update(NO_PROXY="127.0.0.1", LITELLM_LOCAL_MODEL_COST_MAP="True", LITELLM_TELEMETRY="False")
