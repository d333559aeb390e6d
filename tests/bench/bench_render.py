"""What a command costs before it asks anybody: help, and rendering a stack of 60 objects in each dialect."""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.rows import Row, alternating, run

_TIMES = 9
_GOAL = 0.35
_SERVICES = 30

_VALUES = {
    "jinja": {
        "env": "{{ env }}",
        "namespace": "{{ namespace }}",
        "registry": "{{ registry }}",
        "first": "{{ envOr('R', 'r') }}",
    },
    "go": {
        "env": "{{ .Env }}",
        "namespace": "{{ .Namespace }}",
        "registry": "{{ .registry }}",
        "first": '{{ envOr "R" "r" }}',
    },
}
_SERVICE = """  - name: s%(n)d
    when: '%(env)s'
    image: {repository: 'x/%(registry)s/s%(n)d', tagTemplate: '%(env)s'}
    manifests: [{path: s%(n)d.yaml}]
"""
_MANIFEST = """apiVersion: v1
kind: Service
metadata: {name: s%(n)d, labels: {app: s%(n)d, env: "%(env)s"}}
spec:
  selector: {app: s%(n)d}
  ports: [{port: 80, targetPort: http}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: s%(n)d, labels: {app: s%(n)d}}
spec:
  replicas: 2
  selector: {matchLabels: {app: s%(n)d}}
  template:
    metadata: {labels: {app: s%(n)d, namespace: "%(namespace)s"}}
    spec:
      containers:
        - name: s%(n)d
          image: s%(n)d
          env:
            - {name: NAMESPACE, value: "%(namespace)s"}
            - {name: LEVEL, value: info}
          ports: [{name: http, containerPort: 8080}]
          readinessProbe: {httpGet: {path: /, port: http}, periodSeconds: 3}
          resources: {requests: {cpu: 10m, memory: 32Mi}, limits: {memory: 64Mi}}
"""


def write_stack(folder: Path, dialect: str) -> None:
    """A project of 30 services with two objects each."""
    values = _VALUES[dialect]
    first = values["first"].replace("'", "''")
    text = f"project: bench\nregistry: '{first}'\nservices:\n"
    for number in range(_SERVICES):
        text += _SERVICE % {**values, "n": number}
        (folder / f"s{number}.yaml").write_text(_MANIFEST % {**values, "n": number})
    (folder / "services.yaml").write_text(text)


def _help(environ: dict[str, str]) -> Row:
    argv, click = [sys.executable, "-m", "codexctl_ci", "--help"], [sys.executable, "-c", "import click"]
    run(argv, environ)
    took = alternating(_TIMES, help=lambda: run(argv, environ).seconds, click=lambda: run(click, environ).seconds)
    return Row("--help, whole process", took["help"], took["click"], 0.1, "s")


def rows() -> Iterator[Row]:
    """Help, then a row for each dialect. The limit is Python itself with what the process can't do without."""
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path.cwd())}
    needed = [sys.executable, "-c", "import click, yaml, jinja2.sandbox"]
    run(needed, environ)
    yield _help(environ)
    for dialect in _VALUES:
        with TemporaryDirectory() as name:
            folder = Path(name)
            write_stack(folder, dialect)
            argv = [sys.executable, "-m", "codexctl_ci", "render"]
            run(argv, environ, cwd=folder)
            measured, limits = [], []
            for _ in range(_TIMES):
                measured.append(run(argv, environ, cwd=folder).seconds)
                limits.append(run(needed, environ).seconds)
            title = f"render of a 60-object stack, whole process ({dialect})"
            yield Row(title, statistics.median(measured), statistics.median(limits), _GOAL, "s")
