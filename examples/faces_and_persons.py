"""Faces of one video and who they are: python examples/faces_and_persons.py VIDEO"""

import sys

import caer_data

found = caer_data.find_faces(sys.argv[1])
persons = caer_data.cluster_people(found.tracks, found.embeddings, found.threshold)
seconds = found.tracks["end_s"] - found.tracks["start_s"]
print(f"{len(found.faces)} boxes in {len(found.shots)} shots")
print(seconds.groupby(persons).agg(["count", "sum"]).round(1).to_string())
