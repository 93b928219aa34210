"""Faces: detection, tracking, embedding, and clustering of tracks into persons."""
