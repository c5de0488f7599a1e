"""A page of titled sections, made of blocks, as one HTML file that needs nothing else: pictures and style are in it.

Blocks are plain dictionaries, so that a page can be kept as JSON. Whatever a block holds is foreign text, and escaped.
"""

import base64
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from vae_moe.data import files

Block = dict[str, Any]
Cell = str | dict[str, Any]


def text(words: str, tone: str = "") -> Block:
    """A paragraph; tone is "", "soft", "good" or "warn"."""
    return {"kind": "text", "text": words, "tone": tone}


def code(words: str) -> Block:
    """A command."""
    return {"kind": "code", "text": words}


def tiles(values: Iterable[tuple[str, str, str]]) -> Block:
    """Figures worth seeing first: (name, value, note)."""
    return {"kind": "tiles", "tiles": [{"name": name, "value": value, "note": note} for name, value, note in values]}


def table(head: Sequence[str], rows: Iterable[Sequence[Cell]], caption: str = "") -> Block:
    """A table; cells are text or what ``bar`` and ``dot`` make."""
    return {"kind": "table", "head": list(head), "rows": [list(row) for row in rows], "caption": caption}


def figure(name: str, caption: str, *, wide: bool = False, pixels: bool = False) -> Block:
    """A picture by its name; wide ones scroll on a narrow screen, pixels are drawn as such."""
    return {"kind": "figure", "name": name, "caption": caption, "wide": wide, "pixels": pixels}


def cards(values: Iterable[tuple[Cell, Sequence[Block]]]) -> Block:
    """Boxes beside each other: (title, blocks)."""
    return {"kind": "cards", "cards": [{"title": title, "blocks": list(blocks)} for title, blocks in values]}


def bar(words: str, share: float) -> Cell:
    """Words over a bar of a share in [-1, 1]; less than 0 has another colour."""
    return {"text": words, "bar": max(-1.0, min(1.0, share))}


def dot(words: str, colour: str) -> Cell:
    """Words after a dot of a colour, "#rrggbb"."""
    return {"text": words, "dot": colour}


@dataclass(frozen=True, eq=False)
class Page:
    """Titled sections of blocks, and their pictures.

    Attributes:
        title: of the page.
        subtitle: a line under it.
        sections: blocks by title; those without blocks are left out.
        pictures: PNG files by name, one for each ``figure``.
    """

    title: str
    subtitle: str
    sections: dict[str, list[Block]]
    pictures: dict[str, bytes] = field(default_factory=dict)

    @property
    def html(self) -> str:
        """The page."""
        uris = {name: f"data:image/png;base64,{base64.b64encode(png).decode()}" for name, png in self.pictures.items()}
        sections = {title: blocks for title, blocks in self.sections.items() if blocks}
        return _template().render(title=self.title, subtitle=self.subtitle, sections=sections, pictures=uris)

    def write(self, folder: str | Path) -> None:
        """Write ``report.html``, and what it is made of: ``report.json`` and ``figures/*.png``."""
        folder = Path(folder)
        (folder / "figures").mkdir(exist_ok=True)
        for name, png in self.pictures.items():
            files.write_whole(folder / "figures" / f"{name}.png", png)
        kept = {"title": self.title, "subtitle": self.subtitle, "sections": self.sections}
        files.write_whole(folder / "report.json", (json.dumps(kept, indent=1) + "\n").encode())
        self.write_html(folder)

    def write_html(self, folder: str | Path) -> None:
        """Write ``report.html`` alone."""
        files.write_whole(Path(folder) / "report.html", self.html.encode())

    @classmethod
    def read(cls, folder: str | Path) -> "Page":
        """What ``write`` wrote.

        Raises:
            OSError: ``report.json`` is not there.
        """
        folder = Path(folder)
        kept = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        return cls(**kept, pictures={path.stem: path.read_bytes() for path in (folder / "figures").glob("*.png")})


@cache
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, loader=PackageLoader("vae_moe.app", "report"))
    return environment.get_template("page.html")
