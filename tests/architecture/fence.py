"""An import-linter contract: a third-party library may be imported only where it belongs.

The built-in ``forbidden`` contract wants every permitted importer by its full name; here they are patterns, so that
splitting a module does not mean editing contracts. Only direct imports count.
"""

from fnmatch import fnmatchcase
from typing import Any

from importlinter import Contract, ContractCheck, fields, output


class Fence(Contract):
    """``library`` may be imported by modules whose name matches one of ``allowed`` (shell patterns), and no other."""

    type_name = "fence"

    library: Any = fields.StringField()
    allowed: Any = fields.ListField(subfield=fields.StringField())

    def check(self, graph: Any, verbose: bool) -> ContractCheck:
        """Collects every direct import of the library that stands outside the fence."""
        found: list[tuple[str, str]] = []
        if self.library in graph.modules:
            for importer in sorted(graph.find_modules_that_directly_import(self.library)):
                if any(fnmatchcase(importer, pattern) for pattern in self.allowed):
                    continue
                details = graph.get_import_details(importer=importer, imported=self.library)
                found += [(f"{importer}:{one['line_number']}", one["line_contents"]) for one in details]
        return ContractCheck(kept=not found, metadata={"found": found})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Names each import with its line."""
        output.print_error(f"{self.library} is imported outside {', '.join(self.allowed)}:")
        for place, line in check.metadata["found"]:
            output.indent_cursor()
            output.print_error(f"{place}: {line}", bold=False)
