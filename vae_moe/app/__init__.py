"""The command vae-moe: cluster a table or a folder of images, or fit experts to it; predict; report."""

import argparse
import difflib
import math
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext
from importlib import metadata
from pathlib import Path

from vae_moe import registry
from vae_moe.app import failures, folder, telling

TASKS = ("regression", "classification")
MADE = {"cluster": "clusters", "experts": "experts"}  # how the folder of a file is called where no name is given
SEEDS = 2**32  # NumPy's
EXAMPLES = """examples:
  vae-moe cluster wine.csv                        # wine-clusters/report.html
  vae-moe experts wine.csv --target alcohol       # wine-experts/report.html
  vae-moe predict wine-experts new.csv --out -    # a line a row; explain tells why"""

_DATA = "a .csv, .xlsx, .jsonl, .parquet, .feather, .npy or .npz file, also .gz or .zst; a folder of images; or - for "
_DATA += "standard input"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. Returns the exit code: 0, or as ``failures.explain``."""
    options = parser().parse_args(arguments)
    if hasattr(options, "sql"):
        _check_data(options)
    if options.command in MADE and options.out is None:
        options.out = Path(f"{_name(options.data)}-{MADE[options.command]}")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with ExitStack() as while_it_runs:
        return _run(options, while_it_runs)


def _run(options: argparse.Namespace, while_it_runs: ExitStack) -> int:
    try:
        telling.check_log(options)
        while_it_runs.enter_context(telling.lines(options.quiet, options.log))
        with failures.signals_raised(), warnings.catch_warnings():
            if options.quiet:
                warnings.simplefilter("ignore")
            from vae_moe.app.arrivals import arrived
            from vae_moe.app.commands import COMMANDS

            with arrived(options), telling.bar(options) if options.command in MADE else nullcontext():
                COMMANDS[options.command](options)
            sys.stdout.flush()
    except BrokenPipeError:  # who reads standard output, such as head, has enough: Python's exit is not to fail there
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (Exception, KeyboardInterrupt) as error:
        if options.debug:
            traceback.print_exc()
        line, code = failures.explain(error, options.kept, folder.resumes(options))
        sys.stderr.write(f"{line}\n")
        telling.keep(line)
        return code
    return 0


def _check_data(options: argparse.Namespace) -> None:
    """End the command unless it has either a file or a query."""
    if (options.sql is None) != (options.query is None) or (options.data is None) == (options.sql is None):
        parser().error(
            "give a file, a folder or -, before options such as --drop, which take all words that follow; or --sql URL "
            "and --query SQL"
        )


def _name(data: Path | None) -> str:
    """What the folder made of a file is called after."""
    if data is None or str(data) == "-":
        return "query" if data is None else "stdin"
    path = data.resolve()
    return Path(path.stem).stem if path.suffix.lower() in (".gz", ".zst") else path.stem


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", type=_place, nargs="?", help=_DATA)
    parser.add_argument("--sql", metavar="URL", help="database to ask in place of a file, such as sqlite:///wine.db")
    parser.add_argument("--query", metavar="SQL", help='what to ask it, such as "select * from wine"')
    parser.add_argument(
        "--encoding",
        type=_encoding,
        metavar="NAME",
        help="of text files, such as latin-1; default: utf-8, or as trained",
    )


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    parser = argparse.ArgumentParser(
        prog="vae-moe", description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=metadata.version("vae_moe"))
    parser.set_defaults(kept=None)  # the folder, as soon as what was trained is in it
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Command)

    cluster = commands.add_parser("cluster", help="find clusters")
    _add_training(cluster, registry.names("clustering"))
    cluster.add_argument(
        "--components", type=_number, default="auto", metavar="K", help="clusters to look for; default: auto, found"
    )
    cluster.add_argument(
        "--labels", metavar="COLUMN", help="known classes: compared with the clusters, never trained on"
    )

    experts = commands.add_parser("experts", help="predict a target by a mixture of experts")
    _add_training(experts, registry.names("experts"))
    experts.add_argument(
        "--experts", type=_number, default="auto", metavar="K", help="experts to train; default: auto, found"
    )
    experts.add_argument(
        "--target", nargs="+", action="extend", metavar="COLUMN", help="to predict; of images: their sub-folders"
    )
    experts.add_argument("--task", choices=TASKS, help="default: by the target's type")
    held_out = experts.add_mutually_exclusive_group()
    held_out.add_argument("--test", type=Path, metavar="FILE", help="its rows are held out; default: a fifth, drawn")
    held_out.add_argument("--groups", metavar="COLUMN", help="hold out whole groups, such as all rows of a patient")
    held_out.add_argument("--time", metavar="COLUMN", help="hold out the last fifth by this date or number")
    experts.add_argument(
        "--class-weight", choices=("balanced",), help="each class weighs the same, however many rows it has"
    )

    predict = commands.add_parser("predict", help="apply what was trained to new rows")
    predict.add_argument("folder", type=Path, metavar="DIR", help="the --out of cluster or experts")
    _add_data(predict)
    predict.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE",
        help="a .csv, .csv.gz or .parquet file, or - for standard output",
    )
    predict.add_argument(
        "--id", nargs="+", action="extend", default=[], metavar="COLUMN", help="columns to carry over, to know rows by"
    )
    predict.add_argument("--overwrite", action="store_true", help="replace an earlier --out")
    _add_common(predict)

    explain = commands.add_parser(
        "explain", help="tell what each column has to do with the prediction, or cluster, of single rows"
    )
    explain.add_argument("folder", type=Path, metavar="DIR", help="the --out of cluster or experts, of a table")
    _add_data(explain)
    explain.add_argument(
        "--out", type=Path, default=Path("-"), metavar="FILE", help="as of predict; default: -, standard output"
    )
    explain.add_argument("--overwrite", action="store_true", help="replace an earlier --out")
    _add_common(explain)

    export = commands.add_parser("export", help="write what was trained for programs without this package")
    export.add_argument("folder", type=Path, metavar="DIR", help="the --out of cluster or experts")
    export.add_argument("out", type=Path, metavar="OUT", help="folder to write: a SavedModel, and prepare.py for rows")
    form = export.add_mutually_exclusive_group()
    form.add_argument(
        "--numpy", dest="form", action="store_const", const="numpy", help="arrays and a module of NumPy alone"
    )
    form.add_argument("--onnx", dest="form", action="store_const", const="onnx", help="an ONNX file, without intervals")
    export.set_defaults(form="tf_saved_model")
    export.add_argument("--overwrite", action="store_true", help="replace an earlier export")
    _add_common(export)

    serve = commands.add_parser("serve", help="answer requests for predictions over HTTP")
    serve.add_argument("folder", type=Path, metavar="DIR", help="the --out of cluster or experts, of a table")
    serve.add_argument("--host", default="127.0.0.1", help="default: 127.0.0.1, this machine alone")
    serve.add_argument("--port", type=_positive, default=8000, help="default: 8000")
    _add_common(serve)

    report = commands.add_parser("report", help="write report.html again, or of a run of experiments.train")
    report.add_argument("folder", type=Path, metavar="DIR", help="the --out of cluster or experts, or a run's folder")
    report.add_argument("--data", type=Path, metavar="DATA", help="where the rows of the training are now")
    _add_common(report)
    return parser


class _Command(argparse.ArgumentParser):
    """The parser of a command, which says itself what it does not know."""

    def parse_known_args(self, args=None, namespace=None):
        options, unknown = super().parse_known_args(args, namespace)
        if unknown:
            near = difflib.get_close_matches(unknown[0], self._option_string_actions)
            self.error(f"unrecognized arguments: {' '.join(unknown)}" + (f"; did you mean {near[0]}?" if near else ""))
        return options, unknown


def _add_training(parser: argparse.ArgumentParser, models: Sequence[str]) -> None:
    _add_data(parser)
    parser.add_argument(
        "--decimal", choices=(".", ","), default=".", metavar="MARK", help="decimal mark of numbers; default: ."
    )
    parser.add_argument("--dayfirst", action="store_true", help="01/02/2024 is the first of February")
    parser.add_argument(
        "--na-values", nargs="+", action="extend", default=[], metavar="CELL", help="further cells that say: no value"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder to write, with report.html in it; default: after the file",
    )
    parser.add_argument("--model", choices=models, default=models[0], help=f"default: {models[0]}")
    parser.add_argument("--epochs", type=_positive, metavar="N", help="passes over the rows; default: the model's")
    parser.add_argument("--fast", action="store_true", help="a third of the passes over the rows: to have a first look")
    parser.add_argument("--seed", type=_seed, default=0, help="of everything random; default: 0")
    parser.add_argument("--drop", nargs="+", action="extend", default=[], metavar="COLUMN", help="columns to leave out")
    parser.add_argument(
        "--categorical", nargs="+", action="extend", default=[], metavar="COLUMN", help="numbers that are codes"
    )
    parser.add_argument("--size", type=_positive, metavar="PIXELS", help="side that images are brought to")
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier --out")
    _add_common(parser)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quiet", action="store_true", help="say nothing but errors")
    parser.add_argument("--log", type=Path, metavar="FILE", help="write there, too, what is said, with times")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error, to report it")


def _place(words: str) -> Path:
    if "://" in words:
        raise argparse.ArgumentTypeError(f"{words} is an address: fetch it, such as by curl -L {words} | vae-moe ... -")
    return Path(words)


def _encoding(words: str) -> str:
    try:
        "".encode(words)
    except LookupError as error:
        raise argparse.ArgumentTypeError(f"must be an encoding that Python knows, got {words}") from error
    return words


def _whole(words: str, wanted: str, least: int, below: float = math.inf) -> int:
    try:
        number = int(words)
    except ValueError:
        number = least - 1
    if not least <= number < below:
        raise argparse.ArgumentTypeError(f"must be {wanted}, got {words}")
    return number


def _positive(words: str) -> int:
    return _whole(words, "1 or more", 1)


def _number(words: str) -> int | str:
    return words if words == "auto" else _whole(words, "1 or more, or auto", 1)


def _seed(words: str) -> int:
    return _whole(words, f"0 or more and below {SEEDS}", 0, SEEDS)
