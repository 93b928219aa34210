"""What comes of runs: suites, comparisons, attention maps, suspicious labels."""
