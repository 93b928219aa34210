"""Print the shots of one video: python examples/shots_of_a_video.py VIDEO"""

import sys

import caer_data

shots = caer_data.detect_shots(sys.argv[1])
print(shots[["start_frame", "end_frame", "start_s", "end_s"]].to_string(index=False))
