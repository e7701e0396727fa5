"""Manifests are valid Kubernetes, start the real server with arguments that it takes, and say all problems at once."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from trueline._core.errors import ConfigError
from trueline.cli import main
from trueline.deploy import KubernetesOptions, manifests, yaml_text
from trueline.deploy.container import models_toml
from trueline.serving.command import asked
from trueline.serving.config import AllVersions, Latest, ModelConfig, ServerConfig, Specific
from trueline.serving.config_file import read_config_file

KUBERNETES = json.loads((Path(__file__).parent / "kubernetes_objects.json").read_text())
TEXT = {"type": "string", "minLength": 1}
POD_MONITOR = {
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "additionalProperties": False,
    "properties": {
        "apiVersion": {"const": "monitoring.coreos.com/v1"},
        "kind": {"const": "PodMonitor"},
        "metadata": {"$ref": "#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"},
        "spec": {
            "type": "object",
            "required": ["podMetricsEndpoints", "selector"],
            "additionalProperties": False,
            "properties": {
                "selector": {"$ref": "#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector"},
                "podMetricsEndpoints": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {
                            "port": TEXT,
                            "path": TEXT,
                            "interval": {"type": "string", "pattern": "^[0-9]+(s|m)$"},
                            "scheme": {"enum": ["http", "https"]},
                            "tlsConfig": {"type": "object", "properties": {"insecureSkipVerify": {"type": "boolean"}}},
                        },
                    },
                },
            },
        },
    },
}
"""The fields of the operator's own type that are used, by its API reference."""

CONFIG = ServerConfig((ModelConfig("churn", "s3://bucket/churn"),))
FULL = {
    "namespace": "models",
    "claim": "models",
    "service_account": "reader",
    "environment_secret": "store-keys",
    "tls_secret": "serving-tls",
    "api_keys_secret": "serving-keys",
    "ingress_host": "models.example",
    "ingress_class": "nginx",
    "ingress_tls_secret": "models-tls",
}


def check(documents):
    """Holds every object to the schema of its kind; unknown fields are errors."""
    for document in documents:
        if document["kind"] == "PodMonitor":
            schema = {**POD_MONITOR, "$defs": KUBERNETES["$defs"]}
        else:
            schema = {"$ref": f"#/$defs/{KUBERNETES['kinds'][document['kind']]}", "$defs": KUBERNETES["$defs"]}
        jsonschema.Draft202012Validator(schema).validate(document)


def made(config=CONFIG, **settings):
    options = KubernetesOptions(**({"name": "churn", "image": "registry.example/serving:1.0"} | settings))
    return {document["kind"]: document for document in manifests(config, options)}


@pytest.mark.parametrize("given_settings", [{}, FULL, {"max_replicas": 2}, {"min_replicas": 1, "max_replicas": 1}])
def test_the_objects_are_valid_and_belong_together(given_settings):
    found = made(**given_settings)
    check(found.values())
    single, fixed = given_settings.get("max_replicas") == 1, "max_replicas" in given_settings
    assert ("HorizontalPodAutoscaler" in found, "PodDisruptionBudget" in found) == (not fixed, not single)
    assert ("replicas" in found["Deployment"]["spec"]) == fixed
    pods = found["Deployment"]["spec"]["template"]
    for kind, path in (("Service", "selector"), ("PodMonitor", "selector.matchLabels")):
        selector = found[kind]["spec"]
        for part in path.split("."):
            selector = selector[part]
        assert selector.items() <= pods["metadata"]["labels"].items()
    volumes = {volume["name"] for volume in pods["spec"]["volumes"]}
    (server,) = pods["spec"]["containers"]
    assert {mount["name"] for mount in server["volumeMounts"]} == volumes
    assert pods["spec"]["volumes"][0]["configMap"]["name"] == found["ConfigMap"]["metadata"]["name"]


def test_the_schema_check_finds_what_is_wrong():
    """So that a check which passes means something."""
    for path, value in (("replicas", "three"), ("replica", 3), ("template", None)):
        document = made(min_replicas=3, max_replicas=3)["Deployment"]
        document["spec"][path] = value
        if value is None:
            del document["spec"][path]
        with pytest.raises(jsonschema.ValidationError):
            check([document])
    document = made()["Deployment"]
    document["spec"]["template"]["spec"]["containers"][0]["readinessProbe"]["httpGet"]["url"] = "/readyz"
    with pytest.raises(jsonschema.ValidationError):
        check([document])


