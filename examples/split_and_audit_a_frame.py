"""Split clips that are not ours by show, and look for what still leaks between the splits."""

import pandas as pd

import caer_data

clips = pd.DataFrame({"clip_id": range(60), "label": [n % 7 for n in range(60)]})
clips["show"] = [f"show {n % 12}" for n in range(60)]
clips["person_id"] = [f"actor {n % 5}" for n in range(60)]
clips["split"] = caer_data.split(clips, (70, 10, 20), by="show")
print(*caer_data.audit(clips), sep="\n")
