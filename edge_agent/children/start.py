"""What every child process begins with: `python …/edge_agent/children/start.py MODULE ARGUMENT…`, as command.py says.

`python -m` looks first into the folder in which it is started: a `json.py` there, or another `edge_agent/`, would be
taken for ours. Python 3.10 has no -P against that, and -I would also forget where a user's packages are. A script's own
folder stands in that place instead. It is taken off here, before anything is imported, and the package is the one that
this file belongs to, which is the parent's.
"""

import sys


def _use_own_package() -> None:
    """Make `edge_agent` the package around this file, whatever else is found by that name."""
    import importlib.util
    from pathlib import Path

    folder = Path(__file__).resolve().parents[1]
    there = sys.modules.get("edge_agent")  # a sitecustomize may have imported it
    if there is not None and Path(there.__file__ or "").resolve().parent == folder:
        return
    spec = importlib.util.spec_from_file_location(
        "edge_agent", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules["edge_agent"] = package
    spec.loader.exec_module(package)


def main() -> None:
    """Call the function `main` of the module that is named first, with the other arguments as its command line."""
    if not (sys.flags.isolated or getattr(sys.flags, "safe_path", False)):  # else it has not been put there
        del sys.path[0]
    _use_own_package()
    import importlib

    del sys.argv[0]
    importlib.import_module(sys.argv[0]).main()


if __name__ == "__main__":
    main()
