"""services.yaml as types. Attributes are its keys in snake_case; the JSON Schema has the docstrings."""

from typing import Any, ClassVar, Literal

from codexctl_ci.stack.schema_codex import CodexSpec
from codexctl_ci.stack.schema_guardrails import Guardrails
from codexctl_ci.stack.schema_types import Duration, Section, TextMap, key

DEPLOY_GROUPS = ("stateful", "migrations", "internal", "edge", "frontend")
BUILT_IN_HOOKS = (
    "kubectl.wait",
    "github.comment",
    "sleep",
    "preflight",
    "codex.ensure-codex-secrets",
    "codex.reuse-dev-tls-secret",
)


class NamespaceSpec(Section):
    """How namespaces are named."""

    patterns: TextMap = key(factory=dict)
    """Environment to a template of its namespace's name."""


class StateSpec(Section):
    """Where slots are recorded."""

    backend: str = "configmap"
    configmap_namespace: str = ""
    """Namespace of the records; empty: that of ai-staging."""
    configmap_prefix: str = "codex-env-"
    """Start of the records' names."""


class Volume(Section):
    """What a volume claim asks for."""

    size: str = ""
    storage_class: str = ""
    access_modes: tuple[str, ...] = ()


class StorageSpec(Section):
    """The project's volumes."""

    workspace: Volume = key(factory=Volume)
    """Sources and the agent's home."""
    data: Volume = key(factory=Volume)
    """Databases."""
    registry: Volume = key(factory=Volume)
    """Images."""


class LocalRegistry(Section):
    """A registry beside a local cluster."""

    enabled: bool = False
    name: str = ""
    port: int = key(default=5000, least=1, most=65535)


class EnvironmentSpec(Section):
    """One environment."""

    from_: str | None = key(default=None, spelled="from")
    """Another environment whose keys hold where this one has none."""
    kubeconfig: str | None = None
    context: str | None = None
    """Context of the kubeconfig."""
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    """For every container of a workload that has none of its own."""
    slot_bootstrap_infra: tuple[str, ...] | None = None
    """Infrastructure groups applied right after a slot is leased."""
    local_registry: LocalRegistry | None = None


class ImageSpec(Section):
    """An image of the project: mirrored from elsewhere, or built."""

    implied: ClassVar[frozenset[str]] = frozenset({"type"})

    type: Literal["external", "build"]
    """Left out, it shows: what comes from elsewhere is external."""
    from_: str | None = key(default=None, spelled="from")
    """external: where it comes from."""
    local: str | None = None
    """external: its name in the project's registry."""
    repository: str | None = None
    """build: its name without a tag."""
    tag: str | None = None
    tag_template: str | None = None
    """build: its tag."""
    dockerfile: str = "Dockerfile"
    """build: from the project's root."""
    context: str = "."
    """build: from the project's root."""
    build_args: TextMap = key(factory=dict)
    build_contexts: TextMap = key(factory=dict)
    """build: names to further folders."""

    @classmethod
    def prepared(cls, data: dict[str, Any]) -> dict[str, Any]:
        if not data.get("type") and (data.get("from") or data.get("repository")):
            return {**data, "type": "external" if data.get("from") else "build"}
        return data


class HookStep(Section):
    """A step before or after an apply: a bash script, or a built-in action with its arguments."""

    blank_counts: ClassVar[frozenset[str]] = frozenset({"when"})

    name: str = ""
    run: str | None = None
    """bash"""
    use: str | None = key(default=None, examples=BUILT_IN_HOOKS)
    with_: TextMap = key(factory=dict, spelled="with")
    when: str | None = None
    """Empty, false, 0 or no: the step is left out."""
    continue_on_error: bool = False
    timeout: Duration | None = None

    @classmethod
    def prepared(cls, data: dict[str, Any]) -> dict[str, Any]:
        # Some stacks say "use: run" beside the script.
        if data.get("use") == "run" and data.get("run"):
            return {key: value for key, value in data.items() if key != "use"}
        return data

    def check(self) -> None:
        if bool(self.run) == bool(self.use):
            raise ValueError("a hook has exactly one of run, use")


