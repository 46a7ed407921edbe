"""How a node's process ends, told to whoever started it by its exit code; light, since engines import it."""

GAVE_UP = 42
"""Exit code of a node on which the script cannot be started; Azure's leader ends with the same number."""
DRAINED = 75
"""Exit code of a node that was asked to leave before its step was over (EX_TEMPFAIL: it may be replaced)."""
