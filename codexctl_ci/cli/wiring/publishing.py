"""Publishing from a command's settings: whose slot, which rules, our clone, what is said afterwards."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from codexctl_ci import process
from codexctl_ci.cli import options as o
from codexctl_ci.cli.invocation import Invocation
from codexctl_ci.cli.wiring.github import open_github, read_event, run_url, server_url
from codexctl_ci.cli.wiring.notes import own_secrets
from codexctl_ci.cli.wiring.slots import Slots, open_slots
from codexctl_ci.cli.wiring.workspace import open_slot_tree
from codexctl_ci.errors import ConfigError
from codexctl_ci.github.client import GitHub
from codexctl_ci.github.desk import Desk
from codexctl_ci.github.git import Clone
from codexctl_ci.guardrails.policy import Policy
from codexctl_ci.operations.delivery import Delivered, Delivery, Places
from codexctl_ci.operations.publish import Bot
from codexctl_ci.operations.slot_access import deployer
from codexctl_ci.operations.slot_lock import OperationLock
from codexctl_ci.operations.slot_store import check_epoch
from codexctl_ci.ports import SlotTree
from codexctl_ci.prompts.results import Report, read_report
from codexctl_ci.reporting.issue_comment import EnvironmentNote, render_note
from codexctl_ci.reporting.pull_text import Asker, Frame, commit_message
from codexctl_ci.slots.claims import claim_for
from codexctl_ci.slots.records import SlotRecord
from codexctl_ci.stack.project import Project


@dataclass(frozen=True)
class Publishing:
    """What both commands need, opened. ``secrets`` must not be published in any form."""

    inv: Invocation
    github: GitHub
    desk: Desk
    slots: Slots
    record: SlotRecord
    project: Project
    secrets: tuple[bytes, ...]
    event: Mapping[str, Any]

    @property
    def site_url(self) -> str:
        """Where the environment's site is, empty where it has none."""
        return f"https://{self.project.site_host}" if self.project.site_host else ""

    def report(self, fallback: str) -> Report:
        """The agent's last message, taken apart."""
        return read_report(self.inv.settings[o.FINAL_MESSAGE], fallback_title=fallback)

    def frame(self, issue: int) -> Frame:
        """What a pull request says beside the agent's words."""
        settings, about = self.inv.settings, self.event.get("issue")
        about = about if isinstance(about, Mapping) and about.get("number") == issue else {}
        return Frame(
            issue=issue,
            why=str(about.get("title") or ""),
            site_url=self.site_url,
            namespace=self.record.namespace,
            slot=0 if self.record.keeps_namespace else self.record.slot,
            run_url=run_url(self.inv),
            tokens_in=settings[o.TOKENS_IN],
            tokens_out=settings[o.TOKENS_OUT],
        )

    def delivery(self, branch: str, title: str, issue: int, *, checks_failed: bool = False) -> Delivery:
        """The change's way, by this project's rules. ``title`` is its commit's first line."""
        settings = self.inv.settings
        mail_host = urlsplit(server_url(self.inv)).hostname or ""
        message = commit_message(title, issue, run_url(self.inv), asker_of(self.event), mail_host)
        login = self.desk.login()
        ttl: timedelta = settings[o.SLOT_TTL]
        return Delivery(
            conclusion=settings[o.CONCLUSION],
            branch=branch,
            message=message,
            bot=Bot(settings[o.GH_USERNAME] or login, settings[o.GH_EMAIL] or f"{login}@users.noreply.github.com"),
            policy=policy_of(self.project, self.secrets),
            run=settings[o.RUN_ID],
            link=run_url(self.inv),
            checks_failed=checks_failed,
            ttl=ttl,
        )

    def note(self, done: Delivered, words: str) -> str:
        """The comment on the outcome."""
        settings = self.inv.settings
        note = EnvironmentNote(
            conclusion=done.conclusion,
            site_url=self.site_url,
            namespace=self.record.namespace,
            slot=0 if self.record.keeps_namespace else self.record.slot,
            pr_number=done.pull.number if done.pull else 0,
            pr_url=done.pull.url if done.pull else "",
            commit=done.commit,
            run_url=run_url(self.inv),
            tokens_in=settings[o.TOKENS_IN],
            tokens_out=settings[o.TOKENS_OUT],
            rules=done.rules,
            words=words,
        )
        return render_note(note, self.secrets)


