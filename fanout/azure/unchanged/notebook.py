"""Runs a notebook cell by cell, shows what each cell shows, and keeps the outputs on request."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fanout.errors import InputError, MissingExtraError
from fanout.formatting import plain


def run_notebook(file: Path, environ: Mapping[str, str], executed: Path | None) -> bool:
    """Whether every cell ran to its end; the notebook with all outputs is written to `executed`.

    InputError for what is no notebook; MissingExtraError without the extra `azure`.
    """
    nbformat, client_of = _libraries()
    try:
        notebook = nbformat.read(file, as_version=4)
    except (OSError, ValueError, nbformat.reader.NotJSONError, nbformat.ValidationError) as exc:
        raise InputError(f"{file} is no notebook: {str(exc).splitlines()[0]}") from exc
    from nbclient.exceptions import CellExecutionError, DeadKernelError

    client = client_of(notebook, file.absolute().parent)
    try:
        client.execute(env=dict(environ))
    except CellExecutionError as error:
        sys.stdout.flush()
        sys.stderr.write(f"{error.traceback if sys.stderr.isatty() else plain(error.traceback)}\n")
        return False
    except DeadKernelError as error:
        sys.stderr.write(f"{file}: the kernel has died: {error}\n")
        return False
    finally:
        if executed is not None:
            nbformat.write(notebook, executed)
    return True


def _libraries() -> tuple[Any, Any]:
    try:
        import ipykernel  # noqa: F401
        import nbformat
        from jupyter_client.kernelspec import KernelSpec
        from jupyter_client.manager import AsyncKernelManager
        from nbclient import NotebookClient
    except ImportError as exc:
        raise MissingExtraError("running a notebook", "azure") from exc

    class Manager(AsyncKernelManager):
        """Starts this Python, whatever kernel the notebook names: that of the machine it was written on."""

        @property
        def kernel_spec(self) -> Any:
            words = [
                sys.executable,
                "-P",
                "-m",
                "fanout.azure.unchanged.kernel",
                "-f",
                "{connection_file}",
                "--log-level=40",
            ]
            return KernelSpec(argv=words, display_name="fanout", language="python")

    class Client(NotebookClient):
        """Shows outputs as they come."""

        def output(self, outs: Any, msg: Any, display_id: Any, cell_index: int) -> Any:
            shown = super().output(outs, msg, display_id, cell_index)
            _show(msg)
            return shown

    def client_of(notebook: Any, folder: Path) -> Any:
        cells = [index for index, cell in enumerate(notebook.cells) if cell.cell_type == "code" and cell.source.strip()]

        def started(cell: Any, cell_index: int) -> None:
            if cell_index in cells:
                first = next((line for line in cell.source.splitlines() if line.strip()), "")
                print(f"--- cell {cells.index(cell_index) + 1} of {len(cells)}: {first[:60]}", flush=True)  # noqa: T201

        return Client(
            notebook,
            kernel_manager_class=Manager,
            kernel_name="python3",
            timeout=None,
            resources={"metadata": {"path": str(folder)}},
            on_cell_execute=started,
        )

    return nbformat, client_of


def _show(message: Mapping[str, Any]) -> None:
    """What a cell prints, and the text of what it displays."""
    content = message["content"]
    if message["msg_type"] == "stream":
        stream = sys.stderr if content.get("name") == "stderr" else sys.stdout
        stream.write(content["text"])
        stream.flush()
    elif message["msg_type"] in ("execute_result", "display_data"):
        text = content["data"].get("text/plain", "")
        print(text if len(text) < 500 else f"{text[:500]} …", flush=True)  # noqa: T201
