"""The site: the pages, and the reference that pdoc makes of the docstrings: ``python docs/reference [FOLDER]``."""

import pkgutil
import sys
from pathlib import Path

import pages
import pdoc

import vae_moe


def write(folder: Path) -> None:
    """Write a page for each public module, and an index, to a folder."""
    pdoc.render.configure(
        docformat="google numpy",  # type: ignore[arg-type]  # em and estimators have scikit-learn's style
        template_directory=Path(__file__).parent,
        show_source=False,
    )
    names = ["vae_moe", *(module.name for module in pkgutil.walk_packages(vae_moe.__path__, "vae_moe."))]
    public = [name for name in names if "._" not in name]
    modules = {name: pdoc.doc.Module.from_name(name) for name in public}  # pdoc itself stops at a package's __all__
    for name, module in modules.items():
        page = folder / f"{name.replace('.', '/')}.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(pdoc.render.html_module(module, modules), encoding="utf-8")
    (folder / "index.html").write_text(pdoc.render.html_index(modules), encoding="utf-8")
    (folder / "search.js").write_text(pdoc.render.search_index(modules), encoding="utf-8")


if __name__ == "__main__":
    site = Path(sys.argv[1] if len(sys.argv) > 1 else "build/docs")
    write(site / "reference")
    pages.write(site)
