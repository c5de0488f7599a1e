"""The console script ``vae-moe``, which answers ``--help`` and refuses wrong input without waiting for TensorFlow.

``vae_moe/__init__.py`` imports the models, so that Keras knows them. The command imports what it needs of the package
piece by piece, and the package itself unexecuted.
"""

import importlib.util
import sys


def main() -> int:
    """The command line; returns the exit code."""
    spec = importlib.util.find_spec("vae_moe")
    assert spec is not None  # it is installed with this file
    sys.modules.setdefault("vae_moe", importlib.util.module_from_spec(spec))
    from vae_moe import app

    return app.main()
