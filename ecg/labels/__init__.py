"""Label quality: folder check, reader study, suspect labels."""
