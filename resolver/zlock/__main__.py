"""`python -m zlock`."""

from zlock.cli import main

if __name__ == "__main__":
    main()
