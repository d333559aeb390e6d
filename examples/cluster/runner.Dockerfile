# The image of runners (arc-values.yaml) and of the collector (gc.yaml). From a clone of this project, at the ref that your
# workflows name:
#   docker build -f examples/cluster/runner.Dockerfile -t registry.example.com/pantry/runner:1 .
# Neither Codex nor kubectl is needed in it; add what the `run:` steps of your hooks call. Kaniko is not in it either: builds
# are Jobs (CODEXCTL_KANIKO_IMAGE in arc-values.yaml).
ARG UV=ghcr.io/astral-sh/uv:0.13.8
ARG BASE=ghcr.io/actions/actions-runner:latest
FROM ${UV} AS uv
FROM ${BASE}
USER root
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates git && rm -rf /var/lib/apt/lists/*
# It brings a Python where the base has none that is new enough, and sets command lines up in a second or two.
COPY --from=uv /uv /usr/local/bin/uv
COPY actions /opt/codexctl-ci/actions
COPY requirements /opt/codexctl-ci/requirements
COPY codexctl_ci /opt/codexctl-ci/codexctl_ci
# A job at this ref finds its command line here; one at another ref sets up its own beside it.
ENV UV_PYTHON_INSTALL_DIR=/opt/codexctl-ci/python CODEXCTL_TOOL_CACHE=/opt/codexctl-ci/cache
RUN printf '#!/bin/sh\nexec /opt/codexctl-ci/actions/codexctl-ci "$@"\n' > /usr/local/bin/codexctl-ci \
    && chmod 0755 /usr/local/bin/codexctl-ci && codexctl-ci --version && chown -R 1001:1001 "$CODEXCTL_TOOL_CACHE"
USER 1001
