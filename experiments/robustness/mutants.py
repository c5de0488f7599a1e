"""Break the mathematics, one change at a time, and count the changes that the tests notice (``tests/mutations.py``)."""

import argparse

from rich.progress import track

from experiments.robustness import Figures, from_tests


def add_options(parser: argparse.ArgumentParser) -> None:
    """Of this part."""
    parser.add_argument("--every", type=int, default=1, help="try each n-th mutant alone; default: 1, all")
    parser.add_argument("--jobs", type=int, help="mutants at a time; default: as many as there are cores")


def measure(options: argparse.Namespace) -> Figures:
    """Run the tests against each mutant."""
    mutations = from_tests("mutations")
    total = len(mutations.MUTANTS[:: options.every])
    tried = list(track(mutations.tried(options.every, options.jobs), "mutants", total))
    survivors = [mutant for mutant, survived in tried if survived]
    return {
        "mutants": total,
        "killed": total - len(survivors),
        "survivors": [
            {"file": file, "old": old, "new": new, "reason": mutations.REASONS.get((file, old, new), "no reason known")}
            for file, old, new in survivors
        ],
        "passed": len(survivors) <= 0.1 * total,
    }
