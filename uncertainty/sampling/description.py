"""What a result says of the problem that it answers, and what its assumptions imply."""

import hashlib
import json
import math
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import numpy as np

from uncertainty.arrays import Floats
from uncertainty.errors import InputError, in_brief
from uncertainty.files import KINDS, file_of_function, load_priors, shipped_names
from uncertainty.inputs import INPUTS
from uncertainty.problem import Columns, Problem, build_problem, each_point
from uncertainty.results import check_tree, quantile_estimate

if TYPE_CHECKING:
    import xarray as xr

_MEANINGLESS = 0.01  # of the draws outside the range: then a result is not to be trusted
_LOW_LOAD = 0.2  # of the time at work: below it what waits is a part worth a word
_WIDEST = 1e4  # P95 over P5 of an assumption: beyond it, results repeat its width
_REMEMBERED = 64  # problems of this process, by which their results find them


def range_texts(problem: Problem, inputs: Columns) -> tuple[list[str], list[str]]:
    """Warnings of inputs that leave their range, and notices where few draws do, or boards wait.

    Ranges are those of the shipped models' formulas; a user's own model has its own.
    """
    warnings: list[str] = []
    notices: list[str] = []
    for name in problem.model.used(problem.assumptions) if problem.model.outputs else ():
        declared = INPUTS.get(name)
        if declared is None:
            continue
        outside = float(((inputs[name] < declared.low) | (inputs[name] > declared.high)).mean())
        if outside > 0:
            limits = f"{declared.low:g} to {declared.high:g}"
            text = f"{name} lies outside {limits} in {100 * outside:.3g} % of the draws"
            kind = warnings if outside > _MEANINGLESS else notices
            kind.append(f"{text}, where {problem.model.name} does not hold; cut it with truncate")
    boards_of = next((name for name in ("boards_owned", "gpu_count") if name in inputs), None)
    busy = problem.central().get("fleet_busy_boards")
    if busy is None or boards_of is None:
        return warnings, notices
    boards = float(np.median(inputs[boards_of]))
    share = f"{100 * busy / boards:.2g} % of the time"
    if boards_of == "boards_owned" and busy > boards:
        notices.append(
            f"the queries keep about {busy:.3g} boards busy, more than are owned ({boards:.3g}): "
            "raise boards_owned, or lower queries_per_day"
        )
    elif busy < _LOW_LOAD * boards and boards_of == "boards_owned":
        notices.append(
            f"the boards owned ({boards:.3g}) are busy {share}: waiting takes most of the power"
        )
    elif busy < _LOW_LOAD * boards:
        notices.append(
            f"the queries keep the GPUs of one copy ({boards:.3g}) busy {share}; if they are on "
            "all day, state boards_owned and idle_power_w, so that waiting counts"
        )
    return warnings, notices


@dataclass
class InvalidDraws:
    """Outputs that no energy can have, with one example of the inputs of each."""

    size: dict[str, int] = field(default_factory=dict)
    bad: dict[str, int] = field(default_factory=dict)
    example: dict[str, str] = field(default_factory=dict)

    def add(
        self, problem: Problem, name: str, values: Floats, scores: Callable[[int, int], Columns]
    ) -> None:
        """Count in values of shape (n, m); `scores` gives the point behind one of them."""
        wrong = ~np.isfinite(values)
        if is_energy(problem, name):
            wrong |= values < 0
        self.size[name] = self.size.get(name, 0) + values.size
        self.bad[name] = self.bad.get(name, 0) + int(wrong.sum())
        if not wrong.any() or name in self.example:
            return
        row, column = np.argwhere(wrong)[0]
        inputs = each_point(problem.joint, problem.model, scores(int(row), int(column)))[0]
        point: dict[str, float] = {}
        left = [*problem.model.used(inputs)]
        while left:
            item = left.pop(0)
            value, needs = float(inputs[item][0]), sorted(problem.assumptions[item].needs)
            # What is not finite itself is explained by what it is computed from.
            if math.isfinite(value) or not needs:
                point[item] = value
            else:
                left = [*needs, *left]
        self.example[name] = ", ".join(f"{item} = {value:.4g}" for item, value in point.items())

    def join(self, other: "InvalidDraws") -> None:
        """Count those of another chain in; the first example stays."""
        self.size = {name: self.size.get(name, 0) + count for name, count in other.size.items()}
        self.bad = {name: self.bad.get(name, 0) + count for name, count in other.bad.items()}
        self.example = {**other.example, **self.example}

    def warnings(self, problem: Problem) -> Iterator[str]:
        """Say what share of the draws is impossible."""
        for name, count in self.bad.items():
            if count:
                kind = "not finite or negative" if is_energy(problem, name) else "not finite"
                share = f"{100 * count / self.size[name]:.3g} % of the draws"
                yield f"{name} is {kind} for {share}, for example at {self.example[name]}"
        plain = problem.model.plain
        if plain is not None and plain.failures:
            many = f"; {plain.failures} of {plain.calls} calls failed, taken as NaN"
            yield f"{problem.model.name} {plain.failure}{many}"


