"""README.md, the pages of docs/ and the tutorial as pages of a site, whose links lead somewhere in it."""

import re
import shutil
from html import escape
from os.path import relpath
from pathlib import Path

import markdown2
import nbformat
from jinja2 import Environment, FileSystemLoader
from pygments.formatters import HtmlFormatter

ROOT = Path(__file__).parents[2]
SOURCES = [ROOT / "README.md", ROOT / "docs" / "tutorial.ipynb", *sorted((ROOT / "docs").glob("*.md"))]
SOURCES.append(ROOT / "CHANGELOG.md")
EXTRAS = {"tables": None, "fenced-code-blocks": None, "header-ids": None, "code-friendly": None, "cuddled-lists": None}


def write(folder: Path) -> None:
    """Write a page for each source to a folder that has the reference, and copies of the files that they link to.

    Raises:
        ValueError: a link leads nowhere.
    """
    template = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)
    made = {source: folder / f"{'index' if source.stem == 'README' else source.stem}.html" for source in SOURCES}
    style = HtmlFormatter().get_style_defs(".codehilite")
    for source, page in made.items():
        text = notebook(source) if source.suffix == ".ipynb" else source.read_text(encoding="utf-8")
        body = re.sub(
            r'<(a|img)([^>]*?) (href|src)="(?!\w+:|#)([^"#]*)(#[^"]*)?"',
            lambda found, source=source: _link(found, source, folder, made),  # type: ignore[misc]
            str(markdown2.markdown(text, extras=EXTRAS | ({"latex": None} if "$$" in text else {}))),
        )
        names = {other.stem: target.name for other, target in made.items()}
        shown = template.get_template("page.html.jinja2").render(title=source.stem, body=body, names=names, style=style)
        page.write_text(shown, encoding="utf-8")
    check(folder)


def notebook(path: Path) -> str:
    """A notebook as Markdown, with what its cells gave."""
    parts = []
    for cell in nbformat.read(path, as_version=4).cells:
        parts.append(cell.source if cell.cell_type == "markdown" else f"```python\n{cell.source}\n```")
        for output in cell.get("outputs", []):
            data = output.get("data", {"text/plain": output.get("text", "")})
            if "image/png" in data:
                parts.append(f'<img alt="what the cell draws" src="data:image/png;base64,{data["image/png"].strip()}">')
            else:
                parts.append(f"<pre>{escape(data['text/plain'])}</pre>")
    return "\n\n".join(parts)


def check(folder: Path) -> None:
    """Raise ValueError for a link of a page that leads to no file, or to no place in its page."""
    ids: dict[Path, set[str]] = {}
    for page in folder.glob("*.html"):
        for target, place in re.findall(r'(?:href|src)="(?!\w+:)([^"#]*)#?([^"]*)"', page.read_text(encoding="utf-8")):
            path = (folder / target).resolve() if target else page
            if not path.exists():
                raise ValueError(f"{page.name} links to {target}, which is not there.")
            if place and path not in ids:
                ids[path] = set(re.findall(r'id="([^"]+)"', path.read_text(encoding="utf-8")))
            if place and place not in ids[path]:
                raise ValueError(f"{page.name} links to {target}#{place}, which is no heading there.")


def _link(found: re.Match, source: Path, folder: Path, made: dict[Path, Path]) -> str:
    """The beginning of an element with the link of a source as it is in the site."""
    element, more, name, target, place = found.groups()
    path = (source.parent / target).resolve()
    module = (folder / "reference" / relpath(path, ROOT)).with_suffix(".html")
    if path in made:
        page = made[path]
    elif path.suffix == ".py" and module.exists():
        page = module
    elif path.is_file():
        page = folder / "files" / relpath(path, ROOT)
        page.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, page)
    elif path.is_dir():
        return f"<{element}{more}"
    else:
        raise ValueError(f"{source} links to {target}, which is not there.")
    return f'<{element}{more} {name}="{relpath(page, folder)}{place or ""}"'
