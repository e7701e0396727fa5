"""Push targets: what is wrong is told before anything is pushed; requests are those of the services' APIs; a push that
failed halfway says what was done, and goes on there when it is run again.

No cloud is met here: each service is a local server that answers as its API documents, or its library's own store.
"""

from __future__ import annotations

import json
from pathlib import Path

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from push_recorder import Recorder

from trueline._core.errors import ArtifactError, ConfigError
from trueline.components import KServe, MlflowRegistry, Pusher, SageMakerEndpoint, VertexEndpoint
from trueline.components.push_targets import Version, push_to_target, ready_target, target_of, target_params
from trueline.components.push_vertex import shared_traffic
from trueline.components.pusher import execute, pushed_versions
from trueline.pipeline import Importer
from trueline.pipeline.artifacts import Model

IMAGE = "registry.example/serving:1.0"
KSERVE = KServe(name="churn", image=IMAGE, service_account="reader", canary_percent=10)
VERTEX = VertexEndpoint(project="my-project", region="europe-west4", endpoint="123", model="churn", image=IMAGE)
SAGEMAKER = SageMakerEndpoint(
    endpoint="churn",
    image="123456789012.dkr.ecr.eu-west-1.amazonaws.com/serving:1.0",
    role_arn="arn:aws:iam::123456789012:role/serving",
    region="eu-west-1",
)
TARGETS = [KSERVE, VERTEX, SAGEMAKER, MlflowRegistry("churn", alias="champion")]
PLACES = {"kserve": "s3://b/churn", "vertex": "gs://b/churn", "sagemaker": "s3://b/churn", "mlflow": "/b/churn"}


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr("trueline.components.push_service.POLL_SECONDS", 0.01)
    for name in ("KUBERNETES_SERVICE_HOST", "KUBERNETES_TOKEN_FILE", "GOOGLE_APPLICATION_CREDENTIALS", "AWS_PROFILE",
                 "CLOUDSDK_AUTH_ACCESS_TOKEN", "MLFLOW_TRACKING_URI", "GOOGLE_OAUTH_ACCESS_TOKEN"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.KIND)
def test_a_target_travels_as_parameters(target):
    params = json.loads(json.dumps(target_params(target, PLACES[target.KIND])))
    assert target_of(params) == target


@pytest.mark.parametrize(
    ("target", "destination", "count"),
    [
        (KServe(name="Churn", image="x:latest", namespace="a_b", max_replicas=0, canary_percent=101), "serving", 6),
        (VertexEndpoint("P", "here", "e_1", "M", "x", min_replicas=3, max_replicas=2, traffic_percent=-1,
                        wait_seconds=0), "s3://b", 9),
        (SageMakerEndpoint("a_b", "serving:1", "role", instances=0, wait_seconds=-1), "gs://b", 6),
        (MlflowRegistry("a'b", alias="v1", experiment=" "), "s3://b", 3),
    ],
    ids=["kserve", "vertex", "sagemaker", "mlflow"],
)  # fmt: skip
def test_all_wrong_settings_are_told_when_the_pusher_is_made(target, destination, count):
    model = Importer(source_uri="m", artifact_type=Model, node_id="M").outputs["result"]
    with pytest.raises(ConfigError) as caught:
        Pusher(model=model, push_destination=destination, target=target)
    assert len(caught.value.problems) == count, caught.value.problems


def test_kinds_and_settings_that_do_not_exist():
    with pytest.raises(ConfigError, match="kserve"):
        target_of({"kind": "kserv"})
    with pytest.raises(ConfigError, match="model"):
        target_of({"kind": "mlflow", "modell": "a"})


@pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.KIND)
def test_without_credentials_nothing_is_asked(target, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "KUBERNETES_API_URL", "KUBERNETES_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "absent"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "absent"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr("trueline.components.push_vertex._default_token", lambda: None)
    with pytest.raises(ConfigError):
        ready_target(target_params(target, PLACES[target.KIND]), PLACES[target.KIND])


# KServe


def kserve_cluster(ready_after=2, refuse=None):
    looks = []

    def respond(method, path, body):
        if refuse is not None and refuse in path:
            return 403, {"kind": "Status", "message": "inferenceservices is forbidden", "code": 403}
        if method == "PATCH":
            return 200, body | {"metadata": body["metadata"] | {"generation": 4}}
        looks.append(1)
        state = "True" if len(looks) >= ready_after else "False"
        conditions = [{"type": "PredictorReady", "status": "True"}, {"type": "Ready", "status": state}]
        status = {"url": "http://churn.example", "observedGeneration": 4, "conditions": conditions}
        return 200, {"metadata": {"generation": 4}, "status": status}

    return respond


def cluster_variables(monkeypatch, url):
    monkeypatch.setenv("KUBERNETES_API_URL", url)
    monkeypatch.setenv("KUBERNETES_TOKEN", "kube-secret")


def test_kserve_gets_one_apply_after_a_dry_run(artifact, context, monkeypatch):
    model = artifact("Model", {"model.onnx": b"graph"}, 1)
    fsspec.filesystem("memory").store.clear()
    service = KServe(
        name="churn", image=IMAGE, service_account="reader", canary_percent=10, storage_uri="pvc://c/churn"
    )
    with Recorder(kserve_cluster()) as cluster:
        cluster_variables(monkeypatch, cluster.url)
        destination = "memory://serving/churn"
        params = {"push_destination": destination, "needs": [], "target": target_params(service, destination)}
        ctx = context(params, {"model": [model], "model_blessing": [], "infra_blessing": []},
                      {"pushed_model": "PushedModel"})  # fmt: skip
        execute(ctx)
    (version,) = pushed_versions(destination)
    dry, applied = cluster.changes()
    path = "/apis/serving.kserve.io/v1beta1/namespaces/default/inferenceservices/churn?fieldManager=trueline&force=true"
    assert (dry[1], applied[1]) == (f"{path}&dryRun=All", path)
    assert applied[2] == {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": "churn", "namespace": "default", "labels": {"app.kubernetes.io/managed-by": "trueline"}},
        "spec": {
            "predictor": {
                "minReplicas": 1,
                "maxReplicas": 3,
                "serviceAccountName": "reader",
                "canaryTrafficPercent": 10,
                "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "fsGroup": 10001},
                "containers": [
                    {
                        "name": "kserve-container",
                        "image": IMAGE,
                        "env": [
                            {"name": "STORAGE_URI", "value": f"pvc://c/churn/{version}"},
                            {"name": "TRUELINE_MODEL_DIR", "value": "/mnt/models"},
                            {"name": "TRUELINE_MODEL_NAME", "value": "churn"},
                            {"name": "TRUELINE_MODEL_VERSION", "value": str(version)},
                        ],
                        "ports": [{"containerPort": 8080, "protocol": "TCP"}],
                        "readinessProbe": {"httpGet": {"path": "/readyz", "port": 8080}, "periodSeconds": 2},
                        "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "1Gi"}},
                    }
                ],
            }
        },
    }
    sent = cluster.headers[0]
    assert (sent["authorization"], sent["content-type"]) == ("Bearer kube-secret", "application/apply-patch+yaml")
    record = json.loads(Path(ctx.outputs["pushed_model"].path("pushed.json")).read_text())
    assert record["target"] == {
        "kind": "kserve",
        "namespace": "default",
        "name": "churn",
        "storage_uri": f"pvc://c/churn/{version}",
        "url": "http://churn.example",
    }
    assert ctx.outputs["pushed_model"].properties["pushed_target"] == "kserve"
    assert "kube-secret" not in json.dumps(record)


def test_a_service_that_would_not_take_it_keeps_everything_as_it_was(artifact, context, monkeypatch):
    model = artifact("Model", {"model.onnx": b"graph"}, 1)
    fsspec.filesystem("memory").store.clear()
    service = KServe(name="churn", image=IMAGE, storage_uri="pvc://c/churn")
    params = {"push_destination": "memory://none", "needs": [], "target": target_params(service, "memory://none")}
    ctx = context(params, {"model": [model], "model_blessing": [], "infra_blessing": []},
                  {"pushed_model": "PushedModel"})  # fmt: skip
    with Recorder(kserve_cluster(refuse="dryRun")) as cluster:
        cluster_variables(monkeypatch, cluster.url)
        with pytest.raises(ArtifactError, match=r"nothing was pushed.*forbidden") as caught:
            execute(ctx)
    assert "kube-secret" not in str(caught.value)
    assert pushed_versions("memory://none") == []
    assert "pushed" not in ctx.outputs["pushed_model"].properties


def test_kserve_that_is_never_ready_says_what_was_done(monkeypatch):
    service = KServe(name="churn", image=IMAGE, wait_seconds=0.05)
    with Recorder(kserve_cluster(ready_after=10_000)) as cluster:
        cluster_variables(monkeypatch, cluster.url)
        with pytest.raises(ArtifactError, match="not complete") as caught:
            push_to_target(service, Version("s3://b/churn/7", 7, "f"))
    assert list(caught.value.problems) == [
        "done: version 7 stands at s3://b/churn/7",
        "done: the InferenceService default/churn asks for version 7",
    ]


@pytest.mark.parametrize("url", ["http://cluster.example", "ftp://x", ""])
def test_credentials_never_go_out_unencrypted(url, monkeypatch):
    cluster_variables(monkeypatch, url)
    with pytest.raises(ConfigError, match="https"):
        ready_target(target_params(KSERVE, "s3://b"), "s3://b")


def test_a_redirect_takes_no_credentials_along(monkeypatch):
    with Recorder(lambda *_: (200, {})) as other, Recorder(lambda *_: (302, {"message": "elsewhere"})) as cluster:
        cluster_variables(monkeypatch, cluster.url)
        with pytest.raises(ArtifactError, match="302"):
            ready_target(target_params(KSERVE, "s3://b"), "s3://b")
    assert other.asked == []


# Vertex AI


class Vertex:
    """The registry and the endpoint of one project, in memory."""

    root = "/v1/projects/my-project/locations/europe-west4"

    def __init__(self, fail=None):
        self.models, self.fail, self.running = [], fail, {}
        self.endpoint = {"deployedModels": [{"id": "11", "displayName": "churn-6"}], "trafficSplit": {"11": 100}}

    def __call__(self, method, path, body):
        place = path.removeprefix(self.root)
        if method == "GET" and place.startswith("/operations/"):
            done = self.running.pop(place, None)
            return (200, {"name": place}) if done is None else (200, done)
        if method == "GET" and place == "/endpoints/123":
            return 200, self.endpoint
        if method == "GET":
            found = self.models if "@" not in place else [m for m in self.models if place.endswith("@" + m)]
            return (200, {"versionId": "1"}) if found else (404, {"error": {"message": "not found"}})
        verb = place.rpartition(":")[2]
        name = f"projects/my-project/locations/europe-west4/operations/{verb}"
        if self.fail == verb:
            self.running["/operations/" + verb] = {"done": True, "error": {"message": "no quota for n1-standard-2"}}
            return 200, {"name": name}
        return 200, {"name": name, "done": True, "response": getattr(self, verb)(body)}

    def upload(self, body):
        self.models.append(body["model"]["versionAliases"][0])
        return {"model": "projects/9/locations/europe-west4/models/churn", "modelVersionId": str(len(self.models))}

    def deployModel(self, body):
        new = {"id": "12", "displayName": body["deployedModel"]["displayName"]}
        self.endpoint["deployedModels"].append(new)
        split = dict(body["trafficSplit"])
        self.endpoint["trafficSplit"] = {"12": split.pop("0"), **split}
        return {}

    def undeployModel(self, body):
        kept = [d for d in self.endpoint["deployedModels"] if d["id"] != body["deployedModelId"]]
        self.endpoint["deployedModels"] = kept
        return {}


def vertex_variables(monkeypatch, url):
    monkeypatch.setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM", url)
    monkeypatch.setenv("GOOGLE_OAUTH_ACCESS_TOKEN", "google-secret")


SEVEN = ("gs://b/churn/7", 7, "sha256-AB")


def test_vertex_uploads_deploys_and_takes_the_old_one_away(monkeypatch):
    cloud = Vertex()
    with Recorder(cloud) as service:
        vertex_variables(monkeypatch, service.url)
        ready_target(target_params(VERTEX, "gs://b/churn"), "gs://b/churn")
        assert service.changes() == []
        facts = push_to_target(VERTEX, Version(*SEVEN))
        upload, deploy, undeploy = service.changes()
        again = push_to_target(VERTEX, Version(*SEVEN))
        assert len(service.changes()) == 3
        push_to_target(VERTEX, Version("gs://b/churn/8", 8, "f"))
    name = "projects/9/locations/europe-west4/models/churn@1"
    assert upload == (
        "POST",
        f"{Vertex.root}/models:upload",
        {
            "modelId": "churn",
            "model": {
                "displayName": "churn",
                "versionAliases": ["v-7"],
                "artifactUri": "gs://b/churn/7",
                "labels": {"trueline-fingerprint": "sha256-ab"},
                "containerSpec": {
                    "imageUri": IMAGE,
                    "ports": [{"containerPort": 8501}],
                    "predictRoute": "/v1/models/churn:predict",
                    "healthRoute": "/readyz",
                    "env": [
                        {"name": "TRUELINE_MODEL_NAME", "value": "churn"},
                        {"name": "TRUELINE_MODEL_VERSION", "value": "7"},
                    ],
                },
            },
        },
    )
    resources = {"machineSpec": {"machineType": "n1-standard-2"}, "minReplicaCount": 1, "maxReplicaCount": 3}
    deployed = {"model": name, "displayName": "churn-7", "dedicatedResources": resources}
    assert deploy == (
        "POST",
        f"{Vertex.root}/endpoints/123:deployModel",
        {"deployedModel": deployed, "trafficSplit": {"0": 100}},
    )
    assert undeploy == ("POST", f"{Vertex.root}/endpoints/123:undeployModel", {"deployedModelId": "11"})
    assert facts["model"] == name
    assert facts["deployed"] == again["deployed"] == "churn-7"
    assert service.changes()[3][2]["parentModel"].endswith("/models/churn")
    assert {h["authorization"] for h in service.headers} == {"Bearer google-secret"}


def test_vertex_that_cannot_deploy_says_so_and_goes_on_later(monkeypatch):
    cloud = Vertex(fail="deployModel")
    with Recorder(cloud) as service:
        vertex_variables(monkeypatch, service.url)
        with pytest.raises(ArtifactError, match="no quota") as caught:
            push_to_target(VERTEX, Version(*SEVEN))
        assert "is in the registry" in caught.value.problems[1]
        assert len(caught.value.problems) == 2
        assert "google-secret" not in str(caught.value)
        cloud.fail = None
        push_to_target(VERTEX, Version(*SEVEN))
    assert [one[1].rpartition(":")[2] for one in service.changes()] == [
        "upload", "deployModel", "deployModel", "undeployModel",
    ]  # fmt: skip


def test_an_endpoint_that_is_not_there(monkeypatch):
    with Recorder(lambda *_: (404, {"error": {"message": "no"}})) as service:
        vertex_variables(monkeypatch, service.url)
        with pytest.raises(ArtifactError, match="nothing was pushed: there is no endpoint"):
            ready_target(target_params(VERTEX, "gs://b"), "gs://b")


@given(st.dictionaries(st.sampled_from("abcde"), st.integers(0, 100), max_size=5), st.integers(0, 100))
def test_traffic_adds_up_to_100_and_keeps_its_proportions(others, percent):
    split = shared_traffic(others, percent)
    assert sum(split.values()) == 100
    assert min(split.values()) > 0
    total = sum(others.values())
    if total:
        assert split.get("0", 0) == percent
        for name, share in others.items():
            assert abs(split.get(name, 0) - (100 - percent) * share / total) < 1


# Amazon SageMaker


class SageMaker:
    """Models, configurations and endpoints in memory; `stuck` keeps the old configuration after an update."""

    def __init__(self, stuck=False):
        self.models, self.configs, self.endpoints, self.stuck = {}, {}, {}, stuck
        self.calls = []

    def respond(self, action, body):
        self.calls.append((action, body))
        verb, _, kind = action.partition("|")
        table, key = {"Model": (self.models, "ModelName"), "EndpointConfig": (self.configs, "EndpointConfigName"),
                      "Endpoint": (self.endpoints, "EndpointName")}[kind]  # fmt: skip
        name = body[key]
        if verb == "Describe":
            if name not in table:
                return 400, {"__type": "ValidationException", "message": f'Could not find {kind} "{name}".'}
            return 200, table[name]
        kept = table.get(name, {}).get("EndpointConfigName") if verb == "Update" and self.stuck else None
        status = {"EndpointStatus": "InService"} if kind == "Endpoint" else {}
        table[name] = {**body, **status, **({"EndpointConfigName": kept} if kept else {})}
        return 200, {f"{kind}Arn": f"arn:aws:sagemaker:eu-west-1:123456789012:{kind.lower()}/{name}"}


@pytest.fixture
def sagemaker(monkeypatch):
    cloud = SageMaker()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "aws-secret")

    def respond(method, path, body):
        action = recorder.headers[-1]["x-amz-target"].removeprefix("SageMaker.")
        for verb in ("Describe", "Create", "Update"):
            if action.startswith(verb):
                return cloud.respond(f"{verb}|{action.removeprefix(verb)}", body)
        raise AssertionError(action)

    with Recorder(respond) as recorder:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", recorder.url)
        yield cloud


