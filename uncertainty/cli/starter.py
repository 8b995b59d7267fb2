"""`uncertainty init`: a commented file to start from."""

from pathlib import Path
from typing import Annotated

import typer

from uncertainty.cli.folder import is_free
from uncertainty.cli.options import Debug, Force
from uncertainty.cli.show import say
from uncertainty.errors import InputError
from uncertainty.writing import refuse_inputs, write_text

__all__ = ["init"]

Target = Annotated[Path, typer.Argument(help="The file to write, such as my.yaml.")]
Origin = Annotated[str, typer.Option("--from", help="A prior file, or the name of a shipped one.")]


def init(
    file: Target, origin: Origin = "gpt-4o", force: Force = False, debug: Debug = False
) -> None:
    """Write a commented prior file to start from; it says the same as the one it starts from."""
    from uncertainty import build_problem, load_priors
    from uncertainty.spec import starting_file

    if not is_free(file) and not force:
        text = "exists already; choose another name, or replace it with --force"
        raise InputError.of(str(file), text)
    priors = load_priors(origin)
    asked = (None, *priors.scenarios)
    problems = [build_problem(priors, scenario=name) for name in asked]
    refuse_inputs([file], [read.path for problem in problems for read in problem.files])
    used = {name for problem in problems for name in problem.used}
    write_text(file, starting_file(priors, used))
    say(f"Written: {file}. Change it, then: uncertainty check {file}")
