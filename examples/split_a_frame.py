"""Split clips that are not ours so that no show lies in two splits."""

import pandas as pd

import caer_data

clips = pd.DataFrame({"clip_id": range(60), "label": [n % 7 for n in range(60)]})
clips["show"] = [f"show {n % 12}" for n in range(60)]
clips["split"] = caer_data.split(clips, (70, 10, 20), by="show")
print(clips.groupby("split")["show"].nunique().to_string())
