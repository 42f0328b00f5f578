"""``python -m nnreport``."""

from nnreport.cli.main import main

if __name__ == "__main__":
    main()
