"""Documents: the parts of a page in one file, with figures, to read and to pass on."""

from uncertainty.report.pages.document import (
    FORMATS,
    appendix_parts,
    document,
    provenance_lines,
    write_document,
)

__all__ = ["FORMATS", "appendix_parts", "document", "provenance_lines", "write_document"]
