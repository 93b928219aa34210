"""`python -m caer_data` is the same as `caer-data`."""

from caer_data.cli import main

main()
