"""infra/template.yml with the values of one deployment as the defaults of its parameters."""

import json
import re
from collections.abc import Mapping

from fanout.aws.infra_files import infra_file

TEMPLATE = "template.yml"
_HEAD = "\nConditions:\n"
_PARAMETER = re.compile(r"^  (?P<name>[A-Za-z]+):\n(?P<keys>(?:    .*\n)+)", re.MULTILINE)
_DEFAULT = re.compile(r"^    Default: .*\n", re.MULTILINE)


def template_defaults() -> dict[str, str]:
    """The default values of the template's parameters."""
    import yaml

    declared = yaml.safe_load(infra_file(TEMPLATE).partition(_HEAD)[0])["Parameters"]  # no tags of CloudFormation there
    return {name: str(one["Default"]) for name, one in declared.items() if "Default" in one}


def rendered(values: Mapping[str, str]) -> str:
    """The template, its text unchanged but for the defaults."""
    text = infra_file(TEMPLATE)
    head, mark, rest = text.partition(_HEAD)

    def with_default(found: re.Match[str]) -> str:
        name, lines = found["name"], found["keys"]
        if name not in values:
            return found[0]
        return f"  {name}:\n{_DEFAULT.sub('', lines)}    Default: {json.dumps(values[name])}\n"

    return _PARAMETER.sub(with_default, head) + mark + rest
