"""`fanout deploy` and `fanout destroy` against CloudFormation, as far as moto has it (docs/deploying.md)."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from fanout.cli import answer

pytestmark = [
    pytest.mark.moto,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # boto3 leaves sockets to the collector
]

IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/fanout:1"
PIPELINE = """\
type: pipeline
trigger:
  bucket: BUCKET-in
  prefix: names/
  suffix: .txt
  input: names
inputs:
  names: {type: uri_folder}
outputs:
  greetings: {type: uri_file, path: "s3://BUCKET-out/all.txt"}
jobs:
  greet:
    type: parallel
    inputs:
      names: ${{parent.inputs.names}}
    outputs:
      greetings: ${{parent.outputs.greetings}}
    input_data: ${{inputs.names}}
    mini_batch_size: "2"
    task:
      type: run_function
      code: ./src
      entry_script: greet.py
      append_row_to: ${{outputs.greetings}}
"""


@dataclass(frozen=True)
class Account:
    """What there is in the account of the moto server, and the command line led to it."""

    name: str
    client: Callable[[str], Any]
    capfd: pytest.CaptureFixture[str]

    def fanout(self, *arguments: str, code: int = 0) -> str:
        """What the command line says; it has to end with this exit code."""
        ended = answer(arguments)
        out, err = self.capfd.readouterr()
        assert ended == code, out + err
        return out

    def mine(self) -> dict[str, list[str]]:
        """Names of all that belongs to the deployment, by kind; kinds of which there is nothing are left out."""
        stem = f"fanout-{self.name}"
        found = {
            "queues": [url for url in self.client("sqs").list_queues().get("QueueUrls", []) if stem in url],
            "functions": [f["FunctionName"] for f in self.client("lambda").list_functions()["Functions"]],
            "sources": [
                s["EventSourceArn"] for s in self.client("lambda").list_event_source_mappings()["EventSourceMappings"]
            ],
            "roles": [role["RoleName"] for role in self.client("iam").list_roles()["Roles"]],
            "policies": [p["PolicyName"] for p in self.client("iam").list_policies(Scope="Local")["Policies"]],
            "logs": [g["logGroupName"] for g in self.client("logs").describe_log_groups()["logGroups"]],
            "objects": [o["Key"] for o in self.client("s3").list_objects_v2(Bucket=self.bucket).get("Contents", [])],
        }
        return {kind: kept for kind, names in found.items() if (kept := [n for n in names if stem in n or "/" in n])}

    @property
    def bucket(self) -> str:
        return f"{self.name}-store"

    def messages(self) -> int:
        """How many are in the events queue; moto's own event source takes them, and runs no function without Docker."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        url = self.client("sqs").get_queue_url(QueueName=f"fanout-{self.name}-events")["QueueUrl"]
        found = self.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)

    def notifications(self) -> list[Mapping[str, Any]]:
        there = self.client("s3").get_bucket_notification_configuration(Bucket=f"{self.name}-in")
        return list(there.get("QueueConfigurations", []))


