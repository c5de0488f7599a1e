"""The import of TensorFlow, without the lines in which it describes the machine."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

#: How lines begin that say what was found or registered, and those about oneDNN and CUDA of any weight.
DESCRIPTIONS = (
    rb"WARNING: All log messages before absl::InitializeLog|I\d{4} |"
    rb"([WE]\d{4} |\d{4}-\d\d-\d\d .* [IWE] )"
    rb"(?i:.*(onednn|cuda|cuinit|cudnn|cublas|cufft|tensorrt|gpu|already.*regist))"
)
FILTER = f"""
import re, sys
for line in sys.stdin.buffer:
    if not re.match({DESCRIPTIONS!r}, line):
        sys.stderr.buffer.write(line)
"""


def import_tensorflow() -> None:
    """Import TensorFlow and look for its devices. Numbers do not change: no setting of TensorFlow's does."""
    if "tensorflow" in sys.modules:
        return
    with _without_descriptions():
        import tensorflow

        tensorflow.config.list_logical_devices()


@contextmanager
def _without_descriptions() -> Iterator[None]:
    """What libraries write to the process' standard error, less DESCRIPTIONS.

    They are C++ and write before their log levels are read: only the file descriptor can be had. Another process reads
    it, so that what a library says before it aborts is not lost.
    """
    sys.stderr.flush()
    ours = os.dup(2)
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", FILTER], stdin=subprocess.PIPE, stderr=ours, start_new_session=True
    ) as reader:
        assert reader.stdin is not None
        os.dup2(reader.stdin.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(ours, 2)
            os.close(ours)
