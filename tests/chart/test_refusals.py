"""What cannot work is refused, each with a sentence that says what would."""

import pytest

from chart import CHART, HELMS, helm

CHAT = [{"name": "chat", "keys": [{"name": "a", "sha256": "0" * 64}, {"name": "b", "secret": "sk-plain"}]}]

# Combinations: the chart's own sentences.
IMPOSSIBLE = {
    "two gateways on one state": ({"replicaCount": 2}, "replicaCount is 2, but the state is one process's own"),
    "two gateways by another store": (
        {"replicaCount": 3, "config": {"state": {"store": "memory"}}},
        "replicaCount is 3, but the state is one process's own",
    ),
    "no key of an account": ({"upstream": {"existingSecret": ""}}, "No key of an Evolink account: make a Secret"),
    "two keys of an account": (
        {"config": {"evolink": {"api_key": "${ACCOUNT}"}}},
        "upstream.existingSecret and config.evolink.api_key both name the key",
    ),
    "a key of an account written out": (
        {"upstream": {"existingSecret": ""}, "config": {"evolink": {"api_key": "sk-plain"}}},
        "config.evolink.api_key is written out",
    ),
    "a team's key written out": ({"config": {"teams": CHAT}}, "config.teams[0].keys[1].secret is written out"),
    "an admin token written out": (
        {"config": {"server": {"admin_token": "plain"}}},
        "config.server.admin_token is written out",
    ),
    "a signing secret written out": (
        {"config": {"images": {"link_secret": "plain"}}},
        "config.images.link_secret is written out",
    ),
    "a storage secret written out": (
        {"config": {"images": {"s3": {"bucket": "b", "secret_access_key": "plain"}}}},
        "config.images.s3.secret_access_key is written out",
    ),
    "two admin tokens": (
        {"adminToken": {"existingSecret": "a"}, "config": {"server": {"admin_token": "${T}"}}},
        "adminToken.existingSecret and config.server.admin_token both name",
    ),
    "a Secret that is not mounted": (
        {"config": {"teams": [{"name": "a", "keys": [{"name": "k", "secret": "${file:/secrets/teams/a}"}]}]}},
        'no entry of `secrets` has the name "teams"',
    ),
    "a Secret by a taken name": (
        {"secrets": [{"name": "evolink", "existingSecret": "other"}]},
        'secrets: the name "evolink" is taken twice',
    ),
    "an address of one's own": (
        {"config": {"server": {"listen": "0.0.0.0:80"}}},
        "config.server.listen is set by the chart: take it out, and use bindAddress and service.port",
    ),
    "an admin address of one's own": (
        {"config": {"server": {"admin_listen": "0.0.0.0:80"}}},
        "config.server.admin_listen is set by the chart",
    ),
    "a state path of one's own": ({"config": {"state": {"path": "/x"}}}, "config.state.path is set by the chart"),
    "a picture path of one's own": ({"config": {"images": {"path": "/x"}}}, "config.images.path is set by the chart"),
    "a grace period below the drain": (
        {"terminationGracePeriodSeconds": 305},
        "terminationGracePeriodSeconds is 305, but preStopSleepSeconds and config.server.drain take 305",
    ),
    "a grace period below a longer drain": (
        {"terminationGracePeriodSeconds": 600, "config": {"server": {"drain": "10m"}}},
        "terminationGracePeriodSeconds is 600, but preStopSleepSeconds and config.server.drain take 605",
    ),
    "a drain that only the gateway knows": (
        {"config": {"server": {"drain": "${DRAIN}"}}},
        'config.server.drain is "${DRAIN}", which the chart cannot read',
    ),
    "a claim without persistence": (
        {"persistence": {"enabled": False, "existingClaim": "c"}},
        "persistence.existingClaim is set, but persistence.enabled is false",
    ),
    "a node port without a type that has one": ({"service": {"nodePort": 30080}}, "service.nodePort is set, but service.type"),
    "an ingress without host": ({"ingress": {"enabled": True}}, "ingress.enabled is true, but ingress.hosts is empty"),
    "an ingress that cuts waits": (
        {"ingress": {"enabled": True, "hosts": [{"host": "a.example"}], "timeoutSeconds": 60}},
        "ingress.timeoutSeconds is 60, but the gateway may be silent for 285 s",
    ),
}

# Values that are wrong by themselves: the schema, whose words are Helm's. The two majors agree on the path.
WRONG = {
    "an unknown value": ({"replicas": 1}, "replicas"),
    "an unknown value within": ({"image": {"name": "x"}}, "image"),
    "a negative number of gateways": ({"replicaCount": -1}, "replicaCount"),
    "a tag as number": ({"image": {"tag": 1.0}}, "tag"),
    "a digest without algorithm": ({"image": {"digest": "0" * 64}}, "digest"),
    "an unknown pull policy": ({"image": {"pullPolicy": "Sometimes"}}, "pullPolicy"),
    "a port beyond the last": ({"service": {"port": 70000}}, "port"),
    "an unknown type of Service": ({"service": {"type": "ExternalName"}}, "type"),
    "a read-only claim": ({"persistence": {"accessModes": ["ReadOnlyMany"]}}, "accessModes"),
    "a size without number": ({"persistence": {"size": "big"}}, "size"),
    "an unknown controller": ({"ingress": {"controller": "apache"}}, "controller"),
    "a path without slash": ({"ingress": {"hosts": [{"host": "a", "paths": [{"path": "v1"}]}]}}, "path"),
    "a Secret without name": ({"secrets": [{"existingSecret": "x"}]}, "secrets"),
    "a name that is a path": ({"secrets": [{"name": "../etc", "existingSecret": "x"}]}, "secrets"),
    "a host as bind address": ({"bindAddress": "localhost"}, "bindAddress"),
    "an unknown setting": ({"config": {"server": {"deadlin": "5m"}}}, "deadlin"),
    "a setting out of its choice": ({"config": {"state": {"store": "sqlite"}}}, "store"),
    "a duration without unit": ({"config": {"server": {"deadline": 285}}}, "deadline"),
    "a team without name": ({"config": {"teams": [{"keys": []}]}}, "teams"),
}


def refused(by, values):
    done = helm(by, "template", "gw", CHART, values=values)
    assert done.returncode != 0, "it was rendered"
    return done.stderr


@pytest.mark.parametrize("by", HELMS)
@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_what_cannot_work_is_refused_with_a_sentence(case, by):
    values, sentence = IMPOSSIBLE[case]
    assert sentence in refused(by, values)


@pytest.mark.parametrize("by", HELMS)
@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_value_is_refused_by_its_path(case, by):
    values, path = WRONG[case]
    told = refused(by, values)
    assert "don't meet the specifications of the schema" in told
    assert path in told.split("schema(s)", 1)[1]


def test_every_sentence_of_the_chart_is_in_the_table():
    checks = (CHART / "templates" / "_checks.tpl").read_text()
    # One sentence each, but that of settings which are the chart's.
    assert len({sentence for _, sentence in IMPOSSIBLE.values()}) >= checks.count("{{- fail ") > 10
