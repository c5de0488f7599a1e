"""``python -m experiments.gaps``."""

import sys

from experiments.gaps import main

if __name__ == "__main__":
    sys.exit(main())
