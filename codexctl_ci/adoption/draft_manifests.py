"""First manifests of a project, as Jinja templates."""

from __future__ import annotations

import json

from codexctl_ci.adoption.components import Component
from codexctl_ci.adoption.values import is_secret, scalar

WORKSPACE = """\
# The volume with the sources that the agent works on.
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {{ envOr("CODEXCTL_WORKSPACE_PVC", project ~ "-workspace") }}
spec:
  accessModes: {{ storage.workspace.accessModes | tojson }}
  {%- if storage.workspace.storageClass %}
  storageClassName: {{ storage.workspace.storageClass }}
  {%- endif %}
  resources:
    requests: {storage: {{ storage.workspace.size }}}
"""

CODEX = """\
# The agent's pod. It sleeps; codexctl-ci starts the agent in it. It holds no token and has no rights in the cluster.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: codex
spec:
  # The volume may be mountable by one node only: the old pod goes before the new one comes.
  strategy: {type: Recreate}
  selector:
    matchLabels: {app: codex}
  template:
    metadata:
      labels: {app: codex}
    spec:
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: 5
      containers:
        - name: codex
          image: codex
          command: [sleep, infinity]
          workingDir: /workspace
          volumeMounts:
            - name: workspace
              mountPath: /workspace
              subPath: codex/envs/{{ slot if env == "ai" else "ai-staging" }}/src
      volumes:
        - name: workspace
          persistentVolumeClaim:
            claimName: {{ envOr("CODEXCTL_WORKSPACE_PVC", project ~ "-workspace") }}
"""

MODEL = """\
# A proxy in a namespace of its own adds the model's key, so that no pod of a slot holds it.
model_provider = "team"
[model_providers.team]
name = "The team's proxy"
base_url = "{{ envOr('MODEL_URL', 'http://model-proxy.codex-model.svc.cluster.local:8080/v1') }}"
wire_api = "responses"
"""


def manifest(component: Component, *, site: bool) -> str:
    """The objects of one component; with ``site`` an Ingress too."""
    documents = [*_volumes(component), *_secret(component), *_service(component), _deployment(component)]
    if site and component.ports:
        documents.append(_ingress(component))
    head = f"# Drafted from {component.source}: read it once; codexctl-ci init does not touch it again.\n"
    return head + "---\n".join(documents)


def _volumes(component: Component) -> list[str]:
    return [
        f"apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata:\n  name: {component.name}-{name}\nspec:\n"
        "  accessModes: [ReadWriteOnce]\n"
        "  {%- if storage.data.storageClass %}\n  storageClassName: {{ storage.data.storageClass }}\n  {%- endif %}\n"
        "  resources:\n    requests: {storage: {{ storage.data.size }}}\n"
        for name in component.volumes
    ]


def _secret(component: Component) -> list[str]:
    lines = [
        f"  {json.dumps(name)}: {scalar(secret_value(name, value), required=True)}"
        for name, value in component.environment.items()
        if is_secret(name, value)
    ]
    if not lines:
        return []
    head = "# Workflows have the values from the secret CODEXCTL_TEMPLATE_SECRETS.\napiVersion: v1\nkind: Secret\n"
    return [f"{head}metadata:\n  name: {component.name}-env\nstringData:\n" + "\n".join(lines) + "\n"]


def secret_value(name: str, value: str) -> str:
    """What a secret variable is drafted as: its own references, but never a value that stands in the file."""
    if not value:
        return value
    return value if value.startswith("${") and value.endswith("}") and value.count("$") == 1 else f"${{{name}}}"


def _service(component: Component) -> list[str]:
    if not component.ports:
        return []
    ports = "".join(f"    - {{name: port-{port}, port: {port}}}\n" for port in component.ports)
    return [
        f"apiVersion: v1\nkind: Service\nmetadata:\n  name: {component.name}\nspec:\n"
        f"  selector: {{app: {component.name}}}\n  ports:\n{ports}"
    ]


def _deployment(component: Component) -> str:
    name = component.name
    lines = [
        "apiVersion: apps/v1",
        "kind: Deployment",
        "metadata:",
        f"  name: {name}",
        "spec:",
        *([f"  replicas: {component.replicas}"] if component.replicas > 1 else []),
        *(["  strategy: {type: Recreate}"] if component.volumes else []),
        "  selector:",
        f"    matchLabels: {{app: {name}}}",
        "  template:",
        "    metadata:",
        f"      labels: {{app: {name}}}",
        "    spec:",
        "      automountServiceAccountToken: false",
        "      containers:",
        f"        - name: {name}",
        "          # services.yaml says which image.",
        f"          image: {name}",
    ]
    for key, words in (("command", component.entrypoint), ("args", component.command)):
        if words:
            lines.append(f"          {key}:")
            lines += [f"            - {scalar(word)}" for word in words]
    lines += _environment(component)
    if component.ports:
        lines.append("          ports:")
        lines += [f"            - {{name: port-{port}, containerPort: {port}}}" for port in component.ports]
        lines.append("          # Better: an httpGet on a path that answers once the service can work.")
        lines.append(f"          readinessProbe: {{tcpSocket: {{port: {component.ports[0]}}}, periodSeconds: 2}}")
    if component.volumes:
        lines.append("          volumeMounts:")
        lines += [
            f"            - {{name: {volume}, mountPath: {json.dumps(path)}}}"
            for volume, path in component.volumes.items()
        ]
        lines.append("      volumes:")
        for volume in component.volumes:
            lines += [f"        - name: {volume}", f"          persistentVolumeClaim: {{claimName: {name}-{volume}}}"]
    return "\n".join(lines) + "\n"


def _environment(component: Component) -> list[str]:
    lines: list[str] = []
    for variable, value in component.environment.items():
        if is_secret(variable, value):
            reference = f"{{name: {component.name}-env, key: {json.dumps(variable)}}}"
            lines.append(f"            - name: {json.dumps(variable)}")
            lines.append(f"              valueFrom: {{secretKeyRef: {reference}}}")
        else:
            lines.append(f"            - name: {json.dumps(variable)}")
            lines.append(f"              value: {scalar(value)}")
    return ["          env:", *lines] if lines else []


def _ingress(component: Component) -> str:
    return f"""\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {component.name}
spec:
  rules:
    - host: {{% if env == "ai" %}}dev-{{{{ slot }}}}.{{% endif %}}{{{{ base_domain[env] }}}}
      http:
        paths:
          - path: /
            pathType: Prefix
            backend:
              service:
                name: {component.name}
                port: {{number: {component.ports[0]}}}
"""
