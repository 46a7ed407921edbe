"""Surroundings: what a script may ask about where it runs, in a run and outside of one."""

import subprocess
import sys
from pathlib import Path

from fanout.slot.child.script_context import ScriptContext

TRY_OUT = """
from azureml_user.parallel_run import EntryScript
here = EntryScript()
here.logger.info("tried")
print(here.agent_name, here.node_id, here.working_dir, here.log_dir, sep="|")
"""


def test_where_the_log_of_a_script_is() -> None:
    """logs/user/entry_script_log/<node>/<process>.log.txt (reference, section 11)."""
    here = ScriptContext(agent_name="process004", node_id="2", logs=Path("/l"))
    assert here.log_dir == Path("/l/user/entry_script_log/2")
    assert here.log_file == Path("/l/user/entry_script_log/2/process004.log.txt")


def test_a_script_can_be_tried_without_a_run(tmp_path: Path) -> None:
    """Outside of a run the helper answers for the current folder, and logs below it and on the terminal."""
    said = subprocess.run([sys.executable, "-c", TRY_OUT], cwd=tmp_path, capture_output=True, text=True, check=True)
    log_dir = tmp_path / "logs" / "user" / "entry_script_log" / "0"
    assert said.stdout.strip() == f"process000|0|{tmp_path}|{log_dir}"
    assert said.stderr.endswith("|tried\n")
    assert (log_dir / "process000.log.txt").read_text().endswith("|tried\n")
