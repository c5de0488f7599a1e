"""The command line: ``python -m experiments.survey``."""

import sys

from experiments.survey import main

if __name__ == "__main__":
    sys.exit(main())
