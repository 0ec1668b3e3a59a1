"""Label quality: the folder check, the reader study, suspect labels."""
