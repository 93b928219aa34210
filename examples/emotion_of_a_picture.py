"""CAER-Net on one picture: python examples/emotion_of_a_picture.py WEIGHTS PICTURE [X1 Y1 X2 Y2]

WEIGHTS is a weights.safetensors that `caer-data benchmark` wrote; without a box, the largest face
in the picture is the target.
"""

import sys

import caer_data

weights, picture, *box = sys.argv[1:]
found = caer_data.load_model(weights).predict(picture, [float(side) for side in box] or None)
for emotion, probability in sorted(found.items(), key=lambda item: -item[1]):
    print(f"{emotion:<10}{probability:.3f}")
