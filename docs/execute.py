"""Execute the tutorial's cells and the ways' scripts anew, and keep what they give: ``make tutorial``."""

import datetime
import itertools
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from experiments.runs import machine

DOCS = Path(__file__).parent
TUTORIAL = DOCS / "tutorial.ipynb"
WAYS = [DOCS / "ways" / name for name in ("table.sh", "images.sh", "report.sh", "keras_models.py", "serving.sh")]
BEGINNING = """# Five ways to use it

Each is a script in [ways/](ways); what follows are its commands with what they print, and how long they take.
"""


def execute(path: Path) -> None:
    """Run a notebook in a kernel of its own and write it again, without TensorFlow's log."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, record_timing=False).execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    nbformat.write(notebook, path)


def steps(script: Path) -> tuple[str, list[tuple[str, str]]]:
    """The title of a script, and its commands with what is said of each: paragraphs, after the first; or all of it."""
    first, rest = script.read_text(encoding="utf-8").strip().split("\n\n", 1)
    if script.suffix == ".py":
        return first.strip('"'), [("In Python:", rest)]
    parted = [re.fullmatch(r"((?:# [^\n]*\n)*)(.*)", each, re.DOTALL) for each in rest.split("\n\n")]
    said = [(" ".join(line[2:] for line in each[1].splitlines()), each[2]) for each in parted if each]
    return re.findall(r"^# (.*)", first, re.MULTILINE)[0], said


def way(script: Path) -> str:
    """The section of a script, which is executed in an empty folder."""
    title, said = steps(script)
    commands = [f"python {script.resolve()}"] if script.suffix == ".py" else [command for _, command in said]
    parts = zip(said, _printed(commands), strict=True)
    kind = script.suffix[1:]
    made = [f"\n{words}\n\n```{kind}\n{command}\n```\n{out}" for (words, command), out in parts]
    return f"\n## {title}\n" + "".join(made)


def _printed(commands: list[str]) -> list[str]:
    """What commands of one shell print, as blocks, and the seconds that each took."""
    mark = "printf '\\0%s\\0' $EPOCHREALTIME\n"
    code = (
        "trap 'kill $(jobs -p) 2> /dev/null || true' EXIT\n"
        + mark
        + "".join(f"{command}\n{mark}" for command in commands)
    )
    paths = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(DOCS.resolve().parent)}
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            cwd=folder,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **paths},
        )
    if done.returncode:
        raise RuntimeError(done.stdout[-3000:])
    parts = done.stdout.split("\0")
    taken = [after - before for before, after in itertools.pairwise(map(float, parts[1::2]))]
    blocks = [f"\n```text\n{text}```\n" if text else "" for text in map(_without_log, parts[2::2])]
    return [f"{block}\n{seconds:.1f} s.\n" for block, seconds in zip(blocks, taken, strict=False)]


def _without_log(printed: str) -> str:
    """Lines without those of TensorFlow about the machine."""
    lines = printed.splitlines(keepends=True)
    return "".join(line for line in lines if not re.match(r"WARNING: All log|[IWE]\d{4} ", line))


if __name__ == "__main__":
    if "--ways" not in sys.argv:
        execute(TUTORIAL)
    made = "".join(map(way, WAYS))
    end = f"\nExecuted on {machine()}, {datetime.date.today()}, beside other work: `make tutorial`.\n"
    (DOCS / "ways.md").write_text(BEGINNING + made + end, encoding="utf-8")
