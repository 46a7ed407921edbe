"""Manifests are valid by the schemas of their kinds, and give pods the time and the variables they need."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from fanout.aws.kubernetes import Cluster, WorkQueue, label, longest, node_manifests, worker_manifests
from fanout.pipeline.model import EntryTask, ParallelStep, Pipeline, RetrySettings

KUBERNETES = "1.33"  # the oldest that is proved; newer ones keep what these kinds have
CRDS = Path(__file__).parents[3] / ".servers" / "keda"
STEP = ParallelStep(name="score", task=EntryTask("s.py"), input_data="x", retry_settings=RetrySettings(timeout=299.5))
PIPELINE = Pipeline("/p.yml", None, (STEP, replace(STEP, name="short", retry_settings=RetrySettings(timeout=10))))
CLUSTER = Cluster("registry/fanout:1", {"FANOUT_STORE": 's3://b/"quoted": $HOME'}, workers=7, memory=4096)
QUEUE = WorkQueue("https://sqs.eu-central-1.amazonaws.com/1/fanout-d-work", "eu-central-1")


def documents(text: str) -> dict[str, Any]:
    return {one["kind"]: one for one in yaml.safe_load_all(text)}


@pytest.fixture
def workers() -> dict[str, Any]:
    return documents(worker_manifests("d", PIPELINE, QUEUE, CLUSTER))


@pytest.fixture
def nodes() -> dict[str, Any]:
    return documents(node_manifests("brave_lake_1", "score", PIPELINE, CLUSTER, "default"))


def test_kinds_of_kubernetes_are_valid(workers: dict[str, Any], nodes: dict[str, Any]) -> None:
    """By the schemas of Kubernetes itself, in which unknown keys are errors."""
    kinds = (workers["ServiceAccount"], workers["Deployment"], workers["NetworkPolicy"])
    for one in (*kinds, nodes["Job"], nodes["NetworkPolicy"]):
        kubernetes_validate.validate(one, KUBERNETES, strict=True)


def test_kinds_of_keda_are_valid(workers: dict[str, Any]) -> None:
    """By the definitions that KEDA installs in a cluster."""
    if not CRDS.is_dir():
        why = "KEDA's schemas are not here; run: make keda"
        pytest.fail(why) if os.environ.get("CI") or os.environ.get("FANOUT_REQUIRE_SERVERS") else pytest.skip(why)
    for kind in ("ScaledObject", "TriggerAuthentication"):
        [crd] = yaml.safe_load_all((CRDS / f"keda.sh_{kind.lower()}s.yaml").read_text())
        [schema] = [one["schema"]["openAPIV3Schema"] for one in crd["spec"]["versions"] if one["name"] == "v1alpha1"]
        jsonschema.validate(workers[kind], _closed(schema))
        assert workers[kind]["apiVersion"] == "keda.sh/v1alpha1"


def _closed(schema: Any) -> Any:
    """The schema with unknown keys as errors, as an API server drops them in silence."""
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object" and schema["properties"]:
        closed.setdefault("additionalProperties", False)
    if closed.get("properties", {}).keys() >= {"metadata", "spec"}:
        closed["properties"]["metadata"] = {"type": "object"}
    return closed


def test_grace_is_longer_than_what_runs(workers: dict[str, Any], nodes: dict[str, Any]) -> None:
    """A pod that is asked to leave may finish: a mini-batch of the step, or a batch of deliveries."""
    job = nodes["Job"]["spec"]["template"]["spec"]
    assert job["terminationGracePeriodSeconds"] == longest(PIPELINE, "score") + 60 == 360
    pod = workers["Deployment"]["spec"]["template"]["spec"]
    environ = {one["name"]: one["value"] for one in pod["containers"][0]["env"]}
    # A worker starts nothing in the second half of a batch's time.
    assert int(environ["FANOUT_WORKER_SECONDS"]) >= 2 * longest(PIPELINE)
    assert pod["terminationGracePeriodSeconds"] > int(environ["FANOUT_WORKER_SECONDS"])
    assert workers["ScaledObject"]["spec"]["cooldownPeriod"] > int(environ["FANOUT_WORKER_SECONDS"])


@pytest.mark.parametrize("found", ["workers", "nodes"])
def test_pods_are_bounded_in_all_they_take(found: str, request: pytest.FixtureRequest) -> None:
    """Processors, memory and disk; what lies in /tmp counts."""
    manifests = request.getfixturevalue(found)
    pod = manifests["Deployment" if found == "workers" else "Job"]["spec"]["template"]["spec"]
    [container] = pod["containers"]
    limits = container["resources"]["limits"]
    assert limits == {"cpu": "2", "memory": "4096Mi", "ephemeral-storage": "11264Mi"}
    assert container["resources"]["requests"].keys() == limits.keys()
    assert pod["volumes"] == [{"name": "scratch", "emptyDir": {"sizeLimit": "10240Mi"}}]


def test_processors_are_those_of_the_step_with_most_slots() -> None:
    """A slot each; of a Job for one step those of that step."""
    wide = replace(STEP, name="wide", max_concurrency_per_instance=8)
    pipeline = replace(PIPELINE, steps=(*PIPELINE.steps, wide))
    for step, processors in ((None, "8"), ("wide", "8"), ("score", "2")):
        job = documents(node_manifests("r", step, pipeline, CLUSTER, "default"))["Job"]
        assert job["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"] == processors


@pytest.mark.parametrize("found", ["workers", "nodes"])
def test_nobody_connects_to_pods_and_they_reach_what_they_need(found: str, request: pytest.FixtureRequest) -> None:
    """Names, S3 and SQS by HTTPS, the agent with their credentials; not the metadata of their machine."""
    manifests = request.getfixturevalue(found)
    policy = manifests["NetworkPolicy"]["spec"]
    pods = manifests["Deployment" if found == "workers" else "Job"]["spec"]["template"]["metadata"]["labels"]
    assert policy["podSelector"]["matchLabels"] == pods
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in policy
    [names, servers, agent] = policy["egress"]
    assert {one["port"] for one in names["ports"]} == {53}
    assert {one["port"] for one in servers["ports"]} == {443}
    assert "169.254.169.254/32" in servers["to"][0]["ipBlock"]["except"]
    assert agent["ports"] == [{"protocol": "TCP", "port": 80}]


def test_servers_on_other_ports_are_reached() -> None:
    """As the endpoints say."""
    cluster = replace(CLUSTER, endpoints=("http://minio:9000", "http://sqs.local", "https://s3.local"))
    policy = documents(node_manifests("r", None, PIPELINE, cluster, "default"))["NetworkPolicy"]["spec"]
    assert [one["port"] for one in policy["egress"][1]["ports"]] == [80, 443, 9000]


def test_values_are_put_in_as_they_are(workers: dict[str, Any], nodes: dict[str, Any]) -> None:
    """Whatever they look like in YAML."""
    [container] = nodes["Job"]["spec"]["template"]["spec"]["containers"]
    assert container["env"] == [{"name": "FANOUT_STORE", "value": 's3://b/"quoted": $HOME'}]
    assert container["command"] == ["fanout", "node", "brave_lake_1", "--step", "score"]
    scaled = workers["ScaledObject"]["spec"]
    assert scaled["scaleTargetRef"]["name"] == workers["Deployment"]["metadata"]["name"]
    assert scaled["maxReplicaCount"] == nodes["Job"]["spec"]["parallelism"] == 7
    assert scaled["triggers"][0]["metadata"]["queueURL"] == QUEUE.url


@pytest.mark.parametrize(("name", "plain"), [("fanout-d", "fanout-d"), ("brave_lake", "brave-lake-"), ("x" * 99, "x")])
def test_names_are_those_that_kubernetes_takes(name: str, plain: str) -> None:
    """Lower case and short; names that would fall together stay apart."""
    found = label(name)
    assert found.startswith(plain)
    assert len(found) <= 52
    assert found != label(f"{name}_")
