"""Faces: detection, tracking, embedding, and the clustering of tracks into persons."""
