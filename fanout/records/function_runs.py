"""How a run that was made from a Python function is recognized. Slots import it: the standard library only."""

FUNCTION_SCRIPT = "fanout_entry.py"
"""The entry script, in the code of the run, which calls the function. There is no code folder to take anew."""
