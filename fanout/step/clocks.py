"""The clocks of a parallel step: first mini-batch, progress (reference, sections 8.1 and 9). Pure."""

from dataclasses import dataclass

from fanout.spec.steps import ParallelStep


@dataclass(frozen=True, slots=True)
class Clocks:
    """How many seconds may pass."""

    first_task: float
    progress: float

    @classmethod
    def of(cls, step: ParallelStep) -> "Clocks":
        """As the step says; progress defaults to three times what one mini-batch may take."""
        longest = step.retry_settings.timeout + step.limits.task_overhead_timeout
        return cls(step.limits.first_task_creation_timeout, step.limits.progress_update_timeout or 3 * longest)

    def overrun(self, *, planned: int, since_start: float, since_progress: float) -> str | None:
        """The sentence of the verdict when a clock has run out, else None."""
        if planned == 0 and since_start > self.first_task:
            return (
                f"no mini-batch was created in {self.first_task:g} seconds; if listing the input takes that long, "
                "raise first_task_creation_timeout"
            )
        if planned and since_progress > self.progress:
            return (
                f"no progress in {self.progress:g} seconds: no mini-batch has finished since; "
                "if they take that long, raise progress_update_timeout"
            )
        return None
