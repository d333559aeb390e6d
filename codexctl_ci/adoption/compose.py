"""What a compose file says of a project's services, as far as a stack needs it."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from codexctl_ci.adoption.components import RESERVED, Component, label, stateful_port
from codexctl_ci.errors import InvalidStack
from codexctl_ci.stack.yaml_nodes import Builder, compose_all

NAMES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
"""File names in the order in which compose itself looks for them."""

_PORT = re.compile(r"(?:.*:)?(\d+)(?:/tcp)?")
# Image references, with references to variables in them; nothing that a template would take for its own.
_IMAGE = re.compile(r"(?!.*\{[{%#])[\w./:@${}?+-]+")
# Paths that lead out of the project, or that a variable decides.
_ELSEWHERE = re.compile(r"^/|^\.\./|^\.\.$|[${}]|://")
_TAKEN = frozenset(
    {"image", "build", "ports", "expose", "environment", "command", "entrypoint", "volumes", "depends_on"}
)
# What has a note of its own, and what has no meaning in a cluster or is so there anyway.
_SAID = frozenset({"deploy", "scale", "env_file", "healthcheck", "restart"})
_NEEDLESS = frozenset({"container_name", "networks", "links", "labels", "logging", "pull_policy", "develop", "init"})
_ADVICE = {
    "healthcheck": "make it the readinessProbe of its manifest",
    "target": "the last stage of the Dockerfile is built",
    "resources": "write them into its manifest",
}


def read_compose(text: str, file: str) -> tuple[list[Component], list[str]]:
    """The services in ``text``, and notes on what they have that is not taken over.

    A file that isn't understood gives no services and a note that says why.
    """
    try:
        roots = [Builder(file, as_text=True).build(node) for node in compose_all(text, file)]
    except InvalidStack as error:
        return [], [f"{file} is not read: {str(error).splitlines()[0]}"]
    services = roots[0].get("services") if roots and isinstance(roots[0], dict) else None
    if not isinstance(services, dict):
        return [], [f"{file} has no services"]
    found: list[Component] = []
    notes: list[str] = []
    volumes: set[str] = set()
    for name, body in services.items():
        if not isinstance(body, dict):
            notes.append(f"{file}: {name} is not understood")
        elif label(name) in ("", *RESERVED, *(component.name for component in found)):
            notes.append(f"{file}: {name} is left out: the name is none, is another's, or the stack's own need")
        else:
            component = _component(name, body, file)
            found.append(component)
            shared = sorted(volumes & set(component.volumes))
            notes += [f"{file}: {name}: volume {volume} was shared; here each service has its own" for volume in shared]
            volumes |= set(component.volumes)
            notes += [f"{file}: {name}: {note}" for note in _notes(body, component)]
    return found, notes


def _component(name: str, body: Mapping[str, Any], file: str) -> Component:
    build = body.get("build")
    context = dockerfile = ""
    if isinstance(build, str):
        context, dockerfile = build, "Dockerfile"
    elif isinstance(build, dict):
        context, dockerfile = str(build.get("context") or "."), str(build.get("dockerfile") or "Dockerfile")
    context = posixpath.normpath(context) if context else "."
    if _ELSEWHERE.search(context) or _ELSEWHERE.search(dockerfile):
        dockerfile = ""
    image = str(body.get("image") or "") if not dockerfile else ""
    image = image if _IMAGE.fullmatch(image) else ""
    ports = tuple(dict.fromkeys([*_ports(body.get("ports")), *_ports(body.get("expose"))]))
    if not ports and stateful_port(image):
        ports = (stateful_port(image),)
    return Component(
        label(name),
        dockerfile=posixpath.normpath(posixpath.join(context, dockerfile)) if dockerfile else "",
        context=context,
        image=image,
        ports=ports,
        published=bool(_ports(body.get("ports"))),
        environment=_environment(body.get("environment")),
        command=_words(body.get("command")),
        entrypoint=_words(body.get("entrypoint")),
        volumes=dict(_volumes(body.get("volumes"))),
        depends_on=tuple(label(str(other)) for other in body.get("depends_on") or ()),
        build_args=_environment(build.get("args")) if isinstance(build, dict) and dockerfile else {},
        replicas=_replicas(body) if not body.get("volumes") else 1,
        source=file,
    )


def _ports(value: object) -> list[int]:
    found = []
    for item in value if isinstance(value, list) else ():
        text = str(item.get("target") or "") if isinstance(item, dict) else str(item)
        matched = _PORT.fullmatch(text)
        if matched and 0 < int(matched[1]) < 65536:
            found.append(int(matched[1]))
    return found


def _replicas(body: Mapping[str, Any]) -> int:
    deploy = body.get("deploy")
    text = str(body.get("scale") or (deploy.get("replicas") if isinstance(deploy, dict) else "") or "1")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 1


def _environment(value: object) -> dict[str, str]:
    if isinstance(value, dict):
        return {str(name): f"${{{name}}}" if given is None else str(given) for name, given in value.items()}
    pairs = [str(item).partition("=") for item in value] if isinstance(value, list) else []
    # A bare name takes the value from wherever compose runs.
    return {name: given if sign else f"${{{name}}}" for name, sign, given in pairs}


def _words(value: object) -> tuple[str, ...]:
    if isinstance(value, list):
        return tuple(str(item) for item in value)
    try:
        return tuple(shlex.split(str(value))) if value else ()
    except ValueError:
        return ()


def _volumes(value: object) -> Iterator[tuple[str, str]]:
    for item in value if isinstance(value, list) else ():
        if isinstance(item, dict):
            name, target = str(item.get("source") or ""), str(item.get("target") or "")
        else:
            name, _, rest = str(item).partition(":")
            target = rest.partition(":")[0]
        if label(name) and target.startswith("/") and name[0] not in "./~$":
            yield label(name), target


def _notes(body: Mapping[str, Any], component: Component) -> Iterator[str]:
    mounts = len(body.get("volumes") or ()) - len(component.volumes)
    if mounts > 0:
        yield "folders of the machine that are mounted are left out: put the files into the image or a ConfigMap"
    ports = body.get("ports")
    for port in ports if isinstance(ports, list) else ():
        if not _ports([port]):
            yield f"port {port.get('target') if isinstance(port, dict) else port} is left out: ranges, UDP, variables"
    yield from _dropped(body, component)
    if body.get("env_file"):
        yield "env_file is left out: list it in envFiles of services.yaml, and its values in the manifest"
    if not component.image and not component.dockerfile:
        yield "is left out: it has neither an image nor a build whose place in the project is understood"


def _dropped(body: Mapping[str, Any], component: Component) -> Iterator[str]:
    left_out = [key for key in body if key not in _TAKEN | _SAID | _NEEDLESS and not key.startswith("x-")]
    left_out += [key for key in ("healthcheck",) if body.get(key)]
    build, deploy, needs = body.get("build"), body.get("deploy"), body.get("depends_on")
    if isinstance(build, dict):
        left_out += [f"build.{key}" for key in build if key not in ("context", "dockerfile", "args")]
    if isinstance(deploy, dict):
        left_out += [f"deploy.{key}" for key in deploy if key not in ("replicas", "labels", "mode", "restart_policy")]
    for key in left_out:
        advice = _ADVICE.get(key.rpartition(".")[2], "")
        yield f"{key} is left out" + (f": {advice}" if advice else "")
    if _replicas(body) != component.replicas:
        yield f"{_replicas(body)} replicas are left out: its volume is for one"
    if str(body.get("restart") or "").startswith(("no", "false", "on-failure")):
        yield "restart: a Deployment starts it again whenever it ends; if it is to end, make it a Job"
    conditions = needs.values() if isinstance(needs, dict) else ()
    if any(isinstance(each, dict) and each.get("condition") == "service_completed_successfully" for each in conditions):
        yield "depends_on one that ends: make that one a Job in the group migrations"
