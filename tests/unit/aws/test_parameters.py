"""Each parameter of the template has its value: asked for, else as it is, else the default."""

import pytest
import yaml

from fanout.aws.parameters import Size, parameters
from fanout.aws.reach import Objects, Reach
from fanout.aws.render import rendered, template_defaults
from fanout.config.settings import Settings
from fanout.errors import SettingsError
from fanout.pipeline.model import Pipeline, Trigger

PIPELINE = Pipeline("/p/pipeline.yml", None, (), trigger=Trigger("arrivals", "s3://in", "x", prefix="new/"))
SETTINGS = Settings(store="s3://bucket/some/prefix", max_receives=3)
REACH = Reach((Objects("a", "x/*"), Objects("a", "y"), Objects("b", "*")))


def values(size: Size, **before: str) -> dict[str, str]:
    return parameters("name", PIPELINE, SETTINGS, REACH, size, before)


def test_all_parameters_have_values() -> None:
    """So that the same order gives the same change set, whatever was left out."""
    found = values(Size(image="i"))
    assert set(found) == set(template_defaults()) | {"Deployment", "ImageUri", "StoreBucket"}
    assert (found["StoreBucket"], found["StorePrefix"]) == ("bucket", "some/prefix")
    assert found["MaxReceives"] == "3"
    assert (found["TriggerName"], found["TriggerBucket"]) == ("arrivals", "in")
    assert found["InputObjects"] == "arn:aws:s3:::a/x/*,arn:aws:s3:::a/y,arn:aws:s3:::b/*"
    assert found["InputBuckets"] == "arn:aws:s3:::a,arn:aws:s3:::b"
    assert found["InputPrefixes"] == "*,x/*,y"
    assert found["OutputObjects"] == ""


def test_what_is_not_asked_for_stays() -> None:
    """A size chosen earlier survives the next deploy; what is asked for wins; places follow the pipeline."""
    found = values(Size(workers=20), ImageUri="old", WorkerMemory="4096", LogDays="90", InputObjects="gone")
    assert (found["ImageUri"], found["WorkerMemory"], found["LogDays"]) == ("old", "4096", "90")
    assert found["MaximumWorkers"] == "20"
    assert "gone" not in found["InputObjects"]


def test_nothing_runs_without_an_image() -> None:
    """Said before anything is made."""
    with pytest.raises(SettingsError, match="--image"):
        values(Size())


def test_unknown_parameters_are_refused() -> None:
    """With the one that was meant."""
    with pytest.raises(SettingsError, match="no 'LogDay' to choose; did you mean 'LogDays'"):
        values(Size(image="i", others={"LogDay": "1"}))


def test_rendered_template_is_the_template_with_other_defaults() -> None:
    """All values are in it, whatever they look like, and nothing else differs."""
    found = values(Size(image="acc/fanout:1", others={"AlarmTopic": 'a"b'}))
    text = rendered(found)
    head, _, rest = text.partition("\nConditions:\n")
    declared = yaml.safe_load(head)["Parameters"]
    assert {name: str(one["Default"]) for name, one in declared.items()} == found
    assert rest == rendered({}).partition("\nConditions:\n")[2]
