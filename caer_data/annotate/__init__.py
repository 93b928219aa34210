"""`caer-data annotate`: three blind raters per clip in Label Studio, and labels one can trust."""
