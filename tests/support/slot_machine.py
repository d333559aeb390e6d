"""Random histories of slots as a state machine for Hypothesis, used small in unit tests and large in the soak."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from codexctl_ci.slots.claims import Claim
from codexctl_ci.slots.queue import Ask, waiting
from codexctl_ci.slots.records import SlotState
from tests.support.slot_world import Api, Cleaner, Run

LIMIT = 3
NUMBERS = st.integers(1, 7)


class SlotMachine(RuleBasedStateMachine):
    """Runs come, step, see late, die; slots are torn down, cleaners die; nothing forbidden ever happens."""

    def __init__(self) -> None:
        super().__init__()
        self.api = Api()
        self.runs: list[Run] = []
        self.cleaners: list[Cleaner] = []

    @rule(number=NUMBERS, uid=st.sampled_from("abcz"), wanted=st.sampled_from([0, 0, 0, 2]))
    def run_comes(self, number: int, uid: str, wanted: int) -> None:
        ask = Ask(Claim("ai", "issue", number), LIMIT, wanted)
        self.runs.append(Run(self.api, ask, uid, seen=self.api.version))

    @precondition(lambda self: self.runs)
    @rule(data=st.data(), versions=st.integers(0, 4))
    def run_steps(self, data: st.DataObject, versions: int) -> None:
        run = data.draw(st.sampled_from(self.runs))
        run.catch_up(versions)
        run.step()

    @precondition(lambda self: self.runs)
    @rule(data=st.data())
    def run_dies(self, data: st.DataObject) -> None:
        self.runs.remove(data.draw(st.sampled_from(self.runs)))

    @rule(seconds=st.sampled_from([0.1, 0.9, 5.0]))
    def time_passes(self, seconds: float) -> None:
        self.api.seconds += seconds

    @precondition(lambda self: any(not record.free for record in self.api.slots.values()))
    @rule(data=st.data())
    def cleanup_begins(self, data: st.DataObject) -> None:
        used = [record for record in self.api.slots.values() if not record.free]
        self.cleaners.append(Cleaner(self.api, data.draw(st.sampled_from(used))))

    @precondition(lambda self: self.cleaners)
    @rule(data=st.data(), dies=st.sampled_from([False, False, False, True]))
    def cleanup_steps(self, data: st.DataObject, dies: bool) -> None:
        cleaner = data.draw(st.sampled_from(self.cleaners))
        if dies or not cleaner.step():
            self.cleaners.remove(cleaner)

    @rule()
    def dead_waiters_are_buried(self) -> None:
        alive = {run.ask.claim.key for run in self.runs}
        for claim in waiting(self.api.history[-1]):
            if claim.claim.key not in alive:
                self.api.drop_claim(claim.claim, claim.uid, claim.resource_version)

    @invariant()
    def slots_are_within_the_limit(self) -> None:
        assert set(self.api.slots) <= set(range(1, LIMIT + 1))

    @invariant()
    def wanted_slot_or_none(self) -> None:
        for run in self.runs:
            if run.ask.wanted and run.record is not None and len(self._runs_of(run)) == 1:
                assert run.record.slot == run.ask.wanted or self._had_before(run)

    def _runs_of(self, run: Run) -> list[Run]:
        return [other for other in self.runs if other.ask.claim == run.ask.claim]

    def _had_before(self, run: Run) -> bool:
        # Another run of the claim, without the wish, got a slot before.
        return any(run.record is not None and record.slot == run.record.slot for record in self.api.slots.values())

    def teardown(self) -> None:
        """Whatever happened: once everybody sees everything, each run ends, first come first served."""
        for record in [*self.api.slots.values()]:
            if record.state in (SlotState.CLEANING, SlotState.DIRTY):
                cleaner = Cleaner(self.api, record)
                while cleaner.step():
                    pass
        self.dead_waiters_are_buried()
        order: list[str] = []
        for _ in range(40 * (len(self.runs) + 1)):
            self.api.seconds += 2
            for run in self.runs:
                run.catch_up(10**6)
                before = run.record
                run.step()
                if run.record is not None and before is None:
                    order.append(run.ask.claim.key)
            for record in [*self.api.slots.values()]:
                owners = [run for run in self.runs if run.ask.claim.key == record.claim]
                if record.state is SlotState.LEASED and all(run.record for run in owners):
                    cleaner = Cleaner(self.api, record)
                    while cleaner.step():
                        pass
                    self.runs = [run for run in self.runs if run not in owners]
        assert not self.runs, f"never ended: {[run.ask for run in self.runs]}"
