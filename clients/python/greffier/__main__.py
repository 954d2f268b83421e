"""``python -m greffier``: the command line."""

from greffier.cli import main

if __name__ == "__main__":
    main()
