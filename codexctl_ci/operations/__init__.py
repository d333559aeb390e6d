"""One module a verb: observe, plan, act. They know the outside world by its ports only."""
