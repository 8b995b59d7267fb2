"""`uncertainty init`: a commented file to start from."""

from pathlib import Path
from typing import Annotated

import typer

from uncertainty.cli.options import Debug
from uncertainty.cli.show import say
from uncertainty.errors import InputError
from uncertainty.writing import write_text

__all__ = ["init"]

Target = Annotated[Path, typer.Argument(help="The file to write, such as my.yaml.")]
Origin = Annotated[str, typer.Option("--from", help="A prior file, or the name of a shipped one.")]


def init(file: Target, origin: Origin = "gpt-4o", debug: Debug = False) -> None:
    """Write a commented prior file to start from; it says the same as the one it starts from."""
    from uncertainty import build_problem, load_priors
    from uncertainty.spec import starting_file

    if file.exists():
        raise InputError.of(str(file), "exists already; choose another name, or remove it first")
    priors = load_priors(origin)
    asked = (None, *priors.scenarios)
    used = {n for name in asked for n in build_problem(priors, scenario=name).used}
    write_text(file, starting_file(priors, used))
    say(f"Written: {file}. Change it, then: uncertainty check {file}")
