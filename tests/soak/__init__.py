"""Hours of work in a few minutes: nothing that a process holds may grow with the work it has done.

`python -m tests.soak --minutes 10` (or `make soak MINUTES=10`) watches the processes of one long run (`fanout run`, its
node, a `fanout node` that has joined, their slots), and then one process that carries out run after run through
`fanout.scheduler.resident`, as a program that embeds fanout would.

- `readings` says what a process holds now, and how much more it holds at the end than at the beginning.
- `long_run` and `many_runs` do the work and take the readings.
"""
