"""The command line: ``python -m experiments.tables``."""

import sys

from experiments.tables import main

if __name__ == "__main__":
    sys.exit(main())
