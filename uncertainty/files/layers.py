"""One layer: the assumptions stated in one place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from uncertainty.errors import Fault
from uncertainty.files.document import Document, Key
from uncertainty.files.schema import AssumptionEntry, CorrelationEntry


@dataclass(frozen=True)
class Layer:
    """Assumptions stated in one place; a later layer overrides an earlier one.

    Attributes
    ----------
    document : Document
        Where they stand.
    at : tuple
        Keys of the mapping that holds them inside the document.
    entries : mapping
        The valid ones by name.
    stated : tuple of str
        All names in the order written, the invalid ones too.
    written : tuple of str
        The same with the kinds of `bundles` in their places.
    correlations : tuple
        Valid rank correlations with their places in the list.
    bundles : mapping of str to tuple of str
        Catalogue names stated, by kind; several where one of them is chosen by chance.
    bundle : bool
        True where the layer itself comes out of a catalogue.
    """

    document: Document
    at: tuple[Key, ...]
    entries: Mapping[str, AssumptionEntry]
    stated: tuple[str, ...]
    correlations: tuple[tuple[int, CorrelationEntry], ...] = ()
    bundles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    bundle: bool = False
    written: tuple[str, ...] = ()

    def fault(self, name: str, keys: Sequence[Key], message: str) -> Fault:
        """Make a fault inside the assumption `name`."""
        return self.document.fault((*self.at, name, *keys), message)
