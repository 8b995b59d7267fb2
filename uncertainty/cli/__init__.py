"""The command line: parses, calls, prints, exits. Nothing is computed here."""

import atexit
import gc
import sys
import warnings
from typing import Annotated, NoReturn

import typer

from uncertainty.cli.compare import compare, ledger, rank
from uncertainty.cli.files import cache, check, init, list_
from uncertainty.cli.logs import import_, import_usage, total
from uncertainty.cli.pages import report_
from uncertainty.cli.plan import plan, predict
from uncertainty.cli.question import DEFECT, DONE, INPUT_AT_FAULT
from uncertainty.cli.run import infer, run
from uncertainty.cli.terminal import complain, standard_streams
from uncertainty.errors import InputError, UncertaintyError

__all__ = ["app", "main"]

# Objects and generations between collections: libraries make many as they load, none garbage.
_GARBAGE = 200_000, 30, 30


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
for command in (run, check, infer, rank, compare, predict, plan, total, ledger, init, cache):
    app.command()(command)
app.command("list")(list_)
app.command("import")(import_)
app.command("import-usage")(import_usage)
app.command("report")(report_)


@app.callback()
def about(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    """Uncertainty analysis of the energy of LLM queries."""


def main() -> NoReturn:
    """Run the command line, and turn every outcome into an exit status."""
    gc.set_threshold(*_GARBAGE)
    atexit.register(gc.freeze)  # else a last collection goes over all that was imported
    # As people read it, without the line of code.
    warnings.showwarning = lambda message, *_, **__: complain(f"warning: {message}")
    debug, status = "--debug" in sys.argv, DONE
    with standard_streams():
        out = sys.stdout
        try:
            try:
                app(standalone_mode=True)
            except SystemExit as ended:
                if sys.stdout is not out:
                    text = (
                        "was replaced by the model, so the answer is lost: leave sys.stdout alone"
                    )
                    raise InputError.of("standard output", text) from None
                out.flush()  # here, where a full disk can still be reported
                status = ended.code if isinstance(ended.code, int) else DONE
        except UncertaintyError as error:
            if debug:
                raise
            print(error, file=sys.stderr)
            status = INPUT_AT_FAULT
        except Exception as error:
            if debug:
                raise
            print(
                f"a defect of uncertainty: {type(error).__name__}: {error}\n"
                "Run again with --debug and report what it prints.",
                file=sys.stderr,
            )
            status = DEFECT
    sys.exit(status)
