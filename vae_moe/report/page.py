"""A page of titled sections, made of blocks, as one HTML file that needs nothing else: pictures and style are in it.

Blocks are plain dictionaries, so that a page can be kept as JSON. Whatever a block holds is foreign text, and escaped.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

Block = dict[str, Any]
Cell = str | dict[str, Any]


def page(title: str, subtitle: str, sections: Mapping[str, Sequence[Block]], footer: str = "") -> dict[str, Any]:
    """A page; sections without blocks are left out."""
    kept = [{"title": name, "blocks": list(blocks)} for name, blocks in sections.items() if blocks]
    return {"title": title, "subtitle": subtitle, "sections": kept, "footer": footer}


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


def figures_of(contents: Mapping[str, Any]) -> set[str]:
    """The names of the pictures in a page."""

    def within(blocks):
        for block in blocks:
            if block["kind"] == "figure":
                yield block["name"]
            for card in block.get("cards", ()):
                yield from within(card["blocks"])

    return {name for section in contents["sections"] for name in within(section["blocks"])}


def render(contents: Mapping[str, Any], pictures: Mapping[str, bytes]) -> str:
    """The page as HTML.

    Args:
        contents: what ``page`` made.
        pictures: PNG files by name, one for each ``figure``.

    Raises:
        KeyError: a picture is missing.
    """
    uris = {name: "data:image/png;base64," + base64.b64encode(pictures[name]).decode() for name in figures_of(contents)}
    return _template().render(page=contents, pictures=uris)


@cache
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined, loader=PackageLoader("vae_moe", "report"))
    return environment.get_template("page.html")
