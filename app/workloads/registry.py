"""The workloads by name: an explicit table of their declarations, each imported only when asked for.

A workload outside of this table is named by its place, `module:DECLARATION`, wherever a name is wanted.
"""

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, cast

from app.configuration import nearest
from app.data.samples.splits import VALIDATION
from app.errors import UsageError
from app.strict_json import shown
from app.workloads.declaration import Declaration, Recipe

if TYPE_CHECKING:
    from app.workloads.base import Workload

WORKLOADS = {
    "brats": "app.workloads.brats.declaration:BRATS",
    "document_image": "app.workloads.documents.declaration:DOCUMENT_IMAGE",
    "document_text": "app.workloads.documents.declaration:DOCUMENT_TEXT",
}

Job = Literal["synthesize", "prepare", "train", "evaluate", "predict"]


def find_declaration(name: str) -> Declaration | None:
    """What the workload of that name says of itself; None where the name is the place of a bare Workload class.

    Raises:
        UsageError: there is none of that name; names the nearest. Or there is nothing at that place.
    """
    found = _load(_place(name))
    return found if isinstance(found, Declaration) else None


def find_workload(name: str) -> "Workload":
    """The workload of that name.

    Raises:
        UsageError: there is none; names the nearest. Or what is at that place is none.
    """
    from app.workloads.base import Workload

    found = _load(_place(name))
    kind = _load(found.workload) if isinstance(found, Declaration) else found
    if not isinstance(kind, type) or Workload not in kind.__mro__:  # the name may be a model's from elsewhere
        raise UsageError(f"workload {name!r}: got {shown(kind)}, expected a subclass of {Workload.__module__}.Workload")
    return cast(Workload, kind())


def find_check(name: str) -> Callable[[Mapping[str, Any], str], Any]:
    """`check(options, store)` of the workload of that name: the task, resolved, when the store can train and validate
    it. A workload that declares none is asked itself.

    Raises:
        UsageError: there is no such workload; names the nearest.
    """
    declared = find_declaration(name)
    if declared is not None and declared.check is not None:
        return cast(Callable[[Mapping[str, Any], str], Any], _load(declared.check))
    workload = find_workload(name)

    def check(options: Mapping[str, Any], store: str) -> Any:
        task = workload.resolve_task(workload.parse_task(options), store)
        workload.open_samples(task, store)
        workload.validation_ids(task, store, VALIDATION)
        return task

    return check


def find_export(name: str) -> Callable[[Any], Any]:
    """`form(task)` of the workload of that name: the Form (app.workloads.exporting) of its export.

    Raises:
        UsageError: there is no such workload, or it cannot be exported.
    """
    declared = find_declaration(name)
    if declared is None or declared.export is None:
        raise UsageError(f"--export: the workload {name} declares no export")
    return cast(Callable[[Any], Any], _load(declared.export))


def find_num_cases(name: str) -> Callable[[Mapping[str, Any], str], dict[str, int]] | None:
    """`num_cases(options, store)` of the workload of that name, where it declares one."""
    declared = find_declaration(name)
    if declared is None or declared.num_cases is None:
        return None
    return cast(Callable[[Mapping[str, Any], str], dict[str, int]], _load(declared.num_cases))


def find_fingerprint(name: str) -> Callable[[str], str] | None:
    """`fingerprint(store)` of the workload of that name, where it declares one."""
    declared = find_declaration(name)
    if declared is None or declared.fingerprint is None:
        return None
    return cast(Callable[[str], str], _load(declared.fingerprint))


def find_recipe(name: str) -> Recipe:
    """The recipe of that name, of any workload of the table; or of one that is named by its place:
    `module:DECLARATION/recipe`.

    Raises:
        UsageError: there is none; names the nearest.
    """
    place, slash, own = name.rpartition("/")
    declarations = [find_declaration(place)] if slash else [find_declaration(workload) for workload in WORKLOADS]
    known: dict[str, Recipe] = {}
    for declared in declarations:
        if declared is not None and declared.recipes is not None:
            known |= cast(Mapping[str, Recipe], _load(declared.recipes))
    wanted = own if slash else name
    if wanted not in known:
        raise UsageError(f"--recipe: got {name!r}; {nearest(wanted, list(known))}")
    return known[wanted]


def subcommands(job: Job, arguments: Iterable[str] = ()) -> Mapping[str, type[Any]]:
    """The flags of a job by subcommand, of all workloads of the table, and of each that the command line names by its
    place.

    Raises:
        UsageError: there is nothing at that place, or what is there has not just one subcommand of this job.
    """
    found: dict[str, type[Any]] = {}
    for name in WORKLOADS:
        declared = find_declaration(name)
        found |= {} if declared is None else getattr(declared, job)
    for place in (text for text in list(arguments)[:1] if ":" in text):
        declared = find_declaration(place)
        own = [] if declared is None else list(getattr(declared, job).values())
        if len(own) != 1:
            raise UsageError(f"{place} declares {len(own)} subcommands of {job}, expected one")
        found[place] = own[0]
    return found


def _place(name: str) -> str:
    place = WORKLOADS.get(name, name)
    if ":" not in place:
        raise UsageError(f"unknown workload {name!r}: {nearest(name, list(WORKLOADS))}")
    return place


def _load(place: str) -> Any:
    """What stands at `module:attribute`.

    Raises:
        UsageError: nothing does.
    """
    module, _, attribute = place.partition(":")
    if not all(part.isidentifier() for part in (*module.split("."), attribute)):
        raise UsageError(f"got {place!r}, expected MODULE:DECLARATION, as in my_package.declaration:MINE")
    try:
        return getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # it is there, and lacks another
        raise UsageError(f"{place}: there is no module {error.name}; is its folder in PYTHONPATH?") from error
    except AttributeError as error:
        if not str(error).startswith(f"module {module!r}"):
            raise
        raise UsageError(f"{place}: the module {module} has no {attribute}") from error
