"""Every notebook runs, and prints and draws what stands in it."""

import importlib.util
import re
from pathlib import Path

import pytest

pytest.importorskip("nbclient", reason="nbclient is not installed")
pytest.importorskip("matplotlib", reason="matplotlib is not installed")

import nbformat

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NUMBER = re.compile(r"-?\d+\.\d+")
CLOSE = 0.06  # sums come out a little different on another processor

_spec = importlib.util.spec_from_file_location("execute", ROOT / "notebooks" / "execute.py")
execute = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(execute)


def in_worker(path):
    """Return a notebook as a parameter; 03 reads the bank of 02, so one worker runs both."""
    group = "02_langchain" if path.stem == "03_llamaindex" else path.stem
    return pytest.param(path, id=path.stem, marks=pytest.mark.xdist_group(group))


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def told(cell):
    """What a cell printed and returned; of a picture, that there is one."""
    shown = []
    for output in cell.outputs:
        if output.output_type == "stream":
            shown.append(output.text)
        else:
            data = output.data
            shown.append("a picture" if "image/png" in data else data["text/plain"])
    return "\n".join(shown)


def test_there_are_eight():
    assert [path.name[:2] for path in NOTEBOOKS] == [f"{number:02}" for number in range(1, 9)]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", [in_worker(path) for path in NOTEBOOKS])
def test_the_outputs_are_of_this_code(path):
    committed = code_cells(nbformat.read(path, as_version=4))
    now = code_cells(execute.executed(path))
    for old, new in zip(committed, now, strict=True):
        if "varies" in old.metadata.get("tags", []):  # by a model's words, or by the processor
            assert bool(told(old)) == bool(told(new))
            continue
        assert NUMBER.sub("#", told(old)) == NUMBER.sub("#", told(new)), old.source
        numbers = [list(map(float, NUMBER.findall(told(cell)))) for cell in (old, new)]
        assert numbers[0] == pytest.approx(numbers[1], abs=CLOSE), old.source


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_fit_to_be_shown(path):
    assert path.stat().st_size < 600_000
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.cells[0].source.startswith("# ")
    assert "next" in notebook.cells[-1].source
    for cell in code_cells(notebook):
        assert cell.execution_count, "not executed: run make notebooks"
        assert not any(output.output_type == "error" for output in cell.outputs)
        assert "/tmp/" not in told(cell)
        assert "/home/" not in told(cell)