def test_sagemaker_makes_model_and_configuration_and_moves_the_endpoint(sagemaker):
    """botocore checks each request against Amazon's own description of the API before it sends it."""
    ready_target(target_params(SAGEMAKER, "s3://b/churn"), "s3://b/churn")
    facts = push_to_target(SAGEMAKER, Version("s3://b/churn/7", 7, "f"))
    made = [(action, body) for action, body in sagemaker.calls if not action.startswith("Describe")]
    assert made == [
        (
            "Create|Model",
            {
                "ModelName": "churn-7",
                "ExecutionRoleArn": SAGEMAKER.role_arn,
                "PrimaryContainer": {
                    "Image": SAGEMAKER.image,
                    "ModelDataSource": {
                        "S3DataSource": {
                            "S3Uri": "s3://b/churn/7/",
                            "S3DataType": "S3Prefix",
                            "CompressionType": "None",
                        }
                    },
                    "Environment": {"TRUELINE_MODEL_NAME": "churn", "TRUELINE_MODEL_VERSION": "7"},
                },
            },
        ),
        (
            "Create|EndpointConfig",
            {
                "EndpointConfigName": "churn-7",
                "ProductionVariants": [
                    {
                        "VariantName": "all",
                        "ModelName": "churn-7",
                        "InstanceType": "ml.m5.large",
                        "InitialInstanceCount": 1,
                    }
                ],
            },
        ),
        ("Create|Endpoint", {"EndpointName": "churn", "EndpointConfigName": "churn-7"}),
    ]
    assert facts == {"kind": "sagemaker", "endpoint": "churn", "model": "churn-7", "endpoint_config": "churn-7"}
    push_to_target(SAGEMAKER, Version("s3://b/churn/7", 7, "f"))
    push_to_target(SAGEMAKER, Version("s3://b/churn/8", 8, "f"))
    later = [action for action, _ in sagemaker.calls if not action.startswith("Describe")][3:]
    assert later == ["Create|Model", "Create|EndpointConfig", "Update|Endpoint"]


