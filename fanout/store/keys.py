"""Where everything of a run lives in the store (design, "A step's life in the store"). Pure."""

RUNS = "runs/"


def run_json(run: str) -> str:
    """The resolved pipeline; created once, the moment the run exists."""
    return f"runs/{run}/run.json"


def run_verdict(run: str) -> str:
    return f"runs/{run}/verdict.json"


def code(digest: str) -> str:
    """Snapshot of a code folder, by content, shared by runs."""
    return f"code/{digest}.zip"


def step_root(run: str, step: str) -> str:
    return f"runs/{run}/{step}"


def step_json(run: str, step: str) -> str:
    """What a node needs to know of a step; created once, when the step starts."""
    return f"{step_root(run, step)}/step.json"


def plan_json(run: str, step: str) -> str:
    """Summary of the plan; created when every manifest is written."""
    return f"{step_root(run, step)}/plan.json"


def published_json(run: str, step: str) -> str:
    """Says that every message has been sent, and to which queue."""
    return f"{step_root(run, step)}/published.json"


def queues(run: str, step: str) -> str:
    """Prefix under which the step's queues are noted, one after the other; the last one is in use."""
    return f"{step_root(run, step)}/queues/"


def queue(run: str, step: str, number: int) -> str:
    return f"{queues(run, step)}{number:03d}"


def manifest(run: str, step: str, shard: int) -> str:
    return f"{step_root(run, step)}/manifests/{shard:05d}.jsonl"


def nodes(run: str, step: str) -> str:
    """Prefix under which nodes announce themselves, one small object each."""
    return f"{step_root(run, step)}/nodes/"


def node(run: str, step: str, number: int) -> str:
    return f"{nodes(run, step)}{number:03d}"


def results(run: str, step: str, node: int) -> str:
    return f"{step_root(run, step)}/results/{node:03d}/"


def result(run: str, step: str, node: int, seq: int) -> str:
    """What a node committed, in order; written once, never changed."""
    return f"{results(run, step, node)}{seq:08d}"


def staged(run: str, step: str) -> str:
    """Prefix of files that attempts wrote into output folders, until the seal publishes the winners."""
    return f"{step_root(run, step)}/staged/"


def outputs(run: str, step: str, output: str) -> str:
    """Default place of an output."""
    return f"{step_root(run, step)}/outputs/{output}"


def verdict(run: str, step: str) -> str:
    """The commit point of a step; created once."""
    return f"{step_root(run, step)}/verdict.json"


def settled(run: str, step: str) -> str:
    """Says that no mini-batch is left to do: nodes run shutdown() and leave."""
    return f"{step_root(run, step)}/settled.json"


def cancel(run: str) -> str:
    """Says that somebody wants the run to stop."""
    return f"runs/{run}/cancel.json"


def concluded_json(run: str, step: str) -> str:
    """Says that all that follows from the seal is done: outputs and logs are in their places, the queues are gone."""
    return f"{step_root(run, step)}/concluded.json"


def logs(run: str, step: str) -> str:
    return f"{step_root(run, step)}/logs/"
