"""Programs of other systems, run for what they print; EngineError with their last words when they fail."""

import asyncio
import contextlib
import os
import shutil
from collections.abc import Mapping, Sequence

from fanout.errors import EngineError

LIMIT = 60.0
"""Seconds in which a program has to answer."""
LAST_WORDS = 600


class ProgramError(EngineError):
    """A program ended with another exit code than 0."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


async def output_of(
    command: Sequence[str], stdin: str = "", environ: Mapping[str, str] | None = None, limit: float = LIMIT
) -> str:
    """What the program prints. `environ` is added to the variables of this process."""
    name = os.path.basename(command[0])  # noqa: PTH119 - a command, no path of ours
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **(environ or {})},
        )
    except OSError as exc:
        raise EngineError(f"{name} cannot be started: {exc.strerror}") from exc
    try:
        async with asyncio.timeout(limit):
            out, err = await process.communicate(stdin.encode())
    except TimeoutError as exc:
        raise EngineError(f"{name} did not answer within {limit:g} s") from exc
    finally:
        with contextlib.suppress(ProcessLookupError):
            if process.returncode is None:
                process.kill()
                await process.wait()
    if process.returncode:
        said = err.decode(errors="replace").strip() or out.decode(errors="replace").strip()
        raise ProgramError(f"{name}: {said[-LAST_WORDS:] or f'exit code {process.returncode}'}", process.returncode)
    return out.decode(errors="replace")


def missing(*programs: str) -> list[str]:
    """A sentence for each of these programs that is not installed."""
    return [f"the program {name} is not installed here" for name in programs if shutil.which(name) is None]
