"""Which rater sees which clip, and in what order.

`assignments` assigns clips to raters, following the balanced order that `design` makes.
"""
