"""A page of titled sections, made of blocks, as one HTML file that needs nothing else: pictures and style are in it.

Blocks are plain dictionaries, so that a page can be kept as JSON. Whatever a block holds is foreign text, and escaped.
A page with a map has one script, ``map.js``, and a policy that allows no other; all others have none.
"""

import base64
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from vae_moe.engine.files import whole_file

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


def figure(
    name: str,
    png: bytes,
    caption: str,
    *,
    wide: bool = False,
    pixels: bool = False,
    photos: bool = False,
    map: Block | None = None,
) -> Block:
    """A picture, a PNG file of a name; wide ones scroll on a narrow screen, pixels are drawn as such.

    On a dark screen a picture is dark, unless it has pixels or photos.

    Where scripts run, a map is in its place on a screen, as ``map.js`` draws it: ``x``, ``y`` from 0 to 1, ``group``,
    ``sure``, ``rows`` and ``cells`` of each point, ``columns``, ``colours`` and ``kind``.
    """
    shown = {"wide": wide, "pixels": pixels, "photos": photos, "map": map}
    return {"kind": "figure", "name": name, "png": png, "caption": caption, **shown}


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
    """Titled sections of blocks.

    Attributes:
        title: of the page.
        subtitle: a line under it.
        sections: blocks by title; those without blocks are left out.
    """

    title: str
    subtitle: str
    sections: dict[str, list[Block]]

    @property
    def html(self) -> str:
        """The page."""
        sections = {title: blocks for title, blocks in self.sections.items() if blocks}
        with_map = any(block.get("map") for blocks in sections.values() for block in _figures(blocks))
        script = files("vae_moe.app.report").joinpath("map.js").read_text(encoding="utf-8") if with_map else ""
        return _template().render(title=self.title, subtitle=self.subtitle, sections=sections, script=script)

    def write(self, folder: str | Path) -> None:
        """Write ``report.html``, and what it is made of: ``report.json`` and ``figures/*.png``."""
        pictures = Path(folder) / "figures"
        pictures.mkdir(exist_ok=True)
        for block in _figures(block for blocks in self.sections.values() for block in blocks):
            with whole_file(pictures / f"{block['name']}.png") as temporary:
                temporary.write_bytes(block["png"])
        kept = json.dumps(vars(self), indent=1, default=lambda png: None)
        with whole_file(Path(folder) / "report.json") as temporary:
            temporary.write_text(f"{kept}\n", encoding="utf-8")
        self.write_html(folder)

    def write_html(self, folder: str | Path) -> None:
        """Write ``report.html`` alone."""
        with whole_file(Path(folder) / "report.html") as temporary:
            temporary.write_text(self.html, encoding="utf-8")

    @classmethod
    def read(cls, folder: str | Path) -> "Page":
        """What ``write`` wrote.

        Raises:
            OSError: ``report.json`` is not there.
        """
        pictures = {path.stem: path.read_bytes() for path in (Path(folder) / "figures").glob("*.png")}

        def with_picture(block):
            return {"map": None} | block | {"png": pictures[block["name"]]} if block.get("kind") == "figure" else block

        kept = (Path(folder) / "report.json").read_text(encoding="utf-8")
        return cls(**json.loads(kept, object_hook=with_picture))


def _figures(blocks: Iterable[Block]) -> Iterator[Block]:
    """The figures among blocks and in their cards."""
    for block in blocks:
        if block["kind"] == "figure":
            yield block
        for card in block.get("cards", ()):
            yield from _figures(card["blocks"])


@cache
def _template() -> Template:
    loader = PackageLoader("vae_moe.app", "report")
    environment = Environment(autoescape=True, undefined=StrictUndefined, loader=loader)
    environment.filters["base64"] = lambda png: base64.b64encode(png).decode()
    environment.filters["sha256"] = lambda text: base64.b64encode(sha256(text.encode()).digest()).decode()
    return environment.get_template("page.html")
