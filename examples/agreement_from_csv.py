"""Agreement and labels from a CSV with clip_id, rater, emotion and confidence."""

import sys

import pandas as pd

import caer_data

ratings = pd.read_csv(sys.argv[1])
found = caer_data.agreement(ratings)
print(f"alpha {found.alpha:.3f} [{found.low:.3f}, {found.high:.3f}] over {found.clips} clips")
print(caer_data.decide_labels(ratings)["status"].value_counts().to_string())
