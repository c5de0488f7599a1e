"""The command line: ``python tests/stress``."""

import argparse
import os
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]  # for ``stress`` and ``experiments``


def main(arguments: list[str] | None = None) -> int:
    """Measure the parts. Returns the exit code: 0; 1 if something was not withstood."""
    from experiments import robustness
    from stress import exports, fuzz, kill, mutations, serve, soak

    modules = {"kill": kill, "fuzz": fuzz, "soak": soak, "serve": serve, "exports": exports, "mutants": mutations}
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    description = "Measure what the project withstands; without a part, all of it."
    parser = argparse.ArgumentParser(prog="python tests/stress", description=description)
    default = robustness.RECORD
    parser.add_argument("--record", type=Path, default=default, help=f"file of the figures; default: {default}")
    commands = parser.add_subparsers(dest="part", metavar="PART")
    parts = {}
    for name, module in modules.items():
        summary = (module.__doc__ or "").partition("\n")[0]
        parts[name] = commands.add_parser(name, help=summary, description=summary)
        module.add_options(parts[name])
    options = parser.parse_args(arguments)

    withstood = True
    for name in [options.part] if options.part else robustness.PARTS:
        figures = modules[name].measure(options if options.part else parts[name].parse_args([]))
        robustness.write(name, figures, options.record)
        print("\n".join(f"{name}: {key}: {value}" for key, value in figures.items()), flush=True)
        withstood &= figures["passed"]
    return 0 if withstood else 1


if __name__ == "__main__":
    sys.exit(main())
