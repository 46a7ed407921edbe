"""What pods cannot reach is refused before a manifest is printed: runs, data and servers."""

import pytest
from obstore.store import MemoryStore

from fanout.aws.cluster import check_endpoints, lent_to
from fanout.config.settings import Settings
from fanout.errors import InputError, RunError, SettingsError
from fanout.pipeline.model import CommandStep, DataInput, DataType, EntryTask, Output, ParallelStep, Pipeline
from fanout.records.run import RunRecord, create_record
from fanout.storage import keys
from fanout.storage.access import Access
from fanout.storage.objects import put

SETTINGS = Settings("s3://bucket/runs")


def pipeline(uri: str, output: str | None = None) -> Pipeline:
    """A parallel step that reads `uri`, and a command that reads a folder of this machine."""
    score = ParallelStep(
        name="score",
        task=EntryTask("s.py"),
        input_data="x",
        inputs={"x": DataInput(uri, DataType.URI_FOLDER)},
        outputs={"o": Output(DataType.URI_FOLDER, uri=output)},
    )
    local = {"y": DataInput("file:///here", DataType.URI_FOLDER)}
    return Pipeline("/p.yml", None, (score, CommandStep(name="look", command="true", inputs=local)))


async def run_of(found: Pipeline) -> MemoryStore:
    """A store with the run `r`."""
    store = MemoryStore()
    await create_record(store, RunRecord("r", found, 1.0))
    return store


async def test_a_run_that_is_under_way_gets_nodes() -> None:
    """What only its commands read does not matter: nodes carry out none."""
    found = pipeline("s3://data/in")
    assert await lent_to("r", None, await run_of(found), SETTINGS) == found
    assert await lent_to("r", "score", await run_of(found), SETTINGS) == found


async def test_no_nodes_for_what_is_not_there_or_over() -> None:
    """Each with what would be right."""
    store = await run_of(pipeline("s3://data/in"))
    with pytest.raises(RunError, match="nosuch"):
        await lent_to("nosuch", None, store, SETTINGS)
    with pytest.raises(RunError, match="run r has no parallel step 'scroe'; did you mean 'score'"):
        await lent_to("r", "scroe", store, SETTINGS)
    with pytest.raises(RunError, match="run r has no parallel step 'look'"):
        await lent_to("r", "look", store, SETTINGS)
    await put(store, keys.run_verdict("r"), b"{}")
    with pytest.raises(RunError, match="run r is over, and has no work for nodes; `fanout redrive r`"):
        await lent_to("r", None, store, SETTINGS)


async def test_no_nodes_that_do_not_see_the_data() -> None:
    """A folder of this machine is another one in a pod, or none."""
    with pytest.raises(InputError, match=r"pods do not see this machine: step score: input x is /data/in"):
        await lent_to("r", None, await run_of(pipeline("file:///data/in")), SETTINGS)
    with pytest.raises(InputError, match=r"step score: output o goes to /out"):
        await lent_to("r", None, await run_of(pipeline("s3://data/in", "file:///out")), SETTINGS)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "localhost", "x.localhost", "[::1]", "0.0.0.0"])  # noqa: S104
def test_no_servers_that_only_this_machine_reaches(host: str) -> None:
    """With the setting that would change it."""
    with pytest.raises(SettingsError, match=r"endpoint of S3: .*AWS_ENDPOINT_URL_S3"):
        check_endpoints(Access(endpoint_url_s3=f"http://{host}:4566"))
    with pytest.raises(SettingsError, match=r"endpoint of SQS: .*AWS_ENDPOINT_URL_SQS"):
        check_endpoints(Access(endpoint_url_sqs=f"http://{host}:4566"))


def test_other_servers_are_passed_on() -> None:
    """By name or address."""
    check_endpoints(Access(endpoint_url_s3="http://minio.storage:9000", endpoint_url_sqs="http://10.0.0.7:4566"))
