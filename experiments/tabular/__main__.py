"""The command line: ``python -m experiments.tabular``."""

import sys

from experiments.tabular import main

if __name__ == "__main__":
    sys.exit(main())
