"""The command line: ``python -m experiments.robustness``."""

import sys

from experiments.robustness import main

if __name__ == "__main__":
    sys.exit(main())
