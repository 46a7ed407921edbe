"""A run in bad weather: real processes of the installed command, killed and paused at random while they work.

`python -m tests.chaos` (or `make chaos`) is the long version, over LocalStack; `test_chaos.py` is the short one.

- `scene` writes a pipeline whose output is known by formula, and whose script notes every attempt that it begins.
- `weather` says, from a seed, what is struck when. Which process that hits is up to the machine, so a seed repeats the
  forecast and not the run.
- `storm` carries the command through it: what is killed is started again by fanout itself, and only a killed
  `fanout run` is followed by a `fanout resume`.
- `history` reads the store and the script's notes afterwards and lists what contradicts the promises.
"""
