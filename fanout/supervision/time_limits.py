"""The time limits of a parallel step: first mini-batch, progress, failed starts (reference, 8.1 and 9). Pure."""

from dataclasses import dataclass

from fanout.pipeline.model import ParallelStep

INIT_PATIENCE = 120.0
"""Seconds for which a step is let try to start its script, as long as nodes do not give up by themselves."""
INIT_TRIES = 2
"""Failed starts in a row for each slot of each node that end the step after that."""


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """The time limits of a step, in seconds."""

    first_task: float
    progress: float
    init_failures: int  # in a row, on all nodes
    init: float = 0.0  # before the first attempt has ended, in addition to `progress`: a script may load for long

    @classmethod
    def of(cls, step: ParallelStep, cores: int) -> "TimeLimits":
        """Returns the limits that the step states; progress defaults to three times what one mini-batch may take.

        `cores` is how many slots a node has when the step does not state it.
        """
        longest = step.retry_settings.timeout + step.limits.task_overhead_timeout
        return cls(
            step.limits.first_task_creation_timeout,
            step.limits.progress_update_timeout or 3 * longest,
            INIT_TRIES * max(1, step.instance_count) * (step.max_concurrency_per_instance or cores),
            0.0 if step.limits.progress_update_timeout else step.init_limit,
        )

    def overrun(
        self, *, planned: int, since_start: float, since_progress: float, has_results: bool = True
    ) -> str | None:
        """Returns the sentence of the verdict when a time limit has run out, else None.

        Without results (`has_results`), the progress limit is longer by `init`, since scripts may still be loading.
        """
        progress = self.progress if has_results else self.progress + self.init
        if planned == 0 and since_start > self.first_task:
            return (
                f"no mini-batch was created in {self.first_task:g} seconds; if listing the input takes that long, "
                "raise first_task_creation_timeout"
            )
        if planned and since_progress > progress:
            return (
                f"no progress in {progress:g} seconds: no mini-batch has finished since; "
                "if they take that long, raise progress_update_timeout"
            )
        return None

    def cannot_start(self, *, failures: int, since_start: float) -> str | None:
        """Returns the sentence of the verdict when the script failed to start too often, else None.

        Failed starts count when they come in a row, on all nodes together.
        """
        if since_start <= INIT_PATIENCE or failures < self.init_failures:
            return None
        return (
            f"the entry script could not be started {failures} times in a row, and no mini-batch has ended since the "
            f"first of them; the step has run for more than {INIT_PATIENCE:g} seconds"
        )
