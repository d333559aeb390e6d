"""The table of commands: name, one line of help, options, and the function that runs it, imported only then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from codexctl_ci.cli import options as o
from codexctl_ci.cli.options import Option


@dataclass(frozen=True)
class Command:
    """One command. ``run`` is ``module:function``; the function takes an Invocation and returns nothing.

    ``defaults`` holds the defaults in which this command departs from the table of options, ``everywhere`` those of
    the global options that mean something to it.
    """

    name: str
    help: str
    run: str
    own: tuple[Option[Any], ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    everywhere: tuple[Option[Any], ...] = o.GLOBAL

    @property
    def options(self) -> tuple[Option[Any], ...]:
        """The global options that mean something to it and the command's own, each once, in order."""
        return tuple({option.name: option for option in (*self.everywhere, *self.own)}.values())


GROUPS = {
    "ci": "What workflows call: slots, sources, images, the stack.",
    "images": "The project's images in the cluster's registry.",
    "manage-env": "Slots and what hangs on them.",
    "prompt": "The agent: its text, its configuration, its run.",
    "plan": "Planning issues.",
    "pr": "Pull requests of agents.",
}

_HERE = "codexctl_ci.cli.commands"
_STACK = (*o.TEMPLATED, *o.FILTERS, o.SLOT, o.ISSUE, o.PR)
_APPLY = (
    *_STACK,
    *o.CLUSTER,
    o.WAIT,
    o.PREFLIGHT,
    o.PRUNE,
    o.PRUNE_VOLUMES,
    o.FORCE_CONFLICTS,
    o.APPLY_RETRIES,
    o.WAIT_RETRIES,
    o.APPLY_BACKOFF,
    o.WAIT_BACKOFF,
    o.WAIT_TIMEOUT,
    o.WAIT_SOFT_FAIL,
    o.EPOCH,
    o.RUN_ID,
    *o.TO_GITHUB,
)
_KANIKO = (
    o.BUILDER,
    o.KANIKO_EXECUTOR,
    o.KANIKO_IMAGE,
    o.KANIKO_PRIVILEGED,
    o.KANIKO_RUNNER,
    o.MAX_PARALLEL,
    o.REGISTRY_MIRROR,
    o.KANIKO_INSECURE,
    o.KANIKO_SKIP_TLS_VERIFY,
    o.KANIKO_SKIP_TLS_VERIFY_PULL,
)
_VOLUME = (o.CODE_ROOT_BASE, o.WORKSPACE_MOUNT, o.WORKSPACE_PVC, o.SYNC_IMAGE)
_IMAGES = (*o.TEMPLATED, *o.CLUSTER, *o.CLAIM, *_VOLUME, *_KANIKO)
_SLOTS = (*o.TEMPLATED, *o.CLUSTER, *o.CLAIM, o.SLOT_TTL, o.BRANCH)
_LEASE = (*_SLOTS, o.MAX, o.SLOT_WAIT)
_SYNC = (*_VOLUME, o.SOURCE, o.DISCARD_CHANGES)
_PROMPT = (
    *o.TEMPLATED,
    *o.TO_GITHUB,
    *o.CLUSTER,
    *o.CLAIM,
    o.KIND,
    o.TEMPLATE,
    o.LANG,
    o.FOCUS_ISSUE,
    o.BRANCH,
    o.EVENT,
    o.RESUME,
    o.INFRA_UNHEALTHY,
    o.MODEL,
    o.REASONING_EFFORT,
    o.PROMPT_MODE,
    o.PROMPT_CONTINUATION,
)
_PUBLISH = (
    *o.TEMPLATED,
    *o.TO_GITHUB,
    *o.CLUSTER,
    *o.CLAIM,
    o.SLOT_TTL,
    *_VOLUME,
    o.KIND,
    o.BRANCH,
    o.TITLE,
    *o.RESULT,
    o.EVENT,
    o.GH_USERNAME,
    o.GH_EMAIL,
)
_CLEAN = (*_SLOTS, *_VOLUME, *o.TO_GITHUB, o.WITH_CONFIGMAP, o.FORCE, o.DRY_RUN, o.DELETE_BRANCH, o.CLOSE_ISSUE)

