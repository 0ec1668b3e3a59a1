"""The learning rate's schedule."""

import math

from ecg.recipe import Recipe


def learning_rate(recipe: Recipe, epoch: int, part: float) -> float:
    """The learning rate after ``epoch`` whole epochs and ``part`` (0 to 1) of the next."""
    if recipe.schedule == "steps":
        drops = sum(epoch >= max(1, round(drop * recipe.epochs)) for drop in recipe.learning_rate_drops)
        return recipe.learning_rate * 0.1**drops
    # one cycle (Smith and Topin, arXiv 1708.07120): a cosine up from 1/25, then a cosine down to 0
    done, warm = (epoch + part) / recipe.epochs, recipe.warm_up
    if done < warm:
        return recipe.learning_rate * (1 + 24 * (1 - math.cos(math.pi * done / warm)) / 2) / 25
    return recipe.learning_rate * (1 + math.cos(math.pi * (done - warm) / (1 - warm))) / 2
