"""Run the notebooks and save their output in them.

python notebooks/execute.py             # all notebooks, as `make notebooks` does
python notebooks/execute.py 04          # notebooks whose names begin with 04
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

FOLDER = Path(__file__).parent
TIMEOUT = 300  # seconds, for one cell
SHARED = tempfile.TemporaryDirectory()  # for a bank that one notebook writes and another reads


def execute(path: Path) -> NotebookNode:
    """Run a notebook in a new kernel, in an empty folder, offline, and return it with its output.

    Raises:
        nbclient.exceptions.CellExecutionError: If a cell fails.
    """
    notebook = nbformat.read(path, as_version=4)
    offline = {"HF_HUB_OFFLINE": "1", "TMPDIR": SHARED.name}
    silent = {"PYTHONWARNINGS": "ignore", "TOKENIZERS_PARALLELISM": "false", "MPLBACKEND": ""}
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            timeout=TIMEOUT,
            kernel_name="python3",
            resources={"metadata": {"path": folder}},
        )
        client.execute(env={**os.environ, **offline, **silent})
    return clean(notebook)


def clean(notebook: NotebookNode) -> NotebookNode:
    """Remove what differs between runs and machines: times, ids, versions."""
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number:02}"
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = _join_streams(cell.outputs)
    return notebook


def _join_streams(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Join consecutive outputs to stdout, which the kernel splits arbitrarily, and drop stderr."""
    kept: list[NotebookNode] = []
    for output in outputs:
        if output.output_type == "stream":
            if output.name == "stderr":
                continue
            if kept and kept[-1].output_type == "stream":
                kept[-1].text += output.text
                continue
        output.get("metadata", {}).clear()
        kept.append(output)
    return kept


def main() -> None:
    """Run the notebooks named on the command line, or all."""
    prefixes = tuple(sys.argv[1:]) or ("",)
    for path in sorted(FOLDER.glob("*.ipynb")):
        if path.name.startswith(prefixes):
            print(path.name, flush=True)
            nbformat.write(execute(path), path)


if __name__ == "__main__":
    main()