COMMANDS: tuple[Command, ...] = (
    Command(
        "render", "Print the stack's manifests.", f"{_HERE}.stack:render", (*_STACK, *o.CLUSTER, o.EPOCH, o.OUTPUT_DIR)
    ),
    Command(
        "diff",
        "What an apply would change.",
        f"{_HERE}.stack_deploy:diff",
        (*_STACK, *o.CLUSTER, o.EXIT_CODE, o.OUTPUT, o.FORCE_CONFLICTS, o.EPOCH),
    ),
    Command(
        "apply", "Apply the stack and wait until it is ready.", f"{_HERE}.stack_deploy:apply", (*_APPLY, o.DRY_RUN)
    ),
    Command(
        "destroy",
        "Remove the stack, in reverse order.",
        f"{_HERE}.stack_deploy:destroy",
        (*_STACK, *o.CLUSTER, *o.TO_GITHUB, o.WAIT, o.WAIT_TIMEOUT, o.PRUNE_VOLUMES, o.DRY_RUN, o.EPOCH, o.RUN_ID),
    ),
    Command(
        "status",
        "What is ready and what is not.",
        f"{_HERE}.stack:status",
        (*_STACK, *o.CLUSTER, o.OUTPUT, o.EPOCH),
    ),
    Command(
        "ci apply",
        "Apply the stack, with retries for transport faults.",
        f"{_HERE}.stack_deploy:apply",
        (*_APPLY, o.DRY_RUN),
    ),
    Command(
        "ci images",
        "Mirror and build images; what is there already costs nothing.",
        f"{_HERE}.images:both",
        (*_IMAGES, o.MIRROR, o.BUILD),
    ),
    Command(
        "ci sync-sources", "Copy the checkout into the workspace volume.", f"{_HERE}.sources:sync", (*_SLOTS, *_SYNC)
    ),
    Command(
        "ci ensure-slot",
        "Lease a slot, or find the one the claim has.",
        f"{_HERE}.slots:ensure_slot",
        (*_LEASE, *o.TO_GITHUB),
    ),
    Command(
        "ci ensure-ready",
        "Slot, sources, images, stack: whatever of it is missing.",
        f"{_HERE}.slots:ensure_ready",
        (*_LEASE, *_SYNC, *_KANIKO, *_APPLY, o.PREPARE_IMAGES, o.APPLY, o.FORCE_APPLY),
    ),
    Command("images mirror", "Copy external images by digest.", f"{_HERE}.images:mirror", _IMAGES),
    Command("images build", "Build the project's images.", f"{_HERE}.images:build", _IMAGES),
    Command("images plan", "What would be mirrored and built, and why.", f"{_HERE}.images:plan", (*_IMAGES, o.OUTPUT)),
    Command(
        "images gc",
        "Delete builds that nothing uses any more; without --no-dry-run only say which.",
        f"{_HERE}.image_gc:gc",
        (*_IMAGES, o.DRY_RUN, o.OLDER_THAN, o.OUTPUT),
        defaults={o.DRY_RUN.name: True},
    ),
    Command("manage-env list", "All slots at a glance.", f"{_HERE}.slots:list_slots", (*_SLOTS, o.OUTPUT)),
    Command(
        "manage-env set", "Link a pull request to its issue's slot.", f"{_HERE}.slots:set_slot", (*_SLOTS, *o.TO_GITHUB)
    ),
    Command("manage-env cleanup", "Tear slots down.", f"{_HERE}.cleanup:cleanup", (*_CLEAN, o.ALL)),
    Command(
        "manage-env cleanup-pr",
        "Tear down what a closed pull request held.",
        f"{_HERE}.cleanup:cleanup_pr",
        (*_CLEAN, o.INCLUDE_AI_REPAIR),
    ),
    Command(
        "manage-env cleanup-issue",
        "Tear down what a closed issue held.",
        f"{_HERE}.cleanup:cleanup_issue",
        (*_CLEAN, o.INCLUDE_AI_REPAIR),
    ),
    Command(
        "manage-env gc",
        "Take back slots that nobody needs any more.",
        f"{_HERE}.cleanup:gc",
        (*_SLOTS, *_VOLUME, *o.TO_GITHUB, o.DRY_RUN, o.OUTPUT),
    ),
    Command(
        "manage-env comment",
        "One comment on the issue, with its environment.",
        f"{_HERE}.github:comment_issue",
        (*_SLOTS, *o.TO_GITHUB, *o.RESULT, o.BODY, o.TOPIC, o.FAILURE, o.BRANCH, o.FOCUS_ISSUE),
    ),
    Command(
        "manage-env comment-pr",
        "One comment on the pull request, with its environment.",
        f"{_HERE}.github:comment_pr",
        (*_SLOTS, *o.TO_GITHUB, *o.RESULT, o.BODY, o.TOPIC, o.FAILURE, o.BRANCH, o.FOCUS_ISSUE),
    ),
    Command(
        "manage-env close-linked-issue",
        "Close the issue of an agent's branch.",
        f"{_HERE}.github:close_linked_issue",
        (*o.TEMPLATED, *o.TO_GITHUB, o.BRANCH, o.PR, o.ISSUE),
    ),
    Command(
        "manage-env delete-branch",
        "Delete an agent's branch, and no other.",
        f"{_HERE}.github:delete_branch",
        (*o.TEMPLATED, *o.TO_GITHUB, o.BRANCH, o.PR, o.ISSUE),
    ),
    Command("prompt render", "Print the prompt.", f"{_HERE}.prompt:render", _PROMPT),
    Command("prompt config", "Print the agent's configuration.", f"{_HERE}.prompt:config", _PROMPT),
    Command(
        "prompt run",
        "Run the agent in the slot.",
        f"{_HERE}.prompt:run",
        (*_PROMPT, o.EXECUTOR, o.EXEC_TIMEOUT, o.IDLE_TIMEOUT, o.MAX_TOKENS, o.MAX_MINUTES, o.SLOT_TTL, *_VOLUME),
    ),
    Command(
        "plan resolve-root",
        "The planning issue at the top of the chain.",
        f"{_HERE}.github:resolve_root",
        (*o.TO_GITHUB, o.ISSUE, o.FOCUS_ISSUE),
    ),
    Command(
        "pr detect", "The pull request of a branch.", f"{_HERE}.github:detect_pr", (*o.TO_GITHUB, o.BRANCH, o.ISSUE)
    ),
    Command("pr publish", "The agent's change as a branch and a pull request.", f"{_HERE}.publish:publish", _PUBLISH),
    Command(
        "pr review-apply",
        "The agent's change to the pull request's own branch.",
        f"{_HERE}.publish:review_apply",
        _PUBLISH,
    ),
    Command(
        "guard",
        "May this actor start this run?",
        f"{_HERE}.github:guard",
        (*o.TO_GITHUB, o.EVENT, o.ACTOR, o.ALLOWED_USERS, o.KIND),
    ),
    Command(
        "doctor",
        "What is missing here, and how to get it.",
        f"{_HERE}.doctor:doctor",
        (*_SLOTS, *o.TO_GITHUB, *_VOLUME, *_KANIKO, o.MAX, o.OUTPUT, o.AS_JSON, o.MIGRATE),
        # What doesn't answer soon isn't well.
        defaults={o.REQUEST_TIMEOUT.name: timedelta(seconds=10)},
    ),
    Command(
        "init",
        "First files for a project: stack, workflows, checklist; overwrites nothing.",
        f"{_HERE}.init:init",
        (o.DRY_RUN,),
        everywhere=(o.CONFIG, *o.LOGGING),
    ),
    Command("schema", "JSON Schema of services.yaml.", f"{_HERE}.stack:schema", everywhere=o.LOGGING),
)


def variable_names() -> frozenset[str]:
    """Every environment variable that means something to us; the older tool's version is read and ignored."""
    named = {name for command in COMMANDS for option in command.options for name in option.variables}
    return frozenset(named | {*o.TEMPLATES_ONLY, "CODEXCTL_VERSION"})
