"""Execute the tutorial's cells anew and keep what they give: ``python docs/execute.py``."""

from pathlib import Path

import nbformat
from nbclient import NotebookClient

TUTORIAL = Path(__file__).with_name("tutorial.ipynb")


def execute(path: Path) -> None:
    """Run a notebook in a kernel of its own and write it again, without TensorFlow's log."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, record_timing=False).execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    nbformat.write(notebook, path)


if __name__ == "__main__":
    execute(TUTORIAL)
