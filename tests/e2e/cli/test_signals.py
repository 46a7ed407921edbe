"""Signals of the installed command: metrics of a node while it works, JSON logs, a webhook."""

import re
import urllib.request
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families


def test_a_node_is_scraped_while_it_works(make: Any, tmp_path: Path) -> None:
    """`fanout node --metrics` says where, and answers with the slots that are busy."""
    project = make(tmp_path, 4)
    project.hold_after(0)
    run = project.start("run", "pipeline.yml", "--name", "r")
    project.wait_for_attempts(1, run)
    node = project.start("node", "r", "--metrics", "127.0.0.1:0")
    assert node.stdout is not None
    try:
        url = ""
        while not url:
            line = node.stdout.readline()
            assert line, "the node has ended"
            found = re.match(r"metrics: (\S+)", line)
            url = found[1] if found else ""
        samples: dict[str, float] = {}
        while not samples:
            with urllib.request.urlopen(url) as answer:  # noqa: S310 - the node of this test
                text = answer.read().decode()
            samples = {s.name: s.value for f in text_string_to_metric_families(text) for s in f.samples}
        assert samples["fanout_node_up"] == 1.0
        assert samples["fanout_node_slots"] >= 1.0
    finally:
        project.let_go()
        node.communicate()
        run.communicate()
    assert (node.returncode, run.returncode) == (0, 0)
    assert len(project.output().splitlines()) == 4


def test_an_address_that_is_none(make: Any, tmp_path: Path) -> None:
    """Is a mistake of the command line, before anything is done."""
    project = make(tmp_path, 1)
    said = project.fanout("node", "r", "--metrics", "here:there")
    assert (said.code, said.stderr) == (2, "--metrics here:there: expected HOST:PORT, such as 127.0.0.1:9464\n")
