"""Made-up names of runs, in Azure's manner: `brave_lake_x7kq2m`."""

import random
import re

from fanout.errors import RunError

ADJECTIVES = """
amber bold brave bright calm clever cool crisp deep eager fair fast fine firm fresh gentle glad golden good grand green
happy honest jolly keen kind light lively lucky mild neat noble plain proud quick quiet ready rich sharp silver smart
soft solid steady strong sunny swift tall true warm wise witty young
""".split()  # noqa: SIM905 - read as a text
NOUNS = """
acorn apple arch basin bay beach bell bird boat branch bridge brook canyon cedar cliff cloud coast comet coral creek
dune eagle elm falcon fern field fjord flame forest garden glade grove harbor hill island ivory kettle lake lark leaf
maple marsh meadow moon oak olive orchid otter palm peak pearl pebble pine pond rain reed ridge river root rose sail
seed shell shore sky snow spring star stone storm stream sun tide tree valley wave willow wind
""".split()  # noqa: SIM905 - read as a text
LETTERS = "0123456789bcdfghjkmnpqrstvwxyz"
VALID = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}")


def make_name(chance: random.Random) -> str:
    """A new name; one in a hundred billion is made twice."""
    tail = "".join(chance.choices(LETTERS, k=6))
    return f"{chance.choice(ADJECTIVES)}_{chance.choice(NOUNS)}_{tail}"


def check_name(name: str) -> str:
    """`name`, when it can name a run (it becomes part of keys and queue names); else RunError."""
    if not VALID.fullmatch(name) or ".." in name:
        raise RunError(
            f"{name!r} cannot name a run: expected up to 128 letters, digits, '_', '-' and '.', starting with a letter "
            "or digit"
        )
    return name


def new_name(wanted: str | None) -> str:
    """The name of a new run: the given one, else a made-up one. RunError when it is not valid."""
    return check_name(wanted) if wanted else make_name(random.Random())  # noqa: S311 - a name guards nothing
