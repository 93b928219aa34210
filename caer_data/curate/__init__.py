"""What `build` runs: videos to clips, stage by stage."""
