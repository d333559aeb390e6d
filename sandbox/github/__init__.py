"""An imitation of GitHub for one machine: its REST and GraphQL API, git over HTTP and webhooks.

It answers only what is listed in `contract/selection.py`, and every request, answer and webhook is checked
against GitHub's published description of it.
"""
