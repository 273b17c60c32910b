"""Runs the notebooks from top to bottom and writes what they print and draw into them.

python notebooks/execute.py             # all of them; `make notebooks` does that
python notebooks/execute.py 04          # those whose names begin so
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
TIMEOUT = 300  # seconds for a cell
SHARED = tempfile.TemporaryDirectory()  # where one notebook leaves the bank for the next


def executed(path: Path) -> NotebookNode:
    """The notebook at `path` as it comes out of a new kernel, in an empty folder, offline.

    Raises:
        nbclient.exceptions.CellExecutionError: A cell failed.
    """
    notebook = nbformat.read(path, as_version=4)
    offline = {"HF_HUB_OFFLINE": "1", "TMPDIR": SHARED.name}
    silent = {"PYTHONWARNINGS": "ignore", "TOKENIZERS_PARALLELISM": "false", "MPLBACKEND": ""}
    with tempfile.TemporaryDirectory() as place:
        client = NotebookClient(
            notebook,
            timeout=TIMEOUT,
            kernel_name="python3",
            resources={"metadata": {"path": place}},
        )
        client.execute(env={**os.environ, **offline, **silent})
    return clean(notebook)


def clean(notebook: NotebookNode) -> NotebookNode:
    """Without what differs from one run or machine to the next: times, ids, versions."""
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number:02}"
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = _joined(cell.outputs)
    return notebook


def _joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Prints in one piece, however the kernel cut them up; nothing of stderr."""
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
    """Runs those that are named, or all."""
    wanted = tuple(sys.argv[1:]) or ("",)
    for path in sorted(FOLDER.glob("*.ipynb")):
        if path.name.startswith(wanted):
            print(path.name, flush=True)
            nbformat.write(executed(path), path)


if __name__ == "__main__":
    main()
