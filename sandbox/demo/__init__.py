"""The main job from a labelled issue to a merged pull request, checked from outside."""