def test_sagemaker_that_goes_back_is_a_push_that_failed(sagemaker):
    push_to_target(SAGEMAKER, Version("s3://b/churn/7", 7, "f"))
    sagemaker.stuck = True
    with pytest.raises(ArtifactError, match="went back to churn-7") as caught:
        push_to_target(SAGEMAKER, Version("s3://b/churn/8", 8, "f"))
    assert len(caught.value.problems) == 4
    assert "aws-secret" not in str(caught.value)
    sagemaker.endpoints["churn"]["EndpointStatus"] = "Updating"
    with pytest.raises(ArtifactError, match="takes no version now"):
        ready_target(target_params(SAGEMAKER, "s3://b"), "s3://b")


# MLflow


@pytest.fixture
def mlflow_store(tmp_path, monkeypatch):
    """MLflow's own store, in a database."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.chdir(tmp_path)
    from mlflow.tracking import MlflowClient

    return MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")


@pytest.mark.slow  # MLflow makes its tables first
@pytest.mark.filterwarnings("ignore")
def test_mlflow_registers_the_folder_once_and_moves_the_alias(artifact, mlflow_store, tmp_path, monkeypatch):
    model = artifact("Model", {"model.onnx": b"graph", "native/trees.json": b"[]"}, 1)
    registry = MlflowRegistry("churn", alias="champion", experiment="lines")
    ready_target(target_params(registry, "/serving"), "/serving")
    assert mlflow_store.search_registered_models() == []
    facts = push_to_target(registry, Version(model.uri, 7, "f7"))
    assert facts == {"kind": "mlflow", "model": "churn", "model_version": "1", "alias": "champion"}
    assert push_to_target(registry, Version(model.uri, 7, "f7"))["model_version"] == "1"
    found = mlflow_store.get_model_version("churn", "1")
    assert found.tags == {"trueline.fingerprint": "f7", "trueline.version": "7"}
    place = tmp_path / "read"
    place.mkdir()
    folder = Path(mlflow_store.download_artifacts(found.run_id, "model", str(place)))
    assert (folder / "model.onnx").read_bytes() == b"graph"
    assert (folder / "native" / "trees.json").read_bytes() == b"[]"
    assert found.source.endswith("/model")
    assert mlflow_store.get_run(found.run_id).info.status == "FINISHED"
    assert push_to_target(registry, Version(model.uri, 8, "f8"))["model_version"] == "2"
    assert mlflow_store.get_model_version_by_alias("churn", "champion").version in (2, "2")

    def broken(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr("mlflow.tracking.MlflowClient.log_artifacts", broken)
    with pytest.raises(ArtifactError, match="while the files were sent") as caught:
        push_to_target(registry, Version(model.uri, 9, "f9"))
    assert "sqlite" not in str(caught.value)
    assert len(mlflow_store.search_model_versions("name='churn'")) == 2
