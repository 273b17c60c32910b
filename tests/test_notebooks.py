"""Every notebook runs, and its stored output is what it prints and draws."""

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
TOLERANCE = 0.06  # results differ slightly between processors

_spec = importlib.util.spec_from_file_location("execute", ROOT / "notebooks" / "execute.py")
execute = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(execute)


def in_worker(path):
    """Return a notebook as a parameter; 03 reads the bank of 02, so one worker runs both."""
    group = "02_langchain" if path.stem == "03_llamaindex" else path.stem
    return pytest.param(path, id=path.stem, marks=pytest.mark.xdist_group(group))


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def output_of(cell):
    """Return the text that a cell printed and returned, with "a picture" for each picture."""
    texts = []
    for output in cell.outputs:
        if output.output_type == "stream":
            texts.append(output.text)
        else:
            data = output.data
            texts.append("a picture" if "image/png" in data else data["text/plain"])
    return "\n".join(texts)


def test_there_are_eight():
    assert [path.name[:2] for path in NOTEBOOKS] == [f"{number:02}" for number in range(1, 9)]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", [in_worker(path) for path in NOTEBOOKS])
def test_stored_outputs_match_the_code(path):
    committed = code_cells(nbformat.read(path, as_version=4))
    now = code_cells(execute.execute(path))
    for old, new in zip(committed, now, strict=True):
        if "varies" in old.metadata.get("tags", []):  # with the model or the processor
            assert bool(output_of(old)) == bool(output_of(new))
            continue
        assert NUMBER.sub("#", output_of(old)) == NUMBER.sub("#", output_of(new)), old.source
        numbers = [list(map(float, NUMBER.findall(output_of(cell)))) for cell in (old, new)]
        assert numbers[0] == pytest.approx(numbers[1], abs=TOLERANCE), old.source


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_complete_and_clean(path):
    assert path.stat().st_size < 600_000
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.cells[0].source.startswith("# ")
    assert "next" in notebook.cells[-1].source
    for cell in code_cells(notebook):
        assert cell.execution_count, "not executed: run make notebooks"
        assert not any(output.output_type == "error" for output in cell.outputs)
        assert "/tmp/" not in output_of(cell)
        assert "/home/" not in output_of(cell)
