"""A project as one environment of it sees it: services.yaml read, checked and ready to be rendered."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from codexctl_ci.errors import Finding
from codexctl_ci.stack import environments
from codexctl_ci.stack.document import Document
from codexctl_ci.stack.files import ProjectFiles
from codexctl_ci.stack.schema import EnvironmentSpec, StackSpec
from codexctl_ci.stack.variables import Inputs
from codexctl_ci.templating.context import TemplateContext
from codexctl_ci.templating.dialect import Dialect
from codexctl_ci.templating.engine import Engine


@dataclass(frozen=True)
class Project:
    """One project in one environment. ``slot`` is 0 where there is none; ``context`` is what manifests see.

    ``document`` is services.yaml rendered, ``warnings`` what is doubtful in it and was let pass.
    """

    spec: StackSpec
    env: str
    slot: int
    namespace: str
    environment: EnvironmentSpec
    context: TemplateContext
    engine: Engine
    dialect: Dialect
    files: ProjectFiles
    document: Document
    warnings: tuple[Finding, ...] = ()

    @property
    def name(self) -> str:
        """The project's name."""
        return self.spec.project

    @property
    def site_host(self) -> str:
        """The host of this environment's site, empty where it has no domain."""
        return environments.site_host(self.env, self.slot, self.spec.base_domain)

    def namespace_for(self, env: str, slot: int) -> str:
        """The namespace of any environment of this project."""
        return environments.namespace_of(
            env,
            slot,
            patterns=self.spec.namespace.patterns,
            engine=self.engine,
            context=self.context,
            dialect=self.dialect,
            file=self.document.file,
        )

    def render_text(self, text: str, file: str) -> str:
        """A template of the project, as manifests are rendered. Raises TemplateError."""
        return self.engine.render(text, self.context, file=file)


@dataclass(frozen=True)
class Surroundings:
    """What a project is loaded into. ``namespace`` overrides the environment's own; ``root`` is shown to templates.

    ``strict``: unknown keys are errors in the Go dialect too. ``alone``: the file is all there is of the project, and
    partials that it names may be missing.
    """

    env: str
    now: datetime
    slot: int = 0
    namespace: str = ""
    root: str = ""
    inputs: Inputs = field(default_factory=Inputs)
    strict: bool = False
    alone: bool = False
