"""pdb where user code failed: the frame of the script that was the last one on the way to the error."""

import os
import pdb
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any


def post_mortem(error: BaseException, code: Path | None) -> None:
    """Starts pdb in the innermost frame of the code folder; where there is none, in that which raised the error.

    The frames of libraries below it are there: `down` goes to them.
    """
    debugger = _AtUserCode(code)
    debugger.reset()
    debugger.interaction(None, error.__traceback__)


class _AtUserCode(pdb.Pdb):
    """A debugger that chooses the frame it starts in."""

    def __init__(self, code: Path | None) -> None:
        super().__init__()
        self._folders = () if code is None else (f"{code}{os.sep}", f"{code.resolve()}{os.sep}")

    def setup(self, frame: FrameType | None, traceback: TracebackType | None) -> Any:
        found = super().setup(frame, traceback)
        own = [at for at, (one, _) in enumerate(self.stack) if one.f_code.co_filename.startswith(self._folders)]
        if own and traceback is not None:
            self.curindex = own[-1]
            self.curframe = self.stack[own[-1]][0]
            if "curframe_locals" in vars(self):  # a property since Python 3.13
                self.curframe_locals = self.curframe.f_locals
        return found