def is_energy(problem: Problem, name: str) -> bool:
    """Whether an output can be negative only by mistake."""
    return problem.outputs[name].unit in {"Wh", "kWh", "J"} or name.startswith("energy")


_RECENT: OrderedDict[str, Problem] = OrderedDict()


def remember(problem: Problem) -> dict[str, str]:
    """Attributes by which `problem_of` finds the problem again: in this process, or from files."""
    recipe: object = problem.recipe
    if recipe is None:
        priors, model, *more = problem.arguments
        if callable(model) and file_of_function(model) and priors.document and priors.document.text:
            recipe = (priors.label, getattr(model, "__qualname__", ""), more)
    facts = (recipe, [(str(file.path), file.sha256) for file in problem.files])
    try:
        # The same in every process where files hold all of the problem.
        text = json.dumps(facts) if recipe is not None else uuid4().hex
    except TypeError:  # Python objects, of which no other process knows
        text = uuid4().hex
    key = hashlib.sha256(text.encode()).hexdigest()[:32]
    _RECENT[key] = problem
    while len(_RECENT) > _REMEMBERED:
        _RECENT.popitem(last=False)
    return {"problem": key, "recipe": json.dumps(problem.recipe)}


def problem_of(tree: "xr.DataTree") -> Problem:
    """Give the problem that a result answers.

    Raises
    ------
    InputError
        If it was made in another process from what no file holds, or the files have changed.
    """
    check_tree(tree)
    known = _RECENT.get(str(tree.attrs.get("problem", "")))
    if known is not None:
        return known
    recipe = json.loads(str(tree.attrs.get("recipe", "null")))
    if recipe is None:
        raise _gone("it was made from Python objects that a file does not keep")
    outside, label = bool(recipe.pop("allow_outside", False)), recipe.pop("priors")
    usage = recipe.pop("usage", "")
    try:
        signature(build_problem).bind(label, **recipe)
    except TypeError as error:
        raise _gone(f"its recipe is of another version ({error})") from error
    # Shipped files are shown under priors/, and found from anywhere by their name.
    shipped = label.removeprefix("priors/").removesuffix(".yaml")
    by_name = label.startswith("priors/") and shipped in shipped_names()
    priors = load_priors(shipped if by_name else label, usage=usage, allow_outside=outside)
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


def _gone(why: str) -> InputError:
    return InputError.of("<result>", f"the problem cannot be built again: {why}; run it anew")


def doubts(problem: Problem) -> Iterator[str]:
    """Say what its files warn of, and which means do not exist, and why."""
    yield from problem.priors.warnings
    for quantity, reason in problem.lost_means.items():
        yield f"the mean of {quantity} is meaningless: {reason}"


def description(problem: Problem, more: Sequence[str]) -> dict[str, str]:
    """Where a result comes from; `more` are notices beside those of the problem."""
    used = [*problem.priors.layers, *(item.layer for item in problem.assumptions.values())]
    documents = {layer.document.label: layer.document for layer in used}
    top = problem.priors.layers[-1].document
    documents |= {item.document.label: item.document for item in problem.evidence}
    files = [
        {"path": label, "sha256": document.sha256, "text": document.text}
        for label, document in documents.items()
        if document.text or document is top
    ]
    known = {file["path"] for file in files}
    files += [
        {"path": file.label, "sha256": file.sha256, "text": ""}
        for file in problem.files
        if file.label not in known
    ]
    notices = [*in_brief(problem.notices), *more]
    return {
        "title": problem.priors.title,
        "subject": subject(problem),
        "model": problem.model.name,
        "scenario": problem.scenario,
        "given": ", ".join(_given_texts(problem)),
        "priors": problem.priors.label,
        "priors_text": top.text,
        "priors_sha256": top.sha256,
        "prior_files": json.dumps(files),
        "notices": json.dumps(notices),
        "lost_means": json.dumps(sorted(problem.lost_means)),
        "recipe": json.dumps(problem.recipe),
        # Of a prior alone: with a posterior beside it this becomes empty.
        **{kind: json.dumps(chances) for kind, chances in problem.rarest.items()},
    }


