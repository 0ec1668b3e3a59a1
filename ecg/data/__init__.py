"""Files on disk to network inputs: headers, signals, preprocessing, windows."""
