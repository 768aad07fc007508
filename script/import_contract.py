"""A contract for import-linter: these packages import only what is listed.

import-linter's own contracts list what is forbidden. Here nearly everything is, so that a new
module or library is noticed on the day it is first imported, not when somebody thinks of it.
"""

from collections.abc import Iterable
from typing import Any

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output
from importlinter.domain.imports import ModuleExpression


def _within(module: str, packages: Iterable[str]) -> bool:
    """Whether the module is one of the packages or lies below one."""
    return any(module == package or module.startswith(f"{package}.") for package in packages)


class ImportsOnly(Contract):
    """Direct imports are enough to check: what is imported has a contract of its own."""

    type_name = "imports_only"

    # import-linter puts the parsed values in place of these, hence Any.
    # Each module that matches stands for itself and all below it, and may import from there.
    packages: Any = fields.ListField(subfield=fields.ModuleExpressionField())
    # What else they may import. "*" is everything that is not this repository's own.
    allowed: Any = fields.ListField(subfield=fields.StringField())
    # What they may not import even so, except in the modules that match the second list.
    forbidden: Any = fields.ListField(subfield=fields.StringField(), required=False, default=[])
    forbidden_except_in: Any = fields.ListField(
        subfield=fields.ModuleExpressionField(), required=False, default=[]
    )

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Look at every import of every module in the packages."""
        wrong: list[tuple[str, str]] = []
        exempt = _matching(graph, self.forbidden_except_in)
        for package in sorted(_matching(graph, self.packages)):
            allowed = {package, *self.allowed}
            for module in sorted({package, *graph.find_descendants(package)}):
                for imported in sorted(graph.find_modules_directly_imported_by(module)):
                    outside = "*" in allowed and graph.is_module_squashed(imported)
                    denied = module not in exempt and _within(imported, self.forbidden)
                    if denied or not (outside or _within(imported, allowed)):
                        wrong.append((module, imported))
        return ContractCheck(kept=not wrong, metadata={"wrong": wrong})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Name each import."""
        for module, imported in check.metadata["wrong"]:
            output.print_error(f"{module} may not import {imported}", bold=False)
        output.new_line()


def _matching(graph: ImportGraph, expressions: Iterable[ModuleExpression]) -> set[str]:
    found: set[str] = set()
    for expression in expressions:
        found |= graph.find_matching_modules(expression.expression)
    return found
