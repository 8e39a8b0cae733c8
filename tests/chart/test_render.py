"""What the chart renders, for the defaults and for every value set of ci/, by both majors of Helm."""

import re
import tarfile

import kubernetes_validate
import pytest
import yaml

from chart import CHART, HELMS, KUBERNETES, ROOT, VALUE_SETS, check, helm, render, rendered, rendered_set, run

KINDS_WITHOUT_SCHEMA = {"HTTPRoute"}
PORTS = {"http": 8080, "admin": 9090}

each_set = pytest.mark.parametrize("value_set", VALUE_SETS, ids=lambda name: (name or "defaults").removesuffix("-values.yaml"))
each_helm = pytest.mark.parametrize("by", HELMS)


@each_helm
@each_set
def test_it_lints(value_set, by):
    done = helm(by, "lint", "--strict", CHART, value_set=value_set)
    assert done.returncode == 0, done.stdout + done.stderr


@each_helm
@pytest.mark.parametrize("kubernetes", KUBERNETES)
@each_set
def test_it_is_what_kubernetes_expects(value_set, by, kubernetes):
    objects = rendered_set(value_set, by, kubernetes).objects
    validated = [it for it in objects if it["kind"] not in KINDS_WITHOUT_SCHEMA]
    assert len(validated) >= 4
    for it in validated:
        kubernetes_validate.validate(it, kubernetes, strict=True)


@each_set
def test_both_majors_of_helm_render_the_same(value_set):
    assert rendered_set(value_set, "helm3").objects == rendered_set(value_set, "helm4").objects


