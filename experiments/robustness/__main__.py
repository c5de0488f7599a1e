"""The command line: ``python -m experiments.robustness [kill | fuzz | soak | mutants]``."""

import argparse
import os
import sys
from pathlib import Path

from experiments import robustness
from experiments.robustness import fuzz, kill, mutants, soak

PARTS = {"kill": kill, "fuzz": fuzz, "soak": soak, "mutants": mutants}


def main(arguments: list[str] | None = None) -> int:
    """The command line. Returns the exit code: 0; 1 if something was not withstood."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    description = "Measure what the project withstands; without a part, all of it."
    parser = argparse.ArgumentParser(prog="python -m experiments.robustness", description=description)
    record = robustness.RECORD
    parser.add_argument("--record", type=Path, default=record, help=f"file of the figures; default: {record}")
    parts = parser.add_subparsers(dest="part", metavar="PART")
    commands = {}
    for name, module in PARTS.items():
        summary = (module.__doc__ or "").partition("\n")[0]
        commands[name] = parts.add_parser(name, help=summary, description=summary)
        module.add_options(commands[name])
    options = parser.parse_args(arguments)

    withstood = True
    for name in [options.part] if options.part else PARTS:
        figures = PARTS[name].measure(options if options.part else commands[name].parse_args([]))
        robustness.write(name, figures, options.record)
        print("\n".join(f"{name}: {key}: {value}" for key, value in figures.items()), flush=True)
        withstood &= figures["passed"]
    return 0 if withstood else 1


if __name__ == "__main__":
    sys.exit(main())