def open_publishing(inv: Invocation, *, branch: str = "", pr: int = 0) -> Publishing:
    """The slot that the command's options mean, or that ``branch`` or ``pr`` has. Nothing is written yet.

    Raises ConfigError where there is none, SlotMoved where it has moved on from --epoch.
    """
    github = open_github(inv)
    slots = open_slots(inv)
    record = _record(slots, branch, pr)
    secrets = own_secrets(inv, github.git_credentials()[1])
    return Publishing(inv, github, Desk(github), slots, record, slots.in_slot(record), secrets, read_event(inv))


@contextmanager
def open_places(publishing: Publishing, comment: Callable[[Delivered], Mapping[int, str]]) -> Iterator[Places]:
    """Everything that a delivery reaches, with a clone that is gone afterwards."""
    inv, github, slots, record = publishing.inv, publishing.github, publishing.slots, publishing.record

    def tree(lock: OperationLock) -> AbstractContextManager[SlotTree]:
        inside = deployer(slots.cluster, record, lock.check)
        return open_slot_tree(inv, publishing.project, inside, slots.store, lock.record)

    with tempfile.TemporaryDirectory(prefix="codexctl-clone-") as folder:
        url = f"{server_url(inv)}/{github.repo}.git"
        clone = Clone(url, Path(folder), github.git_credentials(), process.run, inv.environ)
        yield Places(slots.store, record, tree, clone, publishing.desk, comment)


def asker_of(event: Mapping[str, Any]) -> Asker:
    """Who caused the event."""
    sender = event.get("sender")
    if not isinstance(sender, Mapping) or not isinstance(sender.get("id"), int):
        return Asker()
    return Asker(str(sender.get("login") or ""), sender["id"])


def policy_of(project: Project, secrets: tuple[bytes, ...]) -> Policy:
    """What services.yaml lets agents publish."""
    rules = project.spec.guardrails
    return Policy(
        protected=rules.protected_paths,
        allow_protected=rules.allow_protected,
        allowed=rules.allowed_paths,
        max_files=rules.max_files,
        max_lines=rules.max_lines,
        max_file_bytes=rules.max_file_size,
        max_total_bytes=rules.max_total_size,
        binaries=rules.binary_files,
        executables=rules.executable_files,
        unseen=rules.unseen_characters,
        links=rules.symlinks == "inside",
        message_pattern=rules.commit_message,
        plain_secrets=rules.plain_secrets,
        unparsed=rules.unparsed_yaml,
        hyphens=rules.manifest_names == "hyphens",
        secrets=secrets,
    )


def _record(slots: Slots, branch: str, pr: int) -> SlotRecord:
    settings = slots.inv.settings
    claim = claim_for(
        slots.store.env,
        issue=settings[o.ISSUE],
        pr=pr or settings[o.PR],
        branch=branch or settings[o.BRANCH],
        slot=settings[o.SLOT],
    )
    if claim is None:
        raise ConfigError("whose work is to be published?", hint="give --issue, --pr or --slot")
    record = slots.store.find(claim)
    if record is None:
        gone = SlotRecord(slots.store.project, slots.store.env, settings[o.SLOT], "")
        check_epoch(gone, settings[o.EPOCH])
        raise ConfigError(f"{claim} has no slot", hint="manage-env list shows all slots")
    check_epoch(record, settings[o.EPOCH])
    if settings[o.SLOT] and record.slot != settings[o.SLOT]:
        raise ConfigError(f"{claim} has slot {record.slot}, not slot {settings[o.SLOT]}", hint="leave --slot out")
    return record
