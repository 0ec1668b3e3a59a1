"""What a training run needs: set-up, store, folds, augmentation, checkpoints, distribution."""
