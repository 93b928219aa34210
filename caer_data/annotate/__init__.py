"""`caer-data annotate`: blind rating of every clip by several raters in Label Studio."""
