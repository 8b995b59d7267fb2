"""The command line: parses, calls, prints, exits. Nothing is computed here."""

import atexit
import gc
import os
import sys
import warnings
from pathlib import Path
from typing import Annotated, NoReturn, TextIO

import typer

from uncertainty.cli.check import check
from uncertainty.cli.compare import compare
from uncertainty.cli.infer import infer
from uncertainty.cli.ledger import ledger
from uncertainty.cli.listing import list_
from uncertainty.cli.options import DEFECT, DONE, INPUT_AT_FAULT
from uncertainty.cli.rank import rank
from uncertainty.cli.run import run
from uncertainty.cli.show import complain
from uncertainty.cli.starter import init
from uncertainty.cli.streams import standard_streams
from uncertainty.errors import InputError, UncertaintyError

__all__ = ["app", "main"]

_GARBAGE = 200_000, 30, 30
"""Objects and generations between collections: libraries make many as they load, none garbage."""


def _show_version(asked: bool) -> None:
    if asked:
        from uncertainty import __version__

        print(f"uncertainty {__version__}")
        raise typer.Exit


app = typer.Typer(
    help="How much energy does an LLM query take, and how sure are we?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def about(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    """Uncertainty analysis of the energy of LLM queries."""
    _keep_compilations()


app.command()(run)
app.command()(check)
app.command()(infer)
app.command()(rank)
app.command()(compare)
app.command()(ledger)
app.command("list")(list_)
app.command()(init)


def _keep_compilations() -> None:
    """Let JAX, not yet imported, keep what it compiles, so that the next run starts sooner."""
    try:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        folder = home / "uncertainty" / "jax"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # no home, or none that can be written: every run compiles
        return
    if os.access(folder, os.W_OK):
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(folder))
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.05")


def main() -> NoReturn:
    """Run the command line, and turn every outcome into an exit status."""
    gc.set_threshold(*_GARBAGE)
    atexit.register(gc.freeze)  # else a last collection goes over all that was imported
    warnings.showwarning = _show_warning
    with standard_streams():
        status = _status()
    sys.exit(status)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning as people read it, without the line of code."""
    complain(f"warning: {message}")


def _status() -> int:
    debug = "--debug" in sys.argv
    out = sys.stdout
    try:
        try:
            app(standalone_mode=True)
        except SystemExit as ended:
            if sys.stdout is not out:
                text = "was replaced by the model, so the answer is lost: leave sys.stdout alone"
                raise InputError.of("standard output", text) from None
            out.flush()  # here, where a full disk can still be reported
            return ended.code if isinstance(ended.code, int) else DONE
    except UncertaintyError as error:
        if debug:
            raise
        print(error, file=sys.stderr)
        return INPUT_AT_FAULT
    except Exception as error:
        if debug:
            raise
        print(
            f"a defect of uncertainty: {type(error).__name__}: {error}\n"
            "Run again with --debug and report what it prints.",
            file=sys.stderr,
        )
        return DEFECT
    return DONE
