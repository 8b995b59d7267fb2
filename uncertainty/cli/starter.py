"""`uncertainty init`: a commented file to start from."""

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from uncertainty.cli.folder import is_free
from uncertainty.cli.options import Debug, Force
from uncertainty.cli.show import say
from uncertainty.errors import Fault, InputError
from uncertainty.writing import refuse_inputs, write_bytes, write_text

Target = Annotated[Path, typer.Argument(help="The file to write, such as my.yaml.")]
Origin = Annotated[str, typer.Option("--from", help="A prior file, or the name of a shipped one.")]


def init(
    file: Target, origin: Origin = "gpt-4o", force: Force = False, debug: Debug = False
) -> None:
    """Write a commented prior file to start from; it says the same as the one it starts from."""
    from uncertainty import build_problem, load_priors
    from uncertainty.files import shown_path, starting_file

    if not file.name:
        raise InputError.of(str(file), "cannot be written: it is not a file")
    if not is_free(file) and not force:
        text = "exists already; choose another name, or replace it with --force"
        raise InputError.of(str(file), text)
    priors = load_priors(origin)
    asked = (None, *priors.scenarios)
    problems = [build_problem(priors, scenario=name) for name in asked]
    refuse_inputs([file], [read.path for problem in problems for read in problem.files])
    used = {name for problem in problems for name in problem.used}
    text, copies = starting_file(priors, used, file)
    taken = [copy for copy in copies.values() if not is_free(copy)]
    if taken:
        told = (
            "exists already, and what the file needs is to be copied to it; choose another folder"
        )
        raise InputError(Fault(str(copy), 0, 0, "", told) for copy in taken)
    for path, copy in copies.items():
        write_bytes(copy, path.read_bytes())
    draft = file.with_name(f".{file.stem[:40]}-draft.yaml")
    try:
        faults = _faults(write_text(draft, text))
    finally:
        with suppress(OSError):  # its folder may be a file
            draft.unlink(missing_ok=True)
    if faults:
        for copy in copies.values():
            copy.unlink()
        raise InputError(faults)
    written = [str(write_text(file, text)), *map(shown_path, copies.values())]
    say(f"Written: {', '.join(written)}. Change it, then: uncertainty check {file}")


def _faults(file: Path) -> tuple[Fault, ...]:
    """Find what is wrong with a file that was written: it must say the same as its source."""
    from uncertainty import load_priors
    from uncertainty.files import given_layer, resolve, stated_evidence

    priors = load_priors(file)
    evidence = (fault for item in stated_evidence(priors) for fault in item.faults)
    return (*resolve(priors, given_layer({}, priors.place), None).faults, *evidence)
