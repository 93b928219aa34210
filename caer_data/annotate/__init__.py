"""`caer-data annotate`: three blind raters a clip in Label Studio, and labels one can trust."""