def test_pods_have_no_rights_and_time_to_drain():
    pod = made(drain_delay=5, drain_seconds=20)["Deployment"]["spec"]["template"]["spec"]
    (server,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert server["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["terminationGracePeriodSeconds"] > 25
    assert (server["readinessProbe"]["httpGet"]["path"], server["livenessProbe"]["httpGet"]["path"]) == (
        "/readyz",
        "/healthz",
    )


@pytest.mark.parametrize("chosen", [{}, FULL, {"grpc": False}])
def test_the_server_takes_these_arguments_and_this_configuration(chosen, tmp_path):
    found = made(**chosen)
    (server,) = found["Deployment"]["spec"]["template"]["spec"]["containers"]
    file = tmp_path / "models.toml"
    file.write_text(found["ConfigMap"]["data"]["models.toml"])
    arguments = [str(file) if a == "/etc/trueline/models.toml" else a for a in server["args"]]
    wish = asked(arguments, {})
    assert wish.notes == ()
    assert wish.models.models == CONFIG.models
    ports = {port["name"]: port["containerPort"] for port in server["ports"]}
    assert (wish.place.port, wish.place.grpc_port) == (ports["http"], ports.get("grpc"))
    assert (wish.place.drain_delay, wish.options.drain_seconds) == (10, 30)
    assert (wish.front.tls_cert is None) == (chosen is not FULL)
    mounts = [m["mountPath"] for m in server["volumeMounts"]]
    for path in filter(None, (wish.front.tls_cert, wish.front.tls_key, wish.front.api_keys_file)):
        assert path.rsplit("/", 1)[0] in mounts


def test_all_problems_at_once():
    config = ServerConfig((ModelConfig("a", "serving/a"), ModelConfig("b", "/models/../b")))
    options = KubernetesOptions(
        name="Churn", image="serving:latest", namespace="a_b", min_replicas=3, max_replicas=2, cpu="much",
        target_cpu=0, drain_delay=-1, ingress_class="nginx",
    )  # fmt: skip
    with pytest.raises(ConfigError) as caught:
        manifests(config, options)
    told = "\n".join(caught.value.problems)
    for part in ("name 'Churn'", "does not move", "namespace 'a_b'", "min <= max", "cpu 'much'", "target_cpu",
                 "drain_delay", "ingress_host", "model 'a'", "name its claim", "leaves its folder"):  # fmt: skip
        assert part in told, part


NAMES = st.text(st.characters(blacklist_characters="/:", blacklist_categories=("Cs",)), min_size=1, max_size=8)
POLICIES = st.one_of(
    st.builds(Latest, st.integers(1, 5)), st.just(AllVersions()), st.builds(lambda v: Specific((v,)), st.integers(1, 9))
)


@settings(max_examples=30)
@given(st.dictionaries(NAMES, st.tuples(POLICIES, st.dictionaries(NAMES, st.integers(1, 9), max_size=2)), min_size=1,
                       max_size=3))  # fmt: skip
def test_the_servers_file_says_what_the_configuration_says(tmp_path_factory, models):
    config = ServerConfig(
        tuple(ModelConfig(name, f"s3://b/{i}", *rest) for i, (name, rest) in enumerate(models.items()))
    )
    file = tmp_path_factory.getbasetemp() / "written.toml"
    file.write_text(models_toml(config), encoding="utf-8", newline="\n")
    assert read_config_file(str(file)) == config


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
WORDS = """yes|no|1|1e3|0x1|1_0|~|null|2026-01-01|a: b|- a|a\n|a\nb\n|<<|=|1:30|.5|a #b|%a|a\n  b\n|| a|a |off|a:b"""
LIKE_OTHERS = st.sampled_from(WORDS.split("|"))
TREES = st.recursive(
    SCALARS | LIKE_OTHERS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(LIKE_OTHERS | st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=60)
@given(st.lists(st.dictionaries(st.text(max_size=5), TREES, min_size=1, max_size=3), min_size=1, max_size=2))
def test_yaml_reads_back_as_what_was_written(documents):
    assert list(yaml.safe_load_all(yaml_text(documents))) == documents


def test_the_command_writes_the_file(tmp_path, capsys):
    out = tmp_path / "serving.yaml"
    command = ["deploy", "k8s", "--name", "churn", "--image", "r.example/s:1", "--model", "churn=s3://b/churn"]
    assert main([*command, "-o", str(out)]) == 0
    assert capsys.readouterr().out == f"Wrote {out}: 6 objects\n"
    documents = list(yaml.safe_load_all(out.read_text()))
    check(documents)
    assert {d["kind"]: d for d in documents} == made(
        ServerConfig((ModelConfig("churn", "s3://b/churn"),)), image="r.example/s:1"
    )
    assert main(command) == 0
    assert capsys.readouterr().out == out.read_text()
    assert main(["deploy", "k8s", "--name", "a", "--image", "r/s:1"]) != 0
