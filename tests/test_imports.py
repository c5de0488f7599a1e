"""Imports go one way: what a room of the package may import, and that there is no circle."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
GROUND = {"extremes", "fitting", "likelihoods", "metrics", "probabilities", "registry", "validation"}
#: Room -> the rooms that it may import beside itself.
MAY_IMPORT = {
    **dict.fromkeys(GROUND, GROUND),
    "layers": GROUND,
    "engine": set(),
    "exported": set(),
    "em": GROUND | {"engine"},  # engine.threads alone
    "models": GROUND | {"layers", "engine"},
    "training": GROUND | {"layers", "engine", "models", "em"},
    "estimators": GROUND | {"layers", "engine", "models", "em", "training", "exported"},
    "data": {"validation", "engine"},  # engine.files alone
    "plots": {"metrics"},
    "app": GROUND | {"engine", "models", "training", "estimators", "data", "plots", "exported"},
}


def imports(path):
    """The modules of ours that a file imports, anywhere in it but for types alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    types_alone = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node not in types_alone:
            for name in node.names:
                module = f"{node.module}.{name.name}"
                yield module if is_module(module) else node.module
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


def is_module(name):
    path = ROOT / name.replace(".", "/")
    return path.is_dir() or path.with_suffix(".py").is_file()


def modules(package):
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def test_each_room_imports_only_what_it_may():
    for module, path in modules("vae_moe"):
        for imported in imports(path):
            top, _, rest = imported.partition(".")
            assert top not in ("experiments", "tests"), f"{module} imports {imported}"
            if top == "vae_moe" and "." in module:
                room, other = module.split(".")[1], rest.split(".")[0]
                assert other == room or other in MAY_IMPORT[room], f"{module} imports {imported}"
                private = rest.split(".")[-1].startswith("_") and other != room
                assert not private, f"{module} imports {imported}, which is private"
                only = {"em": "engine.threads", "data": "engine.files"}.get(room)
                assert not only or other != "engine" or rest.startswith(only), f"{module} imports {imported}"


def test_there_is_no_circle():
    graph = {
        module: set(imports(path)) - {module} for name in ("vae_moe", "experiments") for module, path in modules(name)
    }
    tuple(TopologicalSorter(graph).static_order())  # raises CycleError, with the circle
