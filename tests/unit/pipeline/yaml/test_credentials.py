"""Credentials in pipeline and component files are refused: a run keeps what its file says for good."""

from collections.abc import Callable

import pytest

from fanout.formatting import printable

PIPELINE = """\
type: pipeline
description: "the password: is kept elsewhere"
inputs:
  files: {type: uri_folder, path: ./data}
  %s
jobs:
  score:
    type: command
    inputs:
      x: ${{parent.inputs.files}}
    command: >-
      echo ${{inputs.x}} %s
"""
SENTENCE = "holds a credential, which would be stored with the run; leave it out here"


@pytest.mark.parametrize(
    "line",
    [
        "db_password: geheim",
        "password: {type: string, default: geheim}",
        "url: postgres://me:geheim@host/db",
        "connection: DefaultEndpointsProtocol=https;AccountName=a;AccountKey=geheim",
        "where: 'https://a.blob.core.windows.net/c/x.csv?sv=1&sig=geheim'",
        "token: ghp_abcdefghijklmnopqrstuvwxyz",
        "stripe_key: sk_live_4eC39HqLyjWDarjt",
    ],
)
def test_inputs_that_are_credentials(refuse: Callable[..., list[str]], line: str) -> None:
    """Each with its place, and without its value."""
    problems = refuse(PIPELINE % (line, ""))
    assert len(problems) == 1, problems
    assert problems[0].startswith(f"pipeline.yml:5:{line.rindex(': ') + 5}: inputs.{line.partition(':')[0]}")
    assert SENTENCE in problems[0]
    assert "geheim" not in problems[0]


@pytest.mark.parametrize(
    "text",
    ["--password=geheim", "-H 'Authorization: Bearer geheim-0123456789'", "https://me:geheim@host/x.git"],
)
def test_commands_with_credentials(refuse: Callable[..., list[str]], text: str) -> None:
    problems = refuse(PIPELINE % ("n: 1", text))
    assert len(problems) == 1, problems
    assert "jobs.score.command: " + SENTENCE in problems[0]


def test_variables_in_commands_are_what_is_asked_for(load: Callable[..., object]) -> None:
    """A command that names a variable holds no credential; nor does a word such as `token` for a number or a path."""
    load(PIPELINE % ("token_file: /run/token", "--password=$PASSWORD --token ${TOKEN} -H 'Authorization: Bearer $T'"))
    load(PIPELINE % ("max_token: 100000", "--key=${{inputs.x}} --secret-name=name-in-a-vault"))


def test_credentials_of_component_files(refuse: Callable[..., list[str]]) -> None:
    """They are in run.json like the pipeline's own; the place is in their file."""
    component = """\
    type: command
    inputs: {password: {type: string, default: geheim-und-lang}}
    command: echo ${{inputs.password}}
    """
    pipeline = """\
    type: pipeline
    jobs:
      one: {type: command, component: ./comp/c.yml}
    """
    [problem] = refuse(pipeline, comp__c_yml=component)
    assert problem.startswith("comp/c.yml:2:44: inputs.password.default: ")
    assert SENTENCE in problem


def test_credentials_of_options(refuse: Callable[..., list[str]]) -> None:
    """What --set brings is stored, too."""
    [problem] = refuse(PIPELINE % ("n: abc", ""), ["inputs.n=postgres://me:geheim@host/db"])
    assert SENTENCE in problem
    assert "geheim" not in printable(problem)  # the place is the option itself
