"""Where everything of a run lives in the store (design, "A step's life in the store"). Pure."""

import re
from dataclasses import dataclass, replace

RUNS = "runs/"
CODE = "code/"
REUSE = "reuse/"
REMOVALS = "removals/"
TRIGGERS = "triggers/"
DEPLOYMENTS = "deployments/"
MESSAGES = "messages/"
"""Prefix of the queue pairs that are in the store itself, a folder each."""
TOP_LEVEL = (
    "runs",
    "code",
    "code-uses",
    "removals",
    "reuse",
    "assets",
    "deployments",
    "triggers",
    "messages",
    "queues",
    "scratch",
)
"""Every name in the root of a store; `queues` and `scratch` are in stores that are folders."""
_OF_A_RUN = r"run|verdict|verdict-\d+|cancel|cancel-\d+|redrive-\d+|ticking"
_OF_A_STEP = r"step|plan|handed|reducing|settled|supervised|verdict|reused|known|concluded"
_STEP = r"runs/[^/]+/[^/]+/(?:rounds/\d+/)?"
_RECORD = re.compile(
    rf"runs/[^/]+/(?:{_OF_A_RUN})\.json|{_STEP}(?:{_OF_A_STEP})\.json|{_STEP}(?:queues|nodes)/\d+"
    r"|reuse/[^/]+\.json|deployments/[^/]+/deployment\.json|triggers/[^/]+/(?:starts|unstarted)/[^/]+\.json"
    r"|assets/[^/]+/[^/]+/[^/]+\.json"
)
_SHARD = re.compile(rf"{_STEP}manifests/\d+\.jsonl")
_SOFT = re.compile(
    rf"{_STEP}(?:logs|node-status)/.+|{_STEP}(?:settled|published|supervised|made-from)\.json|reuse/[^/]+\.json"
    r"|runs/[^/]+/step-(?:logs|metrics)/.+|runs/[^/]+/report\.html|code-uses/.+|messages/.+",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class StepRound:
    """One round of a step of a run: what addresses everything of it. Redriving a step opens its next round."""

    run: str
    step: str
    round: int = 1

    @property
    def root(self) -> str:
        """Where everything of it begins; later rounds lie within the first."""
        first = f"runs/{self.run}/{self.step}"
        return first if self.round == 1 else f"{first}/rounds/{self.round:03d}"

    def in_round(self, number: int) -> "StepRound":
        """The same step in another round."""
        return self if number == self.round else replace(self, round=number)

    def __str__(self) -> str:
        return f"{self.run}/{self.step}" + (f" (round {self.round})" if self.round > 1 else "")


def is_free(step: str) -> bool:
    """Whether a step may have this name: those of records of the run are taken."""
    return step not in ("run.json", "verdict.json", "cancel.json", "ticking.json", "report.html")


def is_record(key: str) -> bool:
    """Whether this is the key of a record: one JSON value, which is never empty."""
    return _RECORD.fullmatch(key) is not None


def is_shard(key: str) -> bool:
    """Whether this is the key of a manifest: lines of JSON, the last of which ends, too."""
    return _SHARD.fullmatch(key) is not None


def is_soft(key: str) -> bool:
    """Whether nothing is lost with this object: a log, or what is found out and written again when it is not there."""
    return _SOFT.fullmatch(key) is not None


def run_json(run: str) -> str:
    """The resolved pipeline; created once, the moment the run exists."""
    return f"runs/{run}/run.json"


def given(run: str, name: str) -> str:
    """What a call from Python gave the run to work on: items, a table."""
    return f"runs/{run}/given/{name}"


def redrive_json(run: str, number: int) -> str:
    """What round `number` of a run does again; created once, the moment the round exists. Round 1 has none."""
    return f"runs/{run}/redrive-{number:03d}.json"


def run_verdict(run: str, number: int = 1) -> str:
    """How a round of a run ended; created once."""
    return f"runs/{run}/verdict.json" if number == 1 else f"runs/{run}/verdict-{number:03d}.json"


def report_html(run: str) -> str:
    """A run to look at, in one file; written over when a later round ends."""
    return f"runs/{run}/report.html"


def code(digest: str) -> str:
    """Snapshot of a code folder, by content, shared by runs."""
    return f"code/{digest}.zip"


def code_uses(digest: str) -> str:
    """Prefix of the notes on who is about to use or to remove a snapshot (`code_snapshots.uses`)."""
    return f"code-uses/{digest}/"


def removal(run: str) -> str:
    """Says that a run is being removed; created before anything of it goes, removed after everything has gone."""
    return f"removals/{run}"


def run_uses(run: str) -> str:
    """Prefix of the names of later runs that have taken over what this run made."""
    return f"runs/{run}/used-by/"


def deployment(name: str) -> str:
    """Prefix of what a deployment has in the store; code and runs are beside it."""
    return f"deployments/{name}/"


def deployment_code(name: str, digest: str = "") -> str:
    """Notes that a version of a deployment has brought this code; without a digest the prefix of all such notes."""
    return f"{deployment(name)}code/{digest}"


def deployment_json(name: str) -> str:
    """A pipeline that runs are started of by functions; replaced when it is deployed again."""
    return f"deployments/{name}/deployment.json"


def code_change(run: str, number: int) -> str:
    """Says that the code of a run was replaced while it was under way; created once, the first is number 1."""
    return f"runs/{run}/code-{number:03d}.json"


def assets(kind: str, name: str = "") -> str:
    """Prefix of the registered assets of a kind, or of the versions of one of them."""
    return f"assets/{kind}/{name}/" if name else f"assets/{kind}/"


def asset(kind: str, name: str, version: str) -> str:
    """A version of a registered asset: where it is, or how it is defined. Only its description and tags may change."""
    return f"{assets(kind, name)}{version}.json"


def step_json(at: StepRound) -> str:
    """What a node needs to know of a step; created once, when the step starts."""
    return f"{at.root}/step.json"


def plan_json(at: StepRound) -> str:
    """Summary of the plan; created when every manifest is written."""
    return f"{at.root}/plan.json"


def published_json(at: StepRound) -> str:
    """Says that every message has been sent, and to which queue."""
    return f"{at.root}/published.json"


def speculated(at: StepRound, index: int) -> str:
    """Says that a mini-batch had its second try beside the first; created once, before its message is sent."""
    return f"{at.root}/speculated/{index:09d}"


def queues(at: StepRound) -> str:
    """Prefix under which the step's queues are noted, one after the other; the last one is in use."""
    return f"{at.root}/queues/"


def queue(at: StepRound, number: int) -> str:
    return f"{queues(at)}{number:03d}"


def messages(pair: str) -> str:
    """Prefix of a queue pair in the store: a folder for each of its queues, in that one for each pack of messages."""
    return f"{MESSAGES}{pair}/"


def message_pair(pair: str) -> str:
    """The settings of a queue pair; created once: the pair exists. Removed first: it exists no more."""
    return f"{messages(pair)}pair.json"


def manifest(at: StepRound, shard: int) -> str:
    return f"{at.root}/manifests/{shard:05d}.jsonl"


def item_versions(at: StepRound, shard: int) -> str:
    """What the items of the mini-batches of a shard were when they were planned, for later runs to compare."""
    return f"{at.root}/versions/{shard:05d}.txt"


def known_json(at: StepRound) -> str:
    """The earlier run whose results the step takes over, mini-batch by mini-batch; created once, before its plan."""
    return f"{at.root}/known.json"


def spilled(at: StepRound) -> str:
    """Folder of the rows that planning has regrouped by partition keys."""
    return f"{at.root}/spilled"


def nodes(at: StepRound) -> str:
    """Prefix under which nodes announce themselves, one small object each."""
    return f"{at.root}/nodes/"


def node(at: StepRound, number: int) -> str:
    return f"{nodes(at)}{number:03d}"


def node_statuses(at: StepRound) -> str:
    """Prefix under which nodes say what they do just now; each writes over its own object every few seconds."""
    return f"{at.root}/node-status/"


def node_status(at: StepRound, number: int) -> str:
    return f"{node_statuses(at)}{number:03d}"


def fences(at: StepRound) -> str:
    """Prefix of the notes on nodes that are fenced."""
    return f"{at.root}/fenced/"


def fence(at: StepRound, node: int) -> str:
    """Says that what failed on this node does not count, and why; created once. The node leaves when it finds it."""
    return f"{fences(at)}{node:03d}"


def results(at: StepRound, node: int) -> str:
    return f"{at.root}/results/{node:03d}/"


def result(at: StepRound, node: int, seq: int) -> str:
    """What a node committed, in order; written once, never changed."""
    return f"{results(at, node)}{seq:08d}"


def staged(at: StepRound) -> str:
    """Prefix of files that attempts wrote into output folders, until the seal publishes the winners."""
    return f"{at.root}/staged/"


def staged_command(at: StepRound, node: int) -> str:
    """Prefix of what a worker's run of a command has made, a folder for each output, until the seal names that run."""
    return f"{staged(at)}command-{node:03d}/"


def sent(at: StepRound) -> str:
    """Prefix of the notes of shards whose messages have been sent to a standing queue."""
    return f"{at.root}/sent/"


def handed_json(at: StepRound) -> str:
    """Says that a command step, or the rest of a sealed step, has been handed to a function, and when."""
    return f"{at.root}/handed.json"


def reducing_json(at: StepRound) -> str:
    """Names the upload in parts that becomes a step's output, while it is under way; says when it is complete."""
    return f"{at.root}/reducing.json"


def ticking_json(run: str) -> str:
    """Which tick of a run comes next, and what the last one has seen."""
    return f"runs/{run}/ticking.json"


def artifacts(at: StepRound) -> str:
    """Prefix of what a command has left in its default folder."""
    return f"{at.root}/artifacts/"


def outputs(at: StepRound, output: str) -> str:
    """Default place of an output."""
    return f"{at.root}/outputs/{output}"


def verdict(at: StepRound) -> str:
    """The commit point of a step; created once."""
    return f"{at.root}/verdict.json"


def reused(at: StepRound) -> str:
    """Says that the step took over what a step of an earlier run made, and where that is; created once."""
    return f"{at.root}/reused.json"


def made_from_json(at: StepRound) -> str:
    """What the step was made from, as it was found when the step began."""
    return f"{at.root}/made-from.json"


def reusable(fingerprint: str) -> str:
    """What a completed step made, under the digest of all that it was made from; how a step ended, under its name."""
    return f"reuse/{fingerprint}.json"


def settled(at: StepRound) -> str:
    """Says that no mini-batch is left to do: nodes run shutdown() and leave."""
    return f"{at.root}/settled.json"


def supervised_json(at: StepRound) -> str:
    """Changes every few seconds while a process looks after nodes that an engine has placed elsewhere."""
    return f"{at.root}/supervised.json"


def cancel(run: str, number: int = 1) -> str:
    """The request to stop a round of the run."""
    return f"runs/{run}/cancel.json" if number == 1 else f"runs/{run}/cancel-{number:03d}.json"


def concluded_json(at: StepRound) -> str:
    """Says that all that follows from the seal is done: outputs and logs are in their places, the queues are gone."""
    return f"{at.root}/concluded.json"


def logs_of_run(at: StepRound) -> str:
    """Where a step's logs are once more, when it wants them beside the run; no step can have a name with a hyphen."""
    return f"runs/{at.run}/step-logs/{at.step}/{_round_folder(at)}"


def metrics_of_run(at: StepRound) -> str:
    """Where a step's progress.csv is once more, when it wants that."""
    return f"runs/{at.run}/step-metrics/{at.step}/{_round_folder(at)}progress.csv"


def _round_folder(at: StepRound) -> str:
    return "" if at.round == 1 else f"round-{at.round:03d}/"


def logs(at: StepRound) -> str:
    return f"{at.root}/logs/"


def trigger_objects(trigger: str, identity: str) -> str:
    """Says which run an object version belongs to; created once: it belongs to no other."""
    return f"triggers/{trigger}/objects/{identity}"


def trigger_starts(trigger: str) -> str:
    """Prefix of the runs that a trigger has begun to start, or has started, and that are not over."""
    return f"triggers/{trigger}/starts/"


def trigger_start(trigger: str, run: str) -> str:
    return f"{trigger_starts(trigger)}{run}.json"


def trigger_removed(trigger: str, run: str) -> str:
    """Says that a run of the trigger was removed: its objects start no other, however often events about them come."""
    return f"triggers/{trigger}/removed/{run}"


def trigger_unstarted(trigger: str) -> str:
    """Prefix of the dead letters of a trigger: what could not be started, and why."""
    return f"triggers/{trigger}/unstarted/"


def trigger_letter(trigger: str, name: str) -> str:
    return f"{trigger_unstarted(trigger)}{name}.json"


def trigger_arrivals(trigger: str, digest: str) -> str:
    """Folder with the list of the objects that one run gets, by content."""
    return f"triggers/{trigger}/arrivals/{digest}"


def trigger_copies(trigger: str, run: str) -> str:
    """Folder with copies of objects, where a run cannot read them in their place."""
    return f"triggers/{trigger}/copies/{run}"


def trigger_own(trigger: str) -> str:
    """Prefix of notes on where runs of a trigger write, which starts no others."""
    return f"triggers/{trigger}/own/"
