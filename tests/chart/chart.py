"""The chart as the tests see it: rendered by a Helm, taken apart, its configuration handed to the gateway."""

import os
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "evolink-gateway"
GATEWAY = os.environ["EVOLINK_GATEWAY_BIN"]
HELMS = {name: Path(os.environ["CHART_TOOLS"]) / name for name in ("helm4", "helm3")}
# Value sets: the defaults, and each file of ci/.
VALUE_SETS = [None, *sorted(path.name for path in (CHART / "ci").glob("*-values.yaml"))]
# The lowest Kubernetes that Chart.yaml admits, and the highest whose schemas there are.
KUBERNETES = ("1.29", "1.37")
HELM_PATIENCE_S = 60


def run(*command, text=None, env=None):
    return subprocess.run(
        [str(part) for part in command], input=text, env=env, capture_output=True, text=True, timeout=HELM_PATIENCE_S
    )


def helm(name, verb, *arguments, values=None, value_set=None):
    """Runs a Helm on the chart, with a value set of ci/ and values of the test's own."""
    files = [] if value_set is None else ["--values", CHART / "ci" / value_set]
    own = [] if values is None else ["--values", "-"]
    text = None if values is None else yaml.safe_dump(values)
    return run(HELMS[name], verb, *arguments, *files, *own, text=text)


@dataclass
class Rendered:
    text: str
    objects: list

    def one(self, kind, suffix=""):
        found = [it for it in self.objects if it["kind"] == kind and it["metadata"]["name"].endswith(suffix)]
        assert len(found) == 1, f"{len(found)} objects of kind {kind}"
        return found[0]

    def all(self, kind):
        return [it for it in self.objects if it["kind"] == kind]

    @property
    def pod(self):
        return self.one("Deployment")["spec"]["template"]

    @property
    def container(self):
        return self.pod["spec"]["containers"][0]

    @property
    def config(self):
        return next(it for it in self.all("ConfigMap") if "gateway.yaml" in it.get("data", {}))["data"]["gateway.yaml"]


def rendered(text):
    return Rendered(text, [it for it in yaml.safe_load_all(text) if it])


def render(values=None, value_set=None, by="helm4", kubernetes=KUBERNETES[1]):
    done = helm(by, "template", "gw", CHART, "--kube-version", kubernetes, values=values, value_set=value_set)
    assert done.returncode == 0, done.stderr
    return rendered(done.stdout)


@cache
def rendered_set(value_set, by="helm4", kubernetes=KUBERNETES[1]):
    return render(None, value_set, by, kubernetes)


def check(rendering, folder, config=None):
    """What `evolink-gateway check` says to the configuration, with the variables of the gateway's container."""
    file = folder / "gateway.yaml"
    file.write_text(config or rendering.config)
    variables = {it["name"]: it["value"] for it in rendering.container["env"] if "value" in it}
    return run(GATEWAY, "check", "--config", file, "--allow-missing-secrets", env=variables)
