"""Begins a trace inside a program that `asyncio-trace run` started, before the program's first line.

Python imports `sitecustomize` at start-up; `run` puts this folder in front of PYTHONPATH. The program itself then runs as Python
runs it, with nothing of ours beneath it. All signs are taken away again: the folder leaves `sys.path` and (unless children are to
be traced too) the environment, a `sitecustomize` of the user's own runs in our place, and asyncio is not imported unless the
program does it: the trace begins when that happens.

This file must work before anything is importable but the standard library, and must never break the program.
"""

# mypy: ignore-errors
import os
import sys


def _restore_environment():
    import json

    settings = json.loads(os.environ.pop("ASYNCIO_TRACE_STARTUP"))
    before = settings["pythonpath"]
    if settings["children"]:  # its children come in by the same way
        stem, suffix = os.path.splitext(settings["recording"].replace("{pid}", str(os.getpid())))
        beside = (
            settings if settings["child"] else {**settings, "recording": stem + ".{pid}" + suffix, "argv": None, "child": True}
        )
        os.environ["ASYNCIO_TRACE_STARTUP"] = json.dumps(beside)
    elif before is None:
        os.environ.pop("PYTHONPATH", None)
    else:
        os.environ["PYTHONPATH"] = before
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != here]
    sys.path_importer_cache.pop(here, None)
    return settings


def _run_users_own():
    """Import the `sitecustomize` that would have been imported without us."""
    ours = sys.modules.pop("sitecustomize", None)
    try:
        import sitecustomize  # noqa: F401
    except ImportError as error:
        if error.name != "sitecustomize":
            raise
        if ours is not None:
            sys.modules["sitecustomize"] = ours  # the import of this very file looks for it


class _AsyncioImported:
    """A finder that lets asyncio be imported as ever, then begins the trace."""

    def __init__(self, begin):
        self.begin = begin

    def find_spec(self, name, path=None, target=None):
        if name != "asyncio":
            return None
        sys.meta_path.remove(self)
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target)
            if spec is not None and spec.loader is not None:
                spec.loader = _Loader(spec.loader, self.begin)
                return spec
        return None


class _Loader:
    def __init__(self, loader, begin):
        self.loader = loader
        self.begin = begin

    def create_module(self, spec):
        return self.loader.create_module(spec)

    def exec_module(self, module):
        module.__spec__.loader = module.__loader__ = self.loader
        self.loader.exec_module(module)
        self.begin()


def _start():
    settings = _restore_environment()

    def begin():
        try:
            added = settings["package_parent"] not in sys.path
            if added:
                sys.path.append(settings["package_parent"])
            try:
                from asyncio_trace.tracer import program
            finally:
                if added:
                    sys.path.remove(settings["package_parent"])
            program.begin(settings)
        except Exception as error:
            sys.stderr.write(f"asyncio-trace: the program runs untraced: {type(error).__name__}: {error}\n")

    sys.meta_path.insert(0, _AsyncioImported(begin))


if "ASYNCIO_TRACE_STARTUP" in os.environ:
    try:
        _start()
    except Exception as _error:
        sys.stderr.write(f"asyncio-trace: the program runs untraced: {type(_error).__name__}: {_error}\n")
_run_users_own()
