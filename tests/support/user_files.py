"""A user's own model, data set or optimizer beside a test, found as if it lay in the project."""

from pathlib import Path

from quickdraw import user_files


def use(package: Path) -> None:
    """Let this process find users' files in another folder. A `setup` for `tests.support.program`, by `partial`."""
    import quickdraw
    import quickdraw.data
    import quickdraw.model

    quickdraw.__path__.append(str(package))
    quickdraw.data.__path__.append(str(package / "data"))
    quickdraw.model.__path__.append(str(package / "model"))
    user_files.PACKAGE = package
