"""fanout runs a user's `run(mini_batch)` over a large input, in parallel, and survives whatever fails."""

__version__ = "0.1.0"
