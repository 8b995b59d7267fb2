"""What a result says of the problem that it answers."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from uncertainty.problem import Problem
from uncertainty.spec import KINDS

__all__ = ["description", "doubts", "labels", "subject"]


def doubts(problem: Problem) -> Iterator[str]:
    """Say what its files warn of, and which means do not exist, and why."""
    yield from problem.priors.warnings
    for quantity, reason in (problem.lost_means or {}).items():
        yield f"the mean of {quantity} is meaningless: {reason}"


def description(problem: Problem, more: Sequence[str]) -> dict[str, str]:
    """Where a result comes from; `more` are notices beside those of the problem."""
    used = [*problem.priors.layers, *(item.layer for item in problem.assumptions.values())]
    documents = {layer.document.label: layer.document for layer in used}
    own = problem.priors.layers[-1].document
    documents |= {item.document.label: item.document for item in problem.observed.evidence}
    files = [
        {"path": label, "sha256": document.sha256, "text": document.text}
        for label, document in documents.items()
        if document.text or document is own
    ]
    known = {file["path"] for file in files}
    files += [
        {"path": file.label, "sha256": file.sha256, "text": ""}
        for file in problem.files
        if file.label not in known
    ]
    notices = [*(str(notice) for notice in problem.notices), *more]
    return {
        "title": problem.priors.title,
        "subject": subject(problem),
        "model": problem.model.name,
        "scenario": problem.scenario,
        "given": ", ".join(_told_given(problem)),
        "priors": problem.priors.label,
        "priors_text": own.text,
        "priors_sha256": own.sha256,
        "prior_files": json.dumps(files),
        "notices": json.dumps(notices),
        "lost_means": json.dumps(sorted(problem.lost_means or {})),
        "rarest": json.dumps(dict(problem.rarest or {})),
        # Of a prior alone: with a posterior beside it this becomes empty.
    }


def subject(problem: Problem) -> str:
    """Name the question, with everything that differs from the file."""
    chosen = problem.priors.scenarios.get(problem.scenario)
    replaced = {*problem.given, *(chosen.bundles if chosen else ())}
    # A title speaks of the file's own model and hardware: with others it would be false.
    named = "" if replaced & set(KINDS) else problem.priors.title
    scenario = f", scenario {problem.scenario}" if problem.scenario else ""
    given = ", ".join(_told_given(problem))
    return f"{named or Path(problem.priors.label).stem}{scenario}" + (given and f", with {given}")


def _told_given(problem: Problem) -> Iterator[str]:
    for name, value in problem.given.items():
        item = problem.assumptions.get(name)
        named = item is None and isinstance(value, str)  # a name of a catalogue
        if named or name in problem.used:
            unit = item.unit if item is not None and item.unit != "1" else ""
            yield f"{name} = {item or value} {unit}".rstrip()


def labels(problem: Problem) -> dict[str, dict[str, str]]:
    """Attributes of every variable: what it is, in which unit, from which source."""
    joint = problem.joint
    places = {**joint.coordinates(varies=False), **joint.coordinates(varies=True)}
    needed = problem.needed
    labels = {
        name: {
            "units": item.unit,
            "source": item.source,
            "basis": item.basis,
            "group": item.group,
            "note": item.note,
            "solved_for": item.solved_for,
            "varies": "query" if item.varies else "",
            "law": str(item),
            # What the model does not need, or needs no draw of, is not ranked.
            "coordinate": str(places.get(name, "")) if name in needed else "",
        }
        for name, item in problem.assumptions.items()
    }
    for name, output in problem.outputs.items():
        labels[name] = {
            "units": output.unit,
            "boundary": output.boundary,
            "part_of": output.part_of,
            "long_name": output.meaning,
            "quoted": "mean" if output.total else "",
        }
    return {name: {k: v for k, v in item.items() if v} for name, item in labels.items()}
