"""What operations need of the outside world, and the data that crosses with it: one module a neighbour."""

from codexctl_ci.ports.agent import AgentEnding, AgentRequest, AgentRuntime
from codexctl_ci.ports.cluster import Change, ClusterApi, ExecResult, Listing, Watching
from codexctl_ci.ports.github import IssueSource, IssueTracker, PullHost, PullRequest
from codexctl_ci.ports.images import BuildRecipes, ImageBuilder, ImageRegistry, ImageStock, StoredImage
from codexctl_ci.ports.sources import BranchHost, SlotTree, TreeFile

__all__ = [
    "AgentEnding",
    "AgentRequest",
    "AgentRuntime",
    "BranchHost",
    "BuildRecipes",
    "Change",
    "ClusterApi",
    "ExecResult",
    "ImageBuilder",
    "ImageRegistry",
    "ImageStock",
    "IssueSource",
    "IssueTracker",
    "Listing",
    "PullHost",
    "PullRequest",
    "SlotTree",
    "StoredImage",
    "TreeFile",
    "Watching",
]
