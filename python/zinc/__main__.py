"""The command ``zinc``, also ``python -m zinc``."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command; its libraries are extras that ``import zinc`` needs nothing of."""
    try:
        from .command.main import app
    except ModuleNotFoundError as error:
        extra = "bench" if sys.argv[1:2] == ["bench"] else "cli"
        sys.exit(f"zinc: {error}; this command takes: pip install 'zinc-shm[{extra}]'")
    try:
        app()
    except (OSError, ValueError) as error:
        told = getattr(error, "strerror", None) or str(error)  # ours are whole sentences
        file = getattr(error, "filename", None)
        sys.exit(f"zinc: {file}: {told}" if file else f"zinc: {told}")


if __name__ == "__main__":
    main()
