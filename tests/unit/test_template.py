"""infra/template.yml is valid, and gives each function what handlers/README.md says, and nothing else."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "infra" / "template.yml"
FUNCTIONS = ("Planner", "Worker", "Supervisor", "Reducer")


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms, each as a mapping of its name."""


def _short_form(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        return {suffix: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {suffix: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {suffix: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _short_form)


@pytest.fixture(scope="module")
def resources() -> dict[str, Any]:
    found: dict[str, Any] = yaml.load(TEMPLATE.read_text(), _Loader)["Resources"]  # noqa: S506 - a safe loader
    return found


def test_cfn_lint_finds_nothing() -> None:
    """AWS's own linter, warnings included."""
    linter = Path(sys.executable).with_name("cfn-lint")
    ended = subprocess.run([linter, "--non-zero-exit-code", "informational", TEMPLATE], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_queues_are_encrypted_and_end_somewhere(resources: dict[str, Any]) -> None:
    """Keys of SQS; what fails again and again goes to a dead-letter queue; nothing is lost within two weeks."""
    queues = {name: one["Properties"] for name, one in resources.items() if one["Type"] == "AWS::SQS::Queue"}
    assert len(queues) == 6
    for name, queue in queues.items():
        assert queue["SqsManagedSseEnabled"] == {"If": ["HasKey", {"Ref": "AWS::NoValue"}, True]}
        assert queue["KmsMasterKeyId"] == {"If": ["HasKey", {"Ref": "KmsKey"}, {"Ref": "AWS::NoValue"}]}
        assert queue["MessageRetentionPeriod"] == 14 * 24 * 3600
        assert ("RedrivePolicy" in queue) == (name not in ("DeadQueue", "UndeliveredQueue"))


def test_event_sources_answer_for_each_message_and_are_bounded(resources: dict[str, Any]) -> None:
    """One bad message does not bring its neighbours back, and a flood does not use up the account."""
    for name, batch in {"Planner": {"Ref": "EventBatch"}, "Worker": 10, "Supervisor": 1, "Reducer": 1}.items():
        source = resources[f"{name}Source"]["Properties"]
        assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert "MaximumConcurrency" in source["ScalingConfig"]
        assert source["BatchSize"] == batch


def test_a_queue_hides_what_its_function_may_still_be_doing(resources: dict[str, Any]) -> None:
    """The visibility is the function's time limit."""
    for name in FUNCTIONS:
        queue = resources[f"{name}Source"]["Properties"]["EventSourceArn"]["GetAtt"].partition(".")[0]
        visibility = resources[queue]["Properties"]["VisibilityTimeout"]
        assert visibility == resources[name]["Properties"]["Timeout"]


def test_functions_have_the_variables_they_need(resources: dict[str, Any]) -> None:
    """All that handlers/README.md lists, and the handler that it names."""
    contract = (ROOT / "handlers" / "README.md").read_text()
    variables = set(re.findall(r"^\| `(FANOUT_\w+)` \|", contract, re.MULTILINE))
    assert variables
    for name in FUNCTIONS:
        function = resources[name]["Properties"]
        assert set(function["Environment"]["Variables"]) == variables
        assert function["ImageConfig"]["Command"] == [f"handlers.{name.lower()}.handler"]
        assert f"`handlers.{name.lower()}.handler`" in contract


def test_policies_name_what_they_allow(resources: dict[str, Any]) -> None:
    """No action of all, no resource of all; functions may not make log groups, so none is left behind."""
    documents = [
        policy["PolicyDocument"]
        for one in resources.values()
        for policy in (
            one["Properties"].get("Policies", []) if one["Type"] == "AWS::IAM::Role" else [one["Properties"]]
        )
        if "PolicyDocument" in policy
    ]
    statements = [statement for document in documents for statement in document["Statement"]]
    assert len(statements) > 15
    for statement in statements:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        assert not [action for action in actions if "*" in action]
        assert statement["Resource"] != "*"
        assert "logs:CreateLogGroup" not in actions
    for name in FUNCTIONS:
        assert resources[f"{name}Logs"]["Properties"]["LogGroupName"] == {
            "Sub": f"/aws/lambda/fanout-${{Deployment}}-{name.lower()}"
        }


def _patterns(resource: Any) -> list[str]:
    """The texts in a policy's resource, whatever functions of CloudFormation are around them."""
    if isinstance(resource, str):
        return [resource] if resource.startswith("arn:") else []
    inner = resource.values() if isinstance(resource, dict) else resource
    return [pattern for one in inner for pattern in _patterns(one)]


def test_functions_cannot_change_what_functions_run(resources: dict[str, Any]) -> None:
    """In the store they write runs and what belongs to their own trigger: no deployment, and no code."""
    policy = resources["StorePolicy"]["Properties"]["PolicyDocument"]["Statement"]
    written = [pattern for one in policy if "s3:PutObject" in one["Action"] for pattern in _patterns(one["Resource"])]
    assert {pattern.partition("${StoreBucket}/")[2] for pattern in written} == {
        "${Root}runs/*",
        "${Root}reuse/*",
        "${Root}triggers/${TriggerName}/*",
    }
    policy = resources["WritersPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    parts = {pattern.partition("${StoreBucket}/")[2] for one in policy for pattern in _patterns(one["Resource"])}
    assert parts == {"${Root}runs/*", "${Root}triggers/${TriggerName}/*"}


def test_the_version_that_arrived_may_be_read(resources: dict[str, Any]) -> None:
    """Of a bucket that keeps versions."""
    [objects, _] = resources["InputsPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert set(objects["Action"]) == {"s3:GetObject", "s3:GetObjectVersion"}


def test_alarms_watch_dead_letters_and_age(resources: dict[str, Any]) -> None:
    """What is given up and what waits too long is told; quiet queues raise nothing."""
    alarms = {n: one["Properties"] for n, one in resources.items() if one["Type"] == "AWS::CloudWatch::Alarm"}
    failed = alarms.pop("FailedAlarm")
    assert (failed["Namespace"], failed["MetricName"], failed["TreatMissingData"]) == (
        "fanout",
        "RunsFailed",
        "notBreaching",
    )
    watched = {
        (one["MetricName"], one["Dimensions"][0]["Value"]["GetAtt"].partition(".")[0]) for one in alarms.values()
    }
    assert watched == {
        ("ApproximateNumberOfMessagesVisible", "DeadQueue"),
        ("ApproximateNumberOfMessagesVisible", "UndeliveredQueue"),
        ("ApproximateAgeOfOldestMessage", "WorkQueue"),
        ("ApproximateAgeOfOldestMessage", "EventsQueue"),
    }
    assert all(one["TreatMissingData"] == "notBreaching" and "AlarmActions" in one for one in alarms.values())


def test_everything_takes_the_key_the_vpc_and_the_boundary(resources: dict[str, Any]) -> None:
    """Each function, log and role, where the parameters name them; without them nothing is different."""
    absent = {"Ref": "AWS::NoValue"}
    for name in FUNCTIONS:
        function = resources[name]["Properties"]
        assert function["KmsKeyArn"] == {"If": ["HasKey", {"Ref": "KmsKey"}, absent]}
        assert function["VpcConfig"]["If"][0] == "HasVpc"
        assert resources[f"{name}Logs"]["Properties"]["KmsKeyId"] == function["KmsKeyArn"]
        role = resources[f"{name}Role"]["Properties"]
        assert role["PermissionsBoundary"] == {"If": ["HasBoundary", {"Ref": "PermissionsBoundary"}, absent]}
        assert role["ManagedPolicyArns"]["If"][0] == "HasVpc"


WHOLE = {
    "sqs:ListQueues",
    "lambda:CreateEventSourceMapping",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
    "logs:DescribeLogGroups",
}
"""Actions that AWS knows no resource for."""


@pytest.mark.parametrize("name", ["run", "deployer"])
def test_policies_of_people_name_what_they_allow(name: str) -> None:
    """No action of all; what may be done to all is what AWS offers no resource for; roles go to functions only."""
    policy = json.loads((ROOT / "infra" / "policies" / f"{name}.json").read_text())
    for statement in policy["Statement"]:
        assert statement["Effect"] == "Allow"
        assert not [action for action in statement["Action"] if "*" in action]
        assert statement["Resource"] != "*" or set(statement["Action"]) <= WHOLE
        if "iam:PassRole" in statement["Action"]:
            assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}


def test_a_run_may_do_to_its_queues_what_it_does() -> None:
    """Every action that the queue of SQS asks for is in the policy of `fanout run`."""
    policy = json.loads((ROOT / "infra" / "policies" / "run.json").read_text())
    allowed = {action for statement in policy["Statement"] for action in statement["Action"]}
    text = "".join((ROOT / "fanout" / "queues" / name).read_text() for name in ("sqs.py", "sqs_client.py"))
    asked = {name.title().replace("_", "").removesuffix("Batch") for name in re.findall(r'call\(\s*"([a-z_]+)"', text)}
    asked |= {name.title().replace("_", "").removesuffix("Batch") for name in re.findall(r'batches\("([a-z_]+)"', text)}
    assert len(asked) >= 9
    assert {f"sqs:{action}" for action in asked} <= allowed