@pytest.fixture
def account(
    moto_endpoint: str,
    aws_environ: Callable[[str], dict[str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Iterator[Account]:
    """A folder with a pipeline that has a trigger, and its buckets."""
    for variable, value in aws_environ(moto_endpoint).items():
        monkeypatch.setenv(variable, value)
    name = f"d{tmp_path.name.replace('_', '-')[-20:]}".lower()
    made = Account(name, lambda service: boto3.client(service, region_name="us-east-1"), capfd)
    for bucket in ("in", "out", "store"):
        made.client("s3").create_bucket(Bucket=f"{name}-{bucket}")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "greet.py").write_text("def run(mini_batch):\n    return list(mini_batch)\n")
    (tmp_path / "pipeline.yml").write_text(PIPELINE.replace("BUCKET", name))
    (tmp_path / "fanout.toml").write_text(f'store = "s3://{name}-store/fanout"\n')
    monkeypatch.chdir(tmp_path)
    yield made
    answer(["destroy", name, "--data", "--yes"])


def test_deploy_twice_and_destroy(account: Account) -> None:
    """The second time nothing changes; an arrival is told; destroying leaves nothing but what was there before."""
    before = account.mine()
    deploy = ("deploy", "pipeline.yml", "--name", account.name, "--image", IMAGE, "--yes")

    looked = account.fanout(*deploy, "--dry-run")
    assert "nothing was changed" in looked
    assert "+ Worker (AWS::Lambda::Function)" in looked
    assert account.mine() == before

    said = account.fanout(*deploy)
    assert f"s3://{account.name}-in: sends events of names/*.txt" in said
    made = account.mine()
    assert {kind: len(names) for kind, names in made.items() if kind in ("queues", "functions", "roles", "logs")} == {
        "queues": 6,
        "functions": 4,
        "roles": 4,
        "logs": 4,
    }
    assert f"fanout/deployments/{account.name}/deployment.json" in made["objects"]

    modified = account.client("s3").head_object(Bucket=account.bucket, Key=made["objects"][-1])["LastModified"]
    assert account.fanout(*deploy) == f"{account.name}: nothing to change\n"
    assert account.fanout("deploy", "pipeline.yml", "--name", account.name, "--yes").endswith("nothing to change\n")
    assert account.mine() == made
    assert account.client("s3").head_object(Bucket=account.bucket, Key=made["objects"][-1])["LastModified"] == modified

    account.client("s3").put_object(Bucket=f"{account.name}-in", Key="names/ada.txt", Body=b"Ada")
    told = account.messages()
    account.client("s3").put_object(Bucket=f"{account.name}-in", Key="names/ada.txt", Body=b"Ada")
    account.client("s3").put_object(Bucket=f"{account.name}-in", Key="others/ada.txt", Body=b"Ada")
    assert account.messages() == told + 1
    assert f"{told + 1} messages in its queues go" in account.fanout("destroy", account.name, "--dry-run")

    asked = account.fanout("destroy", account.name, code=2)  # there is nobody to ask
    assert "nothing was removed" in asked
    assert account.mine() == made
    account.fanout("destroy", account.name, "--yes")
    assert account.mine() == before
    assert account.notifications() == []
    assert "nothing to remove" in account.fanout("destroy", account.name, "--yes")


def test_changes_are_applied_and_what_people_made_stays(account: Account) -> None:
    """Other code and more workers change what they concern; the notifications and runs of others are left alone."""
    others = {"Id": "theirs", "TopicArn": "arn:aws:sns:us-east-1:123456789012:t", "Events": ["s3:ObjectRemoved:*"]}
    account.client("sns").create_topic(Name="t")
    account.client("s3").put_bucket_notification_configuration(
        Bucket=f"{account.name}-in", NotificationConfiguration={"TopicConfigurations": [others]}
    )
    deploy = ("deploy", "pipeline.yml", "--name", account.name, "--yes")
    account.fanout(*deploy, "--image", IMAGE)
    Path("src/greet.py").write_text("def run(mini_batch):\n    return mini_batch\n")
    said = account.fanout(*deploy, "--workers", "20")
    assert "changes: code of greet" in said
    assert "MaximumWorkers: 10 -> 20" in said
    kept = {"code": {"greet": "a" * 64}}
    account.client("s3").put_object(
        Bucket=account.bucket, Key="fanout/runs/mine/run.json", Body=json.dumps(kept).encode()
    )
    assert "1 run in" in account.fanout("destroy", account.name, "--yes")
    assert account.mine() == {"objects": ["fanout/runs/mine/run.json"]}
    there = account.client("s3").get_bucket_notification_configuration(Bucket=f"{account.name}-in")
    assert [topic["Id"] for topic in there["TopicConfigurations"]] == ["theirs"]
    assert account.notifications() == []
    account.fanout("destroy", account.name, "--data", "--yes")
    assert account.mine() == {}
