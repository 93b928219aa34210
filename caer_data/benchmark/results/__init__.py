"""Results of runs: suites, comparisons, attention maps, suspicious labels."""