def subject(problem: Problem) -> str:
    """Name the question, with everything that differs from the file."""
    chosen = problem.priors.scenarios.get(problem.scenario)
    replaced = {*problem.given, *(chosen.bundles if chosen else ())}
    # A title speaks of the file's own model and hardware: with others it would be false.
    named = "" if replaced & set(KINDS) else problem.priors.title
    scenario = f", scenario {problem.scenario}" if problem.scenario else ""
    given = ", ".join(_given_texts(problem))
    return f"{named or Path(problem.priors.label).stem}{scenario}" + (given and f", with {given}")


def _given_texts(problem: Problem) -> Iterator[str]:
    if problem.priors.usage:
        yield f"usage = {problem.priors.usage}"
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


def summarize_inputs(tree: "xr.DataTree") -> "xr.Dataset":
    """Summarize what each assumption implies: P5, median and P95 over draws and queries.

    Parameters
    ----------
    tree : xarray.DataTree

    Returns
    -------
    xarray.Dataset
        Variables ``p5``, ``median``, ``p95`` and ``mcse_p5`` and so on, over ``input``; coordinates
        ``units`` and ``law``.

    Raises
    ------
    InputError
        If it is a streamed result that has kept no inputs.

    Examples
    --------
    >>> import uncertainty as un
    >>> tree = un.simulate(un.build_problem("gpt-4o"), draws=512)
    >>> "output_tokens" in summarize_inputs(tree)["input"]
    True
    """
    import xarray as xr

    check_tree(tree)
    if "prior" not in tree.children:
        text = "a streamed result keeps no inputs: make the stream with sample=4096"
        raise InputError.of("<result>", text)
    columns: dict[str, list[float]] = {}
    inputs = tree["prior"].data_vars
    for values in inputs.values():
        draws = np.asarray(values.values, np.float64)
        number = float(draws.size)
        if values.attrs.get("varies"):  # the points of queries repeat where there are more draws
            number = min(number, float(tree.attrs["queries"]) * len(draws))
        if np.ptp(draws) == 0:
            number = np.inf
        for key, probability in (("p5", 0.05), ("median", 0.5), ("p95", 0.95)):
            value, error = quantile_estimate(draws, probability, number=number)
            columns.setdefault(key, []).append(value)
            columns.setdefault(f"mcse_{key}", []).append(error)
    coords = {
        key: ("input", [str(values.attrs.get(key, "")) for values in inputs.values()])
        for key in ("units", "law")
    }
    names = {"input": [str(name) for name in inputs]}
    return xr.Dataset({key: ("input", column) for key, column in columns.items()}, names | coords)


def width_notices(percentiles: "xr.Dataset") -> list[str]:
    """Say which assumptions are so wide that what follows from them means little.

    Examples
    --------
    >>> import uncertainty as un
    >>> wide = {"pue_excess": {"loguniform": {"low": 1e-7, "high": 1}}}
    >>> tree = un.simulate(un.build_problem("gpt-4o", given=wide), draws=512)
    >>> [text[:33] for text in width_notices(summarize_inputs(tree))]
    ['pue_excess: P95 is 2e+06 times P5']
    """
    notices = []
    for name in percentiles["input"].values:
        row = percentiles.sel(input=name)
        low, high = float(row["p5"]), float(row["p95"])
        if low > 0 and high > _WIDEST * low:
            text = f"{name}: P95 is {high / low:.1g} times P5 (over {_WIDEST:g})"
            notices.append(f"{text}, so it alone rules the results: narrow it, or say why in note")
    return notices
