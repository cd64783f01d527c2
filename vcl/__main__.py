"""``python -m vcl`` is the ``vcl`` command."""

from vcl.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
