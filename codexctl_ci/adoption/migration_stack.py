"""What would differ in a services.yaml of the Go tool."""

from __future__ import annotations

import re
from collections.abc import Iterator

from codexctl_ci.adoption.difference import ACT, KNOW, Difference, OldProject
from codexctl_ci.adoption.values import is_secret
from codexctl_ci.stack.document import Path
from codexctl_ci.stack.project import Project
from codexctl_ci.stack.schema import ItemHooks, StackHooks
from codexctl_ci.templating.dialect import Dialect

_OLD_PROGRAM = re.compile(r"(?<![\w./-])codexctl\s+(?=[a-z-])")
_KUBECTL = re.compile(r"(?<![\w./-])kubectl\s")
_PUSHES = re.compile(r"\bgit push\b|\bgh pr (create|edit|comment|review)\b|\bhub pull-request\b")
_COMMENT = re.compile(r"\s*#")
_SLOT = 7


def stack_differences(old: OldProject) -> Iterator[Difference]:
    """Faults, then what the keys of each environment mean, then what scripts and texts in the file do."""
    for fault in old.faults:
        file = fault.file or old.config
        yield Difference(file, fault.line, ACT, "fault", "may have passed", f"an error: {fault.message}", fault.hint)
    for project in old.projects:
        rows = _Rows(old.config, project)
        yield from rows.doubts()
        yield from rows.namespaces()
        yield from rows.records()
        yield from rows.images()
        yield from rows.hooks()
    if old.projects and old.projects[0].dialect is not Dialect.GO:
        yield Difference(
            old.config,
            1,
            KNOW,
            "templates.dialect",
            "Go templates, although there is none in it",
            "Jinja: unknown keys are errors, `image` and mounts change every kind of workload",
            "add `templates: {dialect: go}` to keep the older tool's rules",
        )
    yield from text_differences(old.config, old.text)


def text_differences(file: str, text: str) -> Iterator[Difference]:
    """What scripts and the agent's orders in ``text`` do, line by line; comments are left out."""
    for number, line in enumerate(text.split("\n"), 1):
        if _COMMENT.match(line):
            continue
        if _OLD_PROGRAM.search(line):
            yield Difference(
                file,
                number,
                ACT,
                "codexctl",
                "the runner's image held this program",
                "the program is called codexctl-ci; commands and flags keep their names",
                "call codexctl-ci, and in workflows set it up by this repository's action first",
            )
        if _KUBECTL.search(line):
            yield Difference(
                file,
                number,
                KNOW,
                "kubectl",
                "needed by the older tool itself",
                "needed by nobody but this line",
                "keep it in the runner's image, or wait by `use: kubectl.wait`, which needs none",
            )
        if _PUSHES.search(line):
            yield Difference(
                file,
                number,
                KNOW,
                "publishing",
                "the agent pushed and opened pull requests by itself, with a token",
                "a step of its own does, which checks the change; the agent's pod needs no token",
                "take these words out of what the agent is told",
            )


class _Rows:
    def __init__(self, config: str, project: Project) -> None:
        self.config, self.project, self.spec = config, project, project.spec

    def _row(self, path: Path, level: str, what: str, before: str, now: str, advice: str = "") -> Difference:
        line = self.project.document.place(path).line
        return Difference(self.config, line, level, what, before, now, advice)

    def doubts(self) -> Iterator[Difference]:
        for doubt in self.project.warnings:
            now = f"a warning, an error with --strict: {doubt.message}"
            yield Difference(doubt.file or self.config, doubt.line, KNOW, "doubtful", "let pass", now, doubt.hint)

    def namespaces(self) -> Iterator[Difference]:
        name = self.spec.project
        for env, usual in (("ai", f"{name}-dev-{_SLOT}"), ("ai-staging", f"{name}-ai-staging")):
            found = self.project.namespace_for(env, _SLOT if env == "ai" else 0)
            if found != usual:
                yield self._row(
                    ("namespace", "patterns", env),
                    KNOW,
                    f"namespace of {env}",
                    "any name, since the runner was mostly an administrator",
                    f"the same, {found} for instance; runner.yaml of examples/cluster is written for {usual}",
                    "put your pattern into its policy and its namespaces",
                )

    def records(self) -> Iterator[Difference]:
        if "state" in self.project.document.data:
            yield self._row(
                ("state",),
                KNOW,
                "state",
                "one ConfigMap a slot",
                "Leases, and such ConfigMaps too, for workflows not yet switched; the older tool's are taken over",
            )

    def images(self) -> Iterator[Difference]:
        for name, image in self.spec.images.items():
            path: Path = ("images", name)
            if image.type == "external":
                yield self._row(
                    path,
                    KNOW,
                    f"images.{name}",
                    "built anew from `FROM` it: another digest, one platform",
                    "copied by digest, all platforms, and only where the registry lacks it",
                )
                continue
            yield self._row(
                path,
                KNOW,
                f"images.{name}",
                "built by every run",
                "built where context, Dockerfile, arguments or base images changed; else only tagged",
            )
            for argument, value in image.build_args.items():
                if is_secret(argument, value):
                    yield self._row(
                        (*path, "buildArgs", argument),
                        KNOW,
                        f"build argument {argument}",
                        "stood in command lines and logs",
                        "stands in neither; Docker itself keeps it in the image's history",
                        "let the build do without it",
                    )

    def hooks(self) -> Iterator[Difference]:
        yield from self._steps((), self.spec.hooks, "the stack")
        for key, items in (("infrastructure", self.spec.infrastructure), ("services", self.spec.services)):
            numbers = {
                row.get("name"): number
                for number, row in enumerate(self.project.document.data.get(key) or ())
                if isinstance(row, dict)
            }
            for item in items:
                yield from self._steps((key, numbers.get(item.name, 0)), item.hooks, item.name)

    def _steps(self, path: Path, hooks: ItemHooks | StackHooks, owner: str) -> Iterator[Difference]:
        stages = {spelled: getattr(hooks, key.attribute) for spelled, key in hooks.keys().items()}
        steps = [(stage, number, step) for stage, found in stages.items() for number, step in enumerate(found)]
        if steps:
            yield self._row(
                (*path, "hooks"),
                KNOW,
                f"hooks of {owner}",
                "ran whatever `when` and filters said, and all again with every retry",
                "run only where `when` and filters keep them in; a retry doesn't repeat finished ones",
            )
        for stage, number, step in steps:
            if step.use == "codex.ensure-codex-secrets":
                yield self._row(
                    (*path, "hooks", stage, number, "use"),
                    KNOW,
                    step.use,
                    "put the model's key and a GitHub token where the agent reads them",
                    "the same; but nothing here needs them there",
                    "leave it out, and let examples/cluster/model-proxy.yaml hold the key",
                )
