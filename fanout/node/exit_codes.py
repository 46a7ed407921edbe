"""Exit codes of a node's process. Imports nothing, since engines import it."""

GAVE_UP = 42
"""Exit code of a node on which the script cannot be started; Azure's leader ends with the same number."""
FULL = 28
"""Exit code of a node that found no room on a file system (as the system's ENOSPC)."""
DRAINED = 75
"""Exit code of a node that was asked to leave before its step was over (EX_TEMPFAIL: it may be replaced)."""
