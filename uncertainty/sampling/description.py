"""What a result says of the problem that it answers."""

import hashlib
import json
import math
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from uuid import uuid4

import numpy as np

from uncertainty.arrays import Floats
from uncertainty.errors import InputError
from uncertainty.files import file_of_function, load_priors, shipped_names
from uncertainty.inputs import INPUTS
from uncertainty.problem import Columns, Problem, build_problem, each_point

if TYPE_CHECKING:
    import xarray as xr

from collections.abc import Sequence
from pathlib import Path

from uncertainty.files import KINDS

MEANINGLESS = 0.01
"""Share of the draws outside the range above which a result is not to be trusted."""


def outside_range(problem: Problem, inputs: Columns) -> Iterator[tuple[float, str]]:
    """Yield the share outside the range, and a sentence, for each input that leaves it.

    Ranges are those of the shipped models' formulas; a user's own model has its own.
    """
    if not problem.model.outputs:
        return
    for name in problem.model.used(problem.assumptions):
        declared = INPUTS.get(name)
        if declared is not None:
            outside = float(((inputs[name] < declared.low) | (inputs[name] > declared.high)).mean())
            if outside > 0:
                limits = f"{declared.low:g} to {declared.high:g}"
                text = f"{name} lies outside {limits} for {100 * outside:.3g} % of the draws"
                yield outside, f"{text}, where {problem.model.name} has no meaning"


_LOW_LOAD = 0.2  # of the time at work: below it what waits is a part worth a word


def load_notices(problem: Problem, inputs: Columns) -> Iterator[str]:
    """Say where boards wait most of the time, or are too few for the work."""
    owned = next((name for name in ("boards_owned", "gpu_count") if name in inputs), None)
    busy = problem.central().get("fleet_busy_boards")
    if busy is None or owned is None:
        return
    boards = float(np.median(inputs[owned]))
    share = f"{100 * busy / boards:.2g} % of the time"
    if owned == "boards_owned" and busy > boards:
        yield (
            f"the queries need about {busy:.3g} boards, and {boards:.3g} are owned: more work than "
            "they can do"
        )
    elif busy < _LOW_LOAD * boards and owned == "boards_owned":
        yield (
            f"the {boards:.3g} boards owned are busy {share}: most of the power is that of waiting"
        )
    elif busy < _LOW_LOAD * boards:
        yield (
            f"the queries keep the {boards:.3g} GPUs of one copy busy {share}; boards that are on "
            "all day draw power while they wait: state boards_owned and idle_power_w"
        )


@dataclass
class Tally:
    """Outputs that no energy can have, with one example of the inputs of each."""

    total: int = 0
    bad: dict[str, int] = field(default_factory=dict)
    example: dict[str, str] = field(default_factory=dict)

    def add(
        self, problem: Problem, name: str, values: Floats, scores: Callable[[int, int], Columns]
    ) -> None:
        """Count in values of shape (n, m); `scores` gives the point behind one of them."""
        wrong = ~np.isfinite(values)
        if is_energy(problem, name):
            wrong |= values < 0
        self.total += values.size
        self.bad[name] = self.bad.get(name, 0) + int(wrong.sum())
        if wrong.any() and name not in self.example:
            row, column = np.argwhere(wrong)[0]
            self.example[name] = _told_inputs(problem, scores(int(row), int(column)))

    def warnings(self, problem: Problem) -> Iterator[str]:
        """Say what share of the draws is impossible."""
        total = self.total / max(len(problem.outputs), 1)
        for name, count in self.bad.items():
            if count:
                kind = "not finite or negative" if is_energy(problem, name) else "not finite"
                share = f"{count / total:.3g} of the draws"
                yield f"{name} is {kind} for {share}, for example at {self.example[name]}"
        plain = problem.model.plain
        if plain is not None and plain.failures:
            many = f"; {plain.failures} of {plain.calls} calls failed, taken as NaN"
            yield f"{problem.model.name} {plain.failure}{many}"


def is_energy(problem: Problem, name: str) -> bool:
    """Whether an output can be negative only by mistake."""
    return problem.outputs[name].unit in {"Wh", "kWh", "J"} or name.startswith("energy")


def _told_inputs(problem: Problem, scores: Columns) -> str:
    inputs = each_point(problem.joint, problem.model, scores)[0]
    told: dict[str, float] = {}
    wanted = [*problem.model.used(inputs)]
    while wanted:
        name = wanted.pop(0)
        value, needs = float(inputs[name][0]), sorted(problem.assumptions[name].needs)
        # What is not finite itself is explained by what it is computed from.
        if math.isfinite(value) or not needs:
            told[name] = value
        else:
            wanted = [*needs, *wanted]
    return ", ".join(f"{name} = {value:.4g}" for name, value in told.items())


_MOST = 64
_RECENT: OrderedDict[str, Problem] = OrderedDict()


def remember(problem: Problem) -> dict[str, str]:
    """Attributes by which `problem_of` finds the problem again: in this process, or from files."""
    key = _key(problem)
    _RECENT[key] = problem
    while len(_RECENT) > _MOST:
        _RECENT.popitem(last=False)
    return {"problem": key, "recipe": json.dumps(problem.recipe)}


def _key(problem: Problem) -> str:
    """Name a problem: the same in every process where files hold all of it."""
    recipe: object = problem.recipe
    if recipe is None and problem.arguments is not None:
        priors, model, *more = problem.arguments
        if callable(model) and file_of_function(model) and priors.document and priors.document.text:
            recipe = (priors.label, getattr(model, "__qualname__", ""), more)
    facts = (recipe, [(str(file.path), file.sha256) for file in problem.files])
    try:
        text = json.dumps(facts) if recipe is not None else uuid4().hex
    except TypeError:  # Python objects, of which no other process knows
        text = uuid4().hex
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def problem_of(tree: "xr.DataTree") -> Problem:
    """Give the problem that a result answers.

    Raises
    ------
    InputError
        If it was made in another process from what no file holds, or the files have changed.
    """
    known = _RECENT.get(str(tree.attrs.get("problem", "")))
    if known is not None:
        return known
    recipe = json.loads(str(tree.attrs.get("recipe", "null")))
    if recipe is None:
        raise _gone("it was made from Python objects that a file does not keep")
    outside = bool(recipe.pop("allow_outside", False))
    priors = load_priors(_found(recipe.pop("priors")), allow_outside=outside)
    try:
        problem = build_problem(priors, **recipe)
    except InputError as error:
        raise _gone(f"its files are at fault now ({error.faults[0]})") from error
    before = {file["path"]: file["sha256"] for file in json.loads(str(tree.attrs["prior_files"]))}
    changed = [x.label for x in problem.files if before.get(x.label, x.sha256) != x.sha256]
    other = {x.label for x in problem.files} ^ before.keys()
    if changed or other:
        raise _gone(f"{' and '.join(changed or sorted(other))} has changed since")
    return problem


def _found(label: str) -> str:
    """Name a file as it can be found from anywhere: shipped ones are shown under priors/."""
    shipped = label.removeprefix("priors/").removesuffix(".yaml")
    return shipped if label.startswith("priors/") and shipped in shipped_names() else label


def _gone(why: str) -> InputError:
    return InputError.of("<result>", f"its problem cannot be built again: {why}; run it anew")


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