class ItemHooks(Section):
    """Steps around one group or service."""

    before_apply: tuple[HookStep, ...] = ()
    after_apply: tuple[HookStep, ...] = ()
    before_destroy: tuple[HookStep, ...] = ()
    after_destroy: tuple[HookStep, ...] = ()


class StackHooks(Section):
    """Steps around the whole stack."""

    before_all: tuple[HookStep, ...] = ()
    after_all: tuple[HookStep, ...] = ()


class ManifestFile(Section):
    """A file with Kubernetes objects."""

    path: str
    """From the project's root."""


class InfraGroup(Section):
    """Objects that services stand on."""

    blank_counts: ClassVar[frozenset[str]] = frozenset({"when"})

    name: str
    when: str | None = None
    """Empty, false, 0 or no: the group is left out."""
    manifests: tuple[ManifestFile, ...] = ()
    hooks: ItemHooks = key(factory=ItemHooks)
    depends_on: tuple[str, ...] = ()


class ServiceImage(Section):
    """The image of a service's own workload."""

    repository: str
    tag_template: str | None = None

    @property
    def reference(self) -> str:
        """Repository and tag, as a container names its image."""
        return f"{self.repository}:{self.tag_template}" if self.tag_template else self.repository


class Ingress(Section):
    """Where a service is reached from outside."""

    hosts: TextMap = key(factory=dict)
    """Environment to its host."""


class PvcMount(Section):
    """A volume claim mounted into a service."""

    name: str
    claim_name: str
    mount_path: str
    sub_path: str | None = None
    read_only: bool = False


class HostMount(Section):
    """A folder of the node mounted into a service."""

    name: str
    host_path: str
    mount_path: str


class Overlay(Section):
    """How a service differs in one environment."""

    pvc_mounts: tuple[PvcMount, ...] = ()
    host_mounts: tuple[HostMount, ...] = ()
    drop_kinds: tuple[str, ...] = ()
    """Kinds that are left out."""


class ServiceSpec(Section):
    """One service."""

    blank_counts: ClassVar[frozenset[str]] = frozenset({"when"})

    name: str
    when: str | None = None
    """Empty, false, 0 or no: the service is left out."""
    manifests: tuple[ManifestFile, ...] = ()
    image: ServiceImage | None = None
    ingress: Ingress = key(factory=Ingress)
    overlays: dict[str, Overlay] = key(factory=dict)
    """Environment to what differs there."""
    hooks: ItemHooks = key(factory=ItemHooks)
    depends_on: tuple[str, ...] = ()
    deploy_group: Literal["stateful", "migrations", "internal", "edge", "frontend"] | None = None


class TemplatesSpec(Section):
    """How templates are read."""

    dialect: Literal["auto", "jinja", "go"] = "auto"
    partials: tuple[str, ...] = ()
    """Globs of files whose definitions every template can use."""


class StackSpec(Section):
    """A project's stack."""

    project: str = key(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")
    """Name of the project: namespaces, volumes and labels carry it."""
    env_files: tuple[str, ...] = ()
    """dotenv files with values for templates."""
    namespace: NamespaceSpec = key(factory=NamespaceSpec)
    max_slots: int = key(default=0, least=0)
    """Most slots at once; 0 is no limit."""
    registry: str = ""
    """Registry of the project's images."""
    base_domain: TextMap = key(factory=dict)
    """Environment to the domain of its site."""
    versions: TextMap = key(factory=dict)
    """Names to versions, for templates."""
    state: StateSpec = key(factory=StateSpec)
    storage: StorageSpec = key(factory=StorageSpec)
    environments: dict[str, EnvironmentSpec] = key(factory=dict)
    images: dict[str, ImageSpec] = key(factory=dict)
    infrastructure: tuple[InfraGroup, ...] = ()
    services: tuple[ServiceSpec, ...] = ()
    hooks: StackHooks = key(factory=StackHooks)
    templates: TemplatesSpec = key(factory=TemplatesSpec)
    codex: CodexSpec = key(factory=CodexSpec)
    guardrails: Guardrails = key(factory=Guardrails)

    @property
    def manifest_paths(self) -> set[str]:
        """The files of all groups and services."""
        files = [file for group in self.infrastructure for file in group.manifests]
        files += [file for service in self.services for file in service.manifests]
        return {file.path for file in files}