@each_set
def test_the_gateway_takes_its_configuration(value_set, tmp_path):
    rendering = rendered_set(value_set)
    done = check(rendering, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    holds = yaml.safe_load(done.stdout)
    assert holds["server"]["listen"].endswith(":8080") and holds["server"]["admin_listen"].endswith(":9090")
    assert (holds["state"]["path"], holds["images"]["path"]) == ("/data", "/data/images")
    assert {it["name"]: it["containerPort"] for it in rendering.container["ports"]} == PORTS


def test_a_wrong_setting_would_be_noticed_by_that(tmp_path):
    rendering = rendered_set(None)
    done = check(rendering, tmp_path, rendering.config.replace("api_key:", "api_kye:"))
    assert done.returncode == 2 and "evolink.api_kye" in done.stderr


@each_set
def test_pods_are_restricted_as_pod_security_asks(value_set):
    rendering = rendered_set(value_set)
    specs = [rendering.pod["spec"], *(pod["spec"] for pod in rendering.all("Pod"))]
    assert len(specs) == 2
    for spec in specs:
        context = spec["securityContext"]
        assert context["runAsNonRoot"] and context["runAsUser"] == context["fsGroup"] == 65532
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is False and spec["enableServiceLinks"] is False
        for container in [*spec["containers"], *spec.get("initContainers", [])]:
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert rendering.container["securityContext"]["readOnlyRootFilesystem"] is True
    for account in rendering.all("ServiceAccount"):
        assert account["automountServiceAccountToken"] is False


@each_set
def test_one_gateway_at_a_time_has_the_state(value_set):
    deployment = rendered_set(value_set).one("Deployment")["spec"]
    assert deployment["replicas"] <= 1 and deployment["strategy"] == {"type": "Recreate"}


@each_set
def test_services_lead_to_the_gateway_and_never_from_the_api_to_the_admin_listener(value_set):
    rendering = rendered_set(value_set)
    selector = rendering.one("Deployment")["spec"]["selector"]["matchLabels"]
    assert set(selector) == {"app.kubernetes.io/name", "app.kubernetes.io/instance"}
    assert selector.items() <= rendering.pod["metadata"]["labels"].items()
    for service in rendering.all("Service"):
        assert service["spec"]["selector"] == selector
        admin = service["metadata"]["name"].endswith("-admin")
        assert [port["targetPort"] for port in service["spec"]["ports"]] == ["admin" if admin else "http"]
        assert not admin or service["spec"]["type"] == "ClusterIP"
    for ingress in rendering.all("Ingress"):
        for rule in ingress["spec"]["rules"]:
            backends = [path["backend"]["service"] for path in rule["http"]["paths"]]
            assert backends and all(it["port"] == {"name": "http"} for it in backends)
    for pod in rendering.all("Pod"):
        assert not selector.items() <= pod["metadata"]["labels"].items()


@each_set
def test_probes_ask_the_admin_listener(value_set):
    container = rendered_set(value_set).container
    asked = {name: container[name]["httpGet"] for name in ("startupProbe", "readinessProbe", "livenessProbe")}
    # Not /readyz at the start: a full disk makes that 503, and a restart would not help.
    assert asked == {
        "startupProbe": {"path": "/livez", "port": "admin"},
        "readinessProbe": {"path": "/readyz", "port": "admin"},
        "livenessProbe": {"path": "/livez", "port": "admin"},
    }


@each_set
def test_the_helm_test_asks_the_services_that_there_are(value_set):
    rendering = rendered_set(value_set)
    services = {f"{it['metadata']['name']}:{it['spec']['ports'][0]['port']}" for it in rendering.all("Service")}
    containers = rendering.one("Pod")["spec"]["containers"]
    urls = [container["args"][-1] for container in containers]
    assert {url.split("/")[2] for url in urls} == services
    assert all(container["args"][:2] == ["healthcheck", "--url"] for container in containers)
    assert {container["image"] for container in containers} == {rendering.container["image"]}


@each_set
def test_mounts_are_directories_and_secrets_are_for_the_group_only(value_set):
    rendering = rendered_set(value_set)
    mounts = rendering.container["volumeMounts"]
    assert all("subPath" not in mount for mount in mounts)
    volumes = {volume["name"]: volume for volume in rendering.pod["spec"]["volumes"]}
    assert {mount["name"] for mount in mounts} == set(volumes)
    assert all(it["secret"]["defaultMode"] == 0o440 for it in volumes.values() if "secret" in it)


@each_set
def test_files_that_the_configuration_names_are_mounted(value_set):
    rendering = rendered_set(value_set)
    mounted = {mount["mountPath"] for mount in rendering.container["volumeMounts"]}
    for folder in re.findall(r"\$\{file:(/[^}]*)/[^/}]+}", rendering.config):
        assert folder in mounted


@pytest.mark.parametrize(
    ("drain", "grace"),
    [(None, 330), ("300s", 330), ("5m", 330), ("1h30m", 5430), ("1500ms", 32), ("2m500ms", 151), ("0s", 30)],
)
def test_the_grace_period_is_above_the_drain_and_the_sleep(drain, grace):
    values = {} if drain is None else {"config": {"server": {"drain": drain}}}
    rendering = render(values)
    assert rendering.pod["spec"]["terminationGracePeriodSeconds"] == grace
    assert rendering.container["lifecycle"] == {"preStop": {"sleep": {"seconds": 5}}}


def test_where_kubernetes_cannot_sleep_the_pod_does_not():
    assert "lifecycle" not in render(kubernetes="1.29").container
    assert "lifecycle" not in render({"preStopSleepSeconds": 0}).container
    assert "lifecycle" in render(kubernetes="v1.30.4-gke.100").container


def live_settings():
    """The settings that the gateway takes over without a restart, from its own table."""
    source = (ROOT / "src" / "config" / "reload.rs").read_text()
    table = source.split("const AT_ONCE: ", 1)[1].split("= &[\n", 1)[1].split("];", 1)[0]
    return [".".join(re.findall(r'"([a-z_0-9]+)"', line)) for line in table.splitlines()]


SAMPLES = {
    "teams": [{"name": "a", "keys": [{"name": "k", "sha256": "0" * 64}]}],
    "strict": True,
    "limits": {"max_n": 2},
    "models": {"aliases": {"poster": "gpt-image-2"}},
    "pricing": {"credits_per_usd": 70},
    "cache.enabled": False,
    "cache.scope": "shared",
    "cache.ttl": "1h",
    "evolink.api_key": "${file:/elsewhere/key}",
    "server.admin_token": "${file:/elsewhere/token}",
    "log.prompts": True,
}


def with_setting(path, value):
    config = {"server": {"deadline": "200s"}, "evolink": {"max_tasks": 3}, "cache": {"memory": "1MiB"}, "log": {"level": "warn"}}
    at = config
    *sections, last = path.split(".")
    for section in sections:
        at = at.setdefault(section, {})
    at[last] = value
    return {"config": config}


@pytest.mark.parametrize("path", live_settings())
def test_what_the_running_gateway_takes_over_does_not_restart_it(path):
    without = with_setting("server.deadline", "200s")
    changed = with_setting(path, SAMPLES[path])
    if path == "evolink.api_key":
        for values in (without, changed):
            values["upstream"] = {"existingSecret": ""}
        without["config"]["evolink"]["api_key"] = "${file:/another/key}"
    before, after = render(without), render(changed)
    assert before.config != after.config
    assert before.one("Deployment") == after.one("Deployment")


@pytest.mark.parametrize(("path", "value"), [("server.deadline", "100s"), ("evolink.max_tasks", 4), ("cache.memory", "2MiB")])
def test_what_needs_a_restart_restarts_it(path, value):
    before, after = render(with_setting("server.deadline", "200s")), render(with_setting(path, value))
    annotations = [it.pod["metadata"]["annotations"]["checksum/config"] for it in (before, after)]
    assert annotations[0] != annotations[1]


def test_a_new_version_of_the_chart_alone_does_not_restart_it():
    assert "helm.sh/chart" not in rendered_set(None).pod["metadata"]["labels"]


def test_ingress_annotations_bear_long_requests_and_give_way_to_ones_own():
    annotations = rendered_set("ingress-values.yaml").one("Ingress")["metadata"]["annotations"]
    nginx = "nginx.ingress.kubernetes.io/"
    assert annotations[nginx + "proxy-read-timeout"] == annotations[nginx + "proxy-send-timeout"] == "600"
    assert annotations[nginx + "proxy-buffering"] == "off"
    assert annotations[nginx + "proxy-body-size"] == "128m"
    alb = rendered_set("aws-values.yaml").one("Ingress")["metadata"]["annotations"]
    assert alb["alb.ingress.kubernetes.io/load-balancer-attributes"] == "idle_timeout.timeout_seconds=600"


def test_the_claim_outlives_the_release_unless_it_is_told_not_to():
    assert rendered_set(None).one("PersistentVolumeClaim")["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    claim = rendered_set("everything-values.yaml").one("PersistentVolumeClaim")
    assert "helm.sh/resource-policy" not in claim["metadata"]["annotations"]
    for value_set in ("aws-values.yaml", "ephemeral-values.yaml"):
        assert not rendered_set(value_set).all("PersistentVolumeClaim")


@each_helm
def test_its_package_is_complete_and_has_no_more(by, tmp_path):
    done = run(HELMS[by], "package", CHART, "--destination", tmp_path)
    assert done.returncode == 0, done.stderr
    [package] = tmp_path.iterdir()
    with tarfile.open(package) as archive:
        names = {name.removeprefix("evolink-gateway/") for name in archive.getnames()}
    top = {name for name in names if "/" not in name}
    assert top == {"Chart.yaml", "README.md", "values.yaml", "values.schema.json", ".helmignore"}
    assert {name.split("/")[0] for name in names - top} == {"templates"}
    done = run(HELMS[by], "template", "gw", package)
    assert done.returncode == 0 and rendered(done.stdout).objects == rendered_set(None, by).objects


def test_a_digest_goes_before_the_tag():
    image = rendered_set("aws-values.yaml").container["image"]
    assert image == "registry.example.com/tools/evolink-gateway@sha256:" + "0" * 64


def test_long_names_are_cut_with_room_for_every_suffix():
    rendering = render({"fullnameOverride": "x" * 70, "adminService": {"enabled": True}})
    assert all(len(it["metadata"]["name"]) <= 63 for it in rendering.objects)


def test_a_setting_given_as_null_is_the_default():
    rendering = render({"config": {"server": None, "teams": None}})
    assert rendering.pod["spec"]["terminationGracePeriodSeconds"] == 330


def notes_of(value_set):
    # Helm 3 asks a cluster for this.
    done = helm("helm4", "install", "gw", CHART, "--dry-run=client", value_set=value_set)
    assert done.returncode == 0, done.stderr
    return done.stdout.split("NOTES:")[1]


@each_set
def test_the_notes_name_what_comes_next(value_set):
    notes = notes_of(value_set)
    for command in ("rollout status deployment/", "helm -n default test gw", "key create --team", "/v1/images/generations"):
        assert command in notes


@pytest.mark.parametrize(
    ("value_set", "warning"),
    [
        (None, "no team is configured"),
        ("ephemeral-values.yaml", "persistence is off"),
        ("ephemeral-values.yaml", "config.state.store is memory"),
        ("aws-values.yaml", "the Ingress has no TLS"),
        ("everything-values.yaml", "The admin API answers 403"),
    ],
)
def test_the_notes_warn(value_set, warning):
    assert warning in notes_of(value_set)
    assert warning not in notes_of("teams-values.yaml")


def test_a_key_in_a_variable_is_a_team():
    values = {"extraEnv": [{"name": "EVOLINK_GATEWAY_KEY", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}]}
    done = helm("helm4", "install", "gw", CHART, "--dry-run=client", values=values)
    assert done.returncode == 0 and "no team is configured" not in done.stdout
