"""`python -m glassconv` is the command line."""

from glassconv.cli import main

main()
