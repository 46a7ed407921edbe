"""What Azure's SDK says of pipeline files: run by the interpreter that has it, in a virtual environment of its own.

Reads a JSON list of paths, writes a JSON object: for each path null when the SDK loads it and finds it valid, else what
it says. Nothing is sent anywhere: loading and validating are local.
"""

import json
import logging
import sys
import warnings

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)


def main() -> None:
    from azure.ai.ml import load_job

    def say(path: str) -> str | None:
        try:
            verdict = load_job(path)._customized_validate()  # all that loading has not checked
        except Exception as exc:  # noqa: BLE001 - whatever it says is what is asked for
            return sentences(str(exc))
        return None if verdict.passed else "\n".join(f"{key}: {said}" for key, said in verdict.error_messages.items())

    def sentences(text: str) -> str:
        """The problems in its text, which has them as JSON among advice; all of the text when it has none."""
        try:
            found = json.loads(text[text.index("{") : text.rindex("}") + 1])["errors"]
        except (ValueError, KeyError):
            return text
        return "\n".join(f"{each['path']}: {each['message']}" for each in found)

    print(json.dumps({path: say(path) for path in json.load(sys.stdin)}))


main()
