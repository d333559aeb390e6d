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
    """configmap: slots show in the older tool's form too; lease: that tool never worked here."""
    configmap_namespace: str = ""
    """Namespace of the records; empty: that of ai-staging."""
    configmap_prefix: str = "codex-env-"
    """Start of the names of records in the older tool's form."""


class Volume(Section):
    """What a volume claim asks for."""

    size: str = ""
    """Like 5Gi."""
    storage_class: str = ""
    """Empty: the cluster's default."""
    access_modes: tuple[str, ...] = ()
    """Like ReadWriteOnce."""


class StorageSpec(Section):
    """The project's volumes."""

    workspace: Volume = key(factory=Volume)
    """Sources and the agent's home."""
    data: Volume = key(factory=Volume)
    """Databases."""
    registry: Volume = key(factory=Volume)
    """Images."""


class LocalRegistry(Section):
    """A registry beside a local cluster, reached without TLS."""

    enabled: bool = False
    """Whether there is one."""
    name: str = ""
    """Its host as seen from the cluster, besides localhost."""
    port: int = key(default=5000, least=1, most=65535)
    """Its port."""


class EnvironmentSpec(Section):
    """One environment."""

    from_: str | None = key(default=None, spelled="from")
    """Another environment whose keys hold where this one has none."""
    kubeconfig: str | None = None
    """File with the cluster's address and credentials, where no option names one."""
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
    """build: its tag; stronger than tagTemplate."""
    tag_template: str | None = None
    """build: its tag; without either latest."""
    dockerfile: str = "Dockerfile"
    """build: from the project's root."""
    context: str = "."
    """build: from the project's root."""
    build_args: TextMap = key(factory=dict)
    """build: Kaniko's build arguments."""
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
    """How the log calls it."""
    run: str | None = None
    """A bash script. Its last command tells whether it failed; with `set -e` any."""
    use: str | None = key(default=None, examples=BUILT_IN_HOOKS)
    """A built-in action."""
    with_: TextMap = key(factory=dict, spelled="with")
    """Arguments of the built-in action."""
    when: str | None = None
    """Empty, false, 0 or no: the step is left out."""
    continue_on_error: bool = False
    """A failure is only a warning."""
    timeout: Duration | None = None
    """Longest time; then the step ends with everything it started."""

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
    """Steps before it is applied."""
    after_apply: tuple[HookStep, ...] = ()
    """Steps after it was applied."""
    before_destroy: tuple[HookStep, ...] = ()
    """Steps before it is removed."""
    after_destroy: tuple[HookStep, ...] = ()
    """Steps after it was removed."""


class StackHooks(Section):
    """Steps around the whole stack."""

    before_all: tuple[HookStep, ...] = ()
    """Steps before anything is applied or removed."""
    after_all: tuple[HookStep, ...] = ()
    """Steps after everything was."""


class ManifestFile(Section):
    """A file with Kubernetes objects."""

    path: str
    """From the project's root."""


class InfraGroup(Section):
    """Objects that services stand on."""

    blank_counts: ClassVar[frozenset[str]] = frozenset({"when"})

    name: str
    """Its name, for filters and dependsOn."""
    when: str | None = None
    """Empty, false, 0 or no: the group is left out."""
    manifests: tuple[ManifestFile, ...] = ()
    """Files with its objects."""
    hooks: ItemHooks = key(factory=ItemHooks)
    depends_on: tuple[str, ...] = ()
    """Groups that come first."""


class ServiceImage(Section):
    """The image of a service's own workload."""

    repository: str
    """Its name without a tag."""
    tag_template: str | None = None
    """Its tag."""

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
    """Name of the volume in the pod."""
    claim_name: str
    """The volume claim."""
    mount_path: str
    """Folder in the container."""
    sub_path: str | None = None
    """Folder in the volume."""
    read_only: bool = False
    """Nothing can be written there."""


class HostMount(Section):
    """A folder of the node mounted into a service."""

    name: str
    """Name of the volume in the pod."""
    host_path: str
    """Folder on the node."""
    mount_path: str
    """Folder in the container."""


class Overlay(Section):
    """How a service differs in one environment."""

    pvc_mounts: tuple[PvcMount, ...] = ()
    """Volume claims mounted into its first container and all init containers."""
    host_mounts: tuple[HostMount, ...] = ()
    """Folders of the node, mounted likewise."""
    drop_kinds: tuple[str, ...] = ()
    """Kinds that are left out."""


class ServiceSpec(Section):
    """One service."""

    blank_counts: ClassVar[frozenset[str]] = frozenset({"when"})

    name: str
    """Its name; image and overlays are for the workload that is called so."""
    when: str | None = None
    """Empty, false, 0 or no: the service is left out."""
    manifests: tuple[ManifestFile, ...] = ()
    """Files with its objects."""
    image: ServiceImage | None = None
    ingress: Ingress = key(factory=Ingress)
    overlays: dict[str, Overlay] = key(factory=dict)
    """Environment to what differs there."""
    hooks: ItemHooks = key(factory=ItemHooks)
    depends_on: tuple[str, ...] = ()
    """Services that come first."""
    deploy_group: Literal["stateful", "migrations", "internal", "edge", "frontend"] | None = None
    """When its turn is; each group is waited for before the next."""


class TemplatesSpec(Section):
    """How templates are read."""

    dialect: Literal["auto", "jinja", "go"] = "auto"
    """auto finds out from the file."""
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
    """Names to environments."""
    images: dict[str, ImageSpec] = key(factory=dict)
    """Names to images."""
    infrastructure: tuple[InfraGroup, ...] = ()
    """Groups of objects that come before services."""
    services: tuple[ServiceSpec, ...] = ()
    """What the project runs."""
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
