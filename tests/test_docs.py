"""README.md and docs/: their snippets run, their commands are understood, the names they link to exist."""

import argparse
import importlib
import re
import runpy
import shlex
import shutil
import subprocess
import warnings
from pathlib import Path

import nbformat
import pytest
import yaml

from experiments import clustering, recipes
from vae_moe import app, registry
from vae_moe.data import datasets

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TUTORIAL = ROOT / "docs" / "tutorial.ipynb"
EXECUTE = runpy.run_path(str(ROOT / "docs" / "execute.py"))
WAYS = EXECUTE["WAYS"]


def blocks(page, language):
    """The fenced blocks of a language, in order; those without one are commands."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [block for name, block in found if name == language]


def commands(page):
    """The commands of a page, in blocks and in the running text, as words without comments."""
    lines = "\n".join(blocks(page, "")).split("\n")
    text = page.read_text(encoding="utf-8").replace("\n", " ")
    spans = re.findall(r"`((?:vae-moe|python -m experiments\.|make )[^`]+)`", text)
    return [words for line in [*lines, *spans] if (words := shlex.split(line, comments=True))]


ALL_COMMANDS = sorted({shlex.join(words) for page in PAGES for words in commands(page)})


def run(code, file, namespace):
    """Run code as that of a file, for TensorFlow reads the source of what it traces."""
    file.write_text(code, encoding="utf-8")
    exec(compile(code, file.resolve(), "exec"), namespace)


@pytest.mark.usefixtures("short_steps")
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.name)
def test_snippets_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "MODELS", dict(registry.MODELS))
    namespace = {"__name__": page.stem}
    for i, snippet in enumerate(blocks(page, "python")):
        run(snippet, Path(f"{page.stem}-{i}.py"), namespace)


class Understood(Exception):
    """A parser took its arguments, and what it belongs to does not go on."""


@pytest.fixture
def parse_only(monkeypatch):
    parse = argparse.ArgumentParser.parse_args

    def parse_args(*arguments):
        raise Understood(parse(*arguments))

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_args)


@pytest.mark.parametrize("command", [command for command in ALL_COMMANDS if command.startswith("vae-moe ")])
def test_vae_moe_understands(command, parse_only):
    with pytest.raises(Understood):
        app.main(shlex.split(command)[1:])


@pytest.mark.parametrize("command", [c for c in ALL_COMMANDS if c.startswith("python -m experiments.")])
def test_experiments_understand(command, parse_only):
    _, _, module, *arguments = shlex.split(command)
    with pytest.raises(Understood) as understood:
        importlib.import_module(module).main(arguments)
    (options,) = understood.value.args
    assert module != "experiments.train" or options.name in recipes.names()


def test_make_understands():
    targets = [shlex.split(command)[1:] for command in ALL_COMMANDS if command.startswith("make ")]
    assert targets
    for arguments in targets:
        subprocess.run(["make", "--dry-run", *arguments], cwd=ROOT, check=True, capture_output=True)


def test_every_command_is_of_a_known_kind():
    kinds = ("vae-moe ", "python -m experiments.", "make ", "pip install ", "tensorboard ", "git clone ", "cd ")
    assert not [command for command in ALL_COMMANDS if not command.startswith(kinds)]


def links():
    """(page, text, target) of every link to a place in the repository."""
    for page in PAGES:
        for text, target in re.findall(r"\[([^\]]*)\]\(([^)#\s]+)\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                yield page, text, target


def test_links_lead_somewhere():
    found = list(links())
    assert len(found) > 50
    assert not [(page.name, target) for page, _, target in found if not (page.parent / target).exists()]


def test_linked_names_exist():
    """[`Class.method`](../package/module.py): the name is in the module, and was defined there."""
    names = {
        (text.strip("`"), (page.parent / target).resolve()) for page, text, target in links() if target.endswith(".py")
    }
    assert len(names) > 40
    for name, path in sorted(names):
        module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
        value = module
        for part in name.split("."):
            value = getattr(value, part)
        assert getattr(value, "__module__", module.__name__) == module.__name__, name


def test_design_lists_every_module():
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    paths = [path for path in sorted((ROOT / "vae_moe").rglob("*.py")) if not path.name.startswith("_")]
    assert not [str(path.relative_to(ROOT)) for path in paths if path.name not in text]


def test_the_tutorials_cells_run(tmp_path, monkeypatch):
    """With short trainings: the cell tagged "parameters" is followed by smaller ones, as papermill does it."""
    notebook = nbformat.read(TUTORIAL, as_version=4)
    nbformat.validate(notebook)
    assert TUTORIAL.stat().st_size < 500_000
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    namespace = {"__name__": "tutorial"}
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        assert cell.outputs or cell.execution_count, "kept as executed"
        run(cell.source, Path(f"cell-{cell.id}.py"), namespace)
        if "parameters" in cell.metadata.get("tags", []):
            namespace |= {"EPOCHS": 2, "START_EPOCHS": 5}


def test_ways_are_those_of_their_scripts_and_understood(parse_only):
    page = (ROOT / "docs" / "ways.md").read_text(encoding="utf-8")
    for script in WAYS:
        title, said = EXECUTE["steps"](script)
        assert f"## {title}\n" in page
        for words, command in said:
            assert f"{words}\n\n```{script.suffix[1:]}\n{command}\n```\n" in page
            if command.startswith("vae-moe"):
                with pytest.raises(Understood):
                    app.main(shlex.split(command.partition("|")[0].rstrip("&"))[1:])


@pytest.mark.slow
@pytest.mark.parametrize("script", WAYS, ids=lambda path: path.stem)
def test_ways_end_well(script):
    if "curl" in script.read_text(encoding="utf-8") and not shutil.which("curl"):
        pytest.skip("curl is not there")
    assert EXECUTE["way"](script)


def test_the_site_has_all_pages_and_its_links_lead_somewhere(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs" / "reference")
    pages = importlib.import_module("pages")
    (tmp_path / "reference").mkdir()
    (tmp_path / "reference" / "index.html").touch()
    pages.write(tmp_path)  # raises for a link that leads nowhere
    assert len(list(tmp_path.glob("*.html"))) == len(PAGES) + 2
    tutorial = (tmp_path / "tutorial.html").read_text(encoding="utf-8")
    assert "data:image/png" in tutorial and "DMVAEClustering" in tutorial
    (tmp_path / "index.html").write_text('<a href="ways.html#no-such-way">', encoding="utf-8")
    with pytest.raises(ValueError, match="no-such-way, which is no heading"):
        pages.check(tmp_path)


def test_the_reference_is_made_without_warnings(tmp_path):
    program = runpy.run_path(str(ROOT / "docs" / "reference"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        program["write"](tmp_path)
    page = (tmp_path / "vae_moe" / "layers" / "mixture_prior.html").read_text(encoding="utf-8")
    assert "relaxed_kl" in page and "KL(N(z_mean, exp z_log_var)" in page
    assert "vae_moe/estimators.html" in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_the_citation_is_whole():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors", "license", "references"} <= set(citation)


def test_the_pages_say_what_labels_chose():
    """Training sees no label, but recipes were chosen with labels: no page says otherwise, and one tells which."""
    for page in PAGES:
        text = " ".join(page.read_text(encoding="utf-8").split())
        assert not re.search(r"nothing was chosen by|[Nn]o label trains or chooses", text), page
    assert "## What chose what" in (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    for page in ("README.md", "docs/results.md"):
        assert "design.md#what-chose-what" in (ROOT / page).read_text(encoding="utf-8").replace("\n", "")


def test_what_is_published_names_its_paper_and_hhar_its_data():
    assert all(re.search(r"\([A-Z]\w+ (et al\.|and [A-Z]\w+) \d{4}\)$", name) for name in clustering.PUBLISHED)
    for text in (datasets.hhar.__doc__, (ROOT / "docs" / "training.md").read_text(encoding="utf-8")):
        assert "UCI HAR" in text and "Stisen et al. 2015" in text
