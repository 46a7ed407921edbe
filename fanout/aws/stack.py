"""The CloudFormation stack of a deployment, by change sets: what would change is known before anything does."""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from fanout.advice import advised
from fanout.errors import InfrastructureError, MissingExtraError, RunError, SettingsError
from fanout.security.redaction import redact
from fanout.storage.access import Access
from fanout.storage.credentials import client_arguments

_WAIT = {"Delay": 3, "MaxAttempts": 1200}
_NO_CHANGE = ("didn't contain changes", "No updates are to be performed")
_CANNOT_UPDATE = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED", "CREATE_FAILED")


@dataclass(frozen=True, slots=True)
class ResourceChange:
    """One resource that a change set would make, modify or remove."""

    action: str  # Add, Modify, Remove
    resource: str
    type: str
    replaced: bool = False


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """Changes that wait to be applied; `id` is None when there are none."""

    id: str | None
    changes: tuple[ResourceChange, ...] = ()
    creates: bool = False


@dataclass(frozen=True, slots=True)
class StackState:
    """The stack as it is."""

    status: str
    parameters: Mapping[str, str]
    outputs: Mapping[str, str]


class Stack:
    """One stack by name; InfrastructureError when CloudFormation refuses or cannot be reached."""

    def __init__(self, name: str, access: Access, endpoint: str | None) -> None:
        try:
            import boto3
        except ImportError:
            raise MissingExtraError("Deploying", "aws") from None
        from botocore.exceptions import NoRegionError

        self.name = name
        try:
            self._client: Any = boto3.client("cloudformation", endpoint_url=endpoint, **client_arguments(access))
        except NoRegionError:
            raise SettingsError("region: say it in fanout.toml or in AWS_REGION; a stack is in one region") from None

    def look(self) -> StackState | None:
        """The stack; None when there is none."""
        found = self._described()
        if found is None or found["StackStatus"] in ("REVIEW_IN_PROGRESS", "DELETE_COMPLETE"):
            return None
        return StackState(
            found["StackStatus"],
            {one["ParameterKey"]: one.get("ParameterValue", "") for one in found.get("Parameters", ())},
            {one["OutputKey"]: one["OutputValue"] for one in found.get("Outputs", ())},
        )

    def prepare(self, template: str, parameters: Mapping[str, str]) -> ChangeSet:
        """What the template with these parameters would change; nothing is changed yet."""
        standing = self.look()
        if standing is not None and standing.status in _CANNOT_UPDATE:
            raise RunError(
                f"stack {self.name} is in state {standing.status} and cannot be updated; remove it with "
                f"`{advised().destroy(self.name.removeprefix('fanout-'))}`, then deploy again"
            )
        with self._translated("prepare"):
            made = self._client.create_change_set(
                StackName=self.name,
                ChangeSetName=f"fanout-{secrets.token_hex(4)}",  # one that was left behind does no harm
                ChangeSetType="CREATE" if standing is None else "UPDATE",
                TemplateBody=template,
                Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
                Capabilities=["CAPABILITY_IAM"],
                Tags=[{"Key": "fanout:deployment", "Value": parameters["Deployment"]}],
            )
        found = self._awaited(made["Id"])
        if found["Status"] == "FAILED":
            self._discard(made["Id"])
            if any(text in found.get("StatusReason", "") for text in _NO_CHANGE):
                return ChangeSet(None)
            raise InfrastructureError(f"stack {self.name}: {redact(str(found.get('StatusReason')))}")
        return ChangeSet(made["Id"], tuple(self._changes(made["Id"])), creates=standing is None)

    def apply(self, changes: ChangeSet) -> StackState:
        """The changes are made, or taken back as a whole and InfrastructureError says why."""
        with self._translated("apply"):
            self._client.execute_change_set(ChangeSetName=changes.id)
        self._wait("stack_create_complete" if changes.creates else "stack_update_complete")
        standing = self.look()
        assert standing is not None  # noqa: S101 - it was waited for
        return standing

    def discard(self, changes: ChangeSet) -> None:
        """The changes are not made, and nothing is left of them."""
        self._discard(changes.id)
        if changes.creates:
            self.delete()

    def delete(self) -> bool:
        """The stack is gone with all that it made; whether there was one."""
        if self._described() is None:
            return False
        with self._translated("delete"):
            self._client.delete_stack(StackName=self.name)
        self._wait("stack_delete_complete")
        return True

    def _described(self) -> dict[str, Any] | None:
        from botocore.exceptions import ClientError

        with self._translated("look at"):
            try:
                found: dict[str, Any] = self._client.describe_stacks(StackName=self.name)["Stacks"][0]
                return found
            except ClientError as exc:
                if "does not exist" in exc.response["Error"]["Message"]:
                    return None
                raise

    def _awaited(self, change_set: str) -> dict[str, Any]:
        """The change set when it is no longer being made."""
        from botocore.exceptions import WaiterError

        with self._translated("prepare"):
            try:
                self._client.get_waiter("change_set_create_complete").wait(
                    ChangeSetName=change_set, StackName=self.name, WaiterConfig=_WAIT
                )
            except WaiterError as exc:
                if "Status" not in exc.last_response:
                    raise
            found: dict[str, Any] = self._client.describe_change_set(ChangeSetName=change_set, StackName=self.name)
            return found

    def _changes(self, change_set: str) -> Iterator[ResourceChange]:
        token: dict[str, str] = {}
        while True:
            with self._translated("read the changes of"):
                page = self._client.describe_change_set(ChangeSetName=change_set, StackName=self.name, **token)
            for one in page.get("Changes", ()):
                change = one["ResourceChange"]
                replaced = change.get("Replacement", "False") == "True"
                yield ResourceChange(change["Action"], change["LogicalResourceId"], change["ResourceType"], replaced)
            if not page.get("NextToken"):
                return
            token = {"NextToken": page["NextToken"]}

    def _discard(self, change_set: str | None) -> None:
        with self._translated("discard the changes of"):
            self._client.delete_change_set(ChangeSetName=change_set, StackName=self.name)

    def _wait(self, state: str) -> None:
        from botocore.exceptions import WaiterError

        with self._translated("wait for"):
            try:
                self._client.get_waiter(state).wait(StackName=self.name, WaiterConfig=_WAIT)
            except WaiterError as exc:
                why = "".join(f"\n  {line}" for line in self._what_failed()) or f" {exc}"
                raise InfrastructureError(f"stack {self.name} was not brought to its end:{why}") from exc

    def _what_failed(self) -> list[str]:
        """Resources that failed, and why, the first that did first."""
        try:
            events = self._client.describe_stack_events(StackName=self.name)["StackEvents"]
        except Exception:  # noqa: BLE001 - it failed in any case; this only says more
            return []
        failed = [one for one in reversed(events) if str(one.get("ResourceStatus", "")).endswith("_FAILED")]
        return [redact(f"{one['LogicalResourceId']}: {one.get('ResourceStatusReason', 'no reason')}") for one in failed]

    @contextmanager
    def _translated(self, action: str) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except (BotoCoreError, ClientError) as exc:
            raise InfrastructureError(f"cannot {action} stack {self.name}: {redact(str(exc))}") from exc
