"""What each handler promises, read from its source: decorator, request model, answer, and the errors it may raise.

Read rather than run: an answer is named in an annotation only, which costs a cold start nothing.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from pydantic import BaseModel
from typing_extensions import is_typeddict

from local.functions import load
from local.openapi.kinds import BY_HAND, KINDS, ByHand, Kind
from local.processes import ROOT, LocalError
from shared.edge import FAILURE
from shared.errors import AppError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from local.functions import Function

Names = dict[str, Any]
ERROR_NAME = re.compile(r"\b[A-Z]\w*Error\b")
# It takes no part of a promise: who carries the work out, not what is answered.
UNTYPED = frozenset({"Mapping", "dict", "Answer"})


class ContractError(LocalError):
    """A handler does not say all that its clients must know; the sentence says what to write where."""


@dataclass(frozen=True)
class Contract:
    """One operation. `request` is the body, or the query of a GET; `answer` is its type, None: no body."""

    function: str
    method: str
    path: str
    summary: str
    description: str
    kind: Kind
    request: type[BaseModel]
    status: int
    answer: Any
    writes: bool
    errors: frozenset[type[AppError]]
    success: str
    failure: str
    """What a client reads beside an enveloped answer, and where it was our fault."""


def read_all(functions: Mapping[str, Function] | None = None, root: Path = ROOT) -> list[Contract]:
    """Every function with a route, in the order of serverless.yml.

    Raises ContractError with one sentence a line for everything that is missing.
    """
    found: list[Contract] = []
    problems: list[str] = []
    for function in (load() if functions is None else functions).values():
        try:
            found += [_read(function, root)] if function.routes else []
        except ContractError as error:
            problems.append(f"functions/{function.name}: {error}")
    if problems:
        raise ContractError("\n".join(problems))
    return found


def _read(function: Function, root: Path) -> Contract:
    tree = ast.parse((root / f"{function.handler.rpartition('.')[0]}.py").read_text())
    main = next((node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "main"), None)
    if main is None or len(main.decorator_list) != 1:
        raise ContractError("main has to be a function under one decorator of shared/.")
    names = dict(_imported(tree))
    decorator, arguments, keywords = _call(main.decorator_list[0], names)
    summary, description = _docstring(tree)
    kind, by_hand = _kind(function.name, decorator)
    return Contract(
        function=function.name,
        method=next((given for given in arguments if isinstance(given, str)), kind.method or "POST"),
        path=function.routes[0].path,
        summary=summary,
        description=description,
        kind=kind,
        request=by_hand.request if by_hand else _request(arguments),
        status=by_hand.status if by_hand else keywords.get("status", kind.status),
        answer=by_hand.answer if by_hand else _answer(main.returns, names),
        writes=kind.writes or bool(keywords.get("writes")),
        errors=kind.errors | frozenset(_raised(main, names)),
        success=keywords.get("success", ""),
        failure=keywords.get("failure", FAILURE),
    )


def _kind(function: str, decorator: str) -> tuple[Kind, ByHand | None]:
    if decorator == "edge.route":
        if function not in BY_HAND:
            raise ContractError("@route says nothing of request and answer: describe them in BY_HAND of kinds.py.")
        return BY_HAND[function].kind, BY_HAND[function]
    if decorator not in KINDS:
        raise ContractError(f"@{decorator} is not known: say in KINDS of kinds.py who may call what stands under it.")
    return KINDS[decorator], None


def _docstring(tree: ast.Module) -> tuple[str, str]:
    """Of `METHOD /path: what it does.` and a rest: what it does, in one sentence, and the rest."""
    first, _, rest = (ast.get_docstring(tree) or "").partition("\n")
    found = re.fullmatch(r"[A-Z]+ /\S+: (\w)(.+)\.", first)
    if found is None:
        raise ContractError("the module's docstring has to begin with a line like `POST /path: what it does.`")
    return found[1].upper() + found[2], rest.strip()


def _request(arguments: Sequence[Any]) -> type[BaseModel]:
    models = [given for given in arguments if isinstance(given, type) and issubclass(given, BaseModel)]
    if len(models) != 1:
        raise ContractError("the decorator has to name one model: that of the body, or of a GET's query.")
    return models[0]


def _answer(returns: ast.expr | None, names: Names) -> Any:
    if isinstance(returns, ast.Subscript) and _last(returns.value) not in UNTYPED:
        return _answer(returns.slice, names)  # a wrapper, such as Created[ApiKey]
    found = _resolve(returns, names) if returns and not isinstance(returns, ast.Subscript) else None
    if not (is_typeddict(found) or (isinstance(found, type) and issubclass(found, BaseModel))):
        raise ContractError("main's return annotation has to be the answer's model or TypedDict, from shared/.")
    return found


def _raised(main: ast.FunctionDef, names: Names) -> Iterator[type[AppError]]:
    """The errors that the docstrings of what main calls name after `Raises`."""
    known = {kind.__name__: kind for kind in _subclasses(AppError)}
    for called in _called(main, names):
        documented = (called.__doc__ or "").partition("Raises ")[2]
        for name in ERROR_NAME.findall(documented):
            if name not in known:
                raise ContractError(f"{called.__module__}.{called.__name__} raises {name}, which is no AppError.")
            yield known[name]


def _called(main: ast.FunctionDef, names: Names) -> Iterator[Any]:
    for node in ast.walk(main):
        if isinstance(node, ast.Call) and node not in main.decorator_list and isinstance(node.func, ast.Attribute):
            called = _resolve(node.func, names)
            if callable(called) and getattr(called, "__module__", "").startswith("shared."):
                if not called.__doc__:
                    raise ContractError(f"{called.__module__}.{called.__name__} needs a docstring: what it raises.")
                yield called


def _subclasses(kind: type[AppError]) -> Iterator[type[AppError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _subclasses(below)


def _call(node: ast.expr, names: Names) -> tuple[str, list[Any], Names]:
    if not isinstance(node, ast.Call):
        return _decorator(node, names), [], {}
    keywords = {keyword.arg or "": _resolve(keyword.value, names) for keyword in node.keywords}
    return _decorator(node.func, names), [_resolve(given, names) for given in node.args], keywords


def _decorator(node: ast.expr, names: Names) -> str:
    """Module and name, such as `edge.endpoint`: the two contracts have decorators of the same names."""
    module: str = getattr(_resolve(node, names), "__module__", "?")
    return f"{module.rpartition('.')[2]}.{_last(node)}"


def _last(node: ast.expr) -> str:
    return ast.unparse(node).rpartition(".")[2]


def _imported(tree: ast.Module) -> Iterator[tuple[str, Any]]:
    """Name and value of every import, those for the type checker too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield alias.asname or alias.name, _attribute(node.module or "", alias.name)


def _attribute(module: str, name: str) -> Any:
    """None for what exists for the type checker alone."""
    loaded = import_module(module)
    if not hasattr(loaded, name) and hasattr(loaded, "__path__"):
        return import_module(f"{module}.{name}")
    return getattr(loaded, name, None)


def _resolve(node: ast.expr, names: Names) -> Any:
    """The value of a literal or of a dotted name; None for what is neither."""
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Attribute):
        return getattr(cast("object", _resolve(node.value, names)), node.attr, None)
    return None
