"""`caer-data build`: videos, shots, faces, people, filter, clips; one stage a file."""
