"""The referee measured inside a run.

Consumes:   held-out preference tasks; the finished groups of the step.
Produces:   metrics monitoring/role/what, alike on every rank. Not one of the judgements made here
            is trained on.
Waits for:  the slowest engine replica.

Three roles, by who knows the truth: `preference`, held-out data, the same groups every time;
`reasoning`, the rule verifier, on answers of this step of which some are right and some wrong;
`instruction`, nobody: the judgements of the step as they are, without a further request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch.distributed as dist

from megatron_urpo.config import Config
from megatron_urpo.data.prompts import PromptEncoder
from megatron_urpo.monitoring.alarms import Alarm, RefereeAlarmError, check_alarms
from megatron_urpo.monitoring.baseline import Baseline, read_baseline, write_baseline
from megatron_urpo.monitoring.judge import judge, judge_prompts
from megatron_urpo.monitoring.judged import JudgedGroup, KnownGroup, verified_groups
from megatron_urpo.monitoring.statistics import (
    baseline_agreement,
    referee_metrics,
    role_metrics,
    self_judged_metrics,
)
from megatron_urpo.ranks import Ranks
from megatron_urpo.rollout.interface import RolloutEngine
from megatron_urpo.types import Group, PreferenceTask, TaskKind

_COUNTER = "alarm:"  # in front of a metric's name among the counters of a checkpoint


class RefereeMonitor:
    """The held-out groups of a run and the referee's engine; the baseline, and the alarms."""

    def __init__(
        self,
        tasks: Sequence[PreferenceTask],
        engine: RolloutEngine,
        encoder: PromptEncoder,
        config: Config,
        process_group: dist.ProcessGroup | None,
    ) -> None:
        """
        Args:
            tasks: held out, the same at every start of the run.
            engine: the one that holds the referee.
            process_group: see gather.gather.

        Raises:
            ConfigError: a task does not fit the referee's context.
        """
        self._held_out = [KnownGroup(TaskKind.PREFERENCE, task) for task in tasks]
        self._orders = [prompt.order for prompt in judge_prompts(self._held_out, encoder, config)]
        self._engine = engine
        self._encoder = encoder
        self._config = config
        self._process_group = process_group
        self._directory = Path(config.run.directory)
        self._baseline: Baseline | None = None
        self._is_main = True
        self._alarms: list[Alarm] = []
        self._counts: dict[str, int] = {}  # see check_alarms

    def begin(self, completed: int, ranks: Ranks, tick: Callable[[], None]) -> None:
        """Finds the referee that later ones are compared with; all ranks together.

        Its judgements of the held-out groups are read from the run directory. Where there are none,
        or where a run wrote them that is thrown away from this step on, they are made now and kept.

        Args:
            completed: steps; the engine holds their weights.
            tick: called whenever a judgement has been written.

        Raises:
            BaselineError: the file is damaged, or of other groups.
        """
        self._is_main = ranks.rank == 0
        saved: list[Baseline | None] = []
        ranks.on_main(lambda: saved.append(read_baseline(self._directory)))
        self._baseline = ranks.gather_objects(saved)[0][0]
        if self._baseline is not None and self._baseline.step < completed:
            self._baseline.check(self._directory, self._held_out, self._orders)
        else:
            judged = self._judge(self._held_out, completed, tick)
            made = self._baseline = Baseline.of(completed, referee_metrics(judged), judged)
            ranks.on_main(lambda: write_baseline(self._directory, made))

    def measure(
        self, groups: Sequence[Group], step: int, tick: Callable[[], None]
    ) -> dict[str, float]:
        """Metrics of the referee that the engine holds now; prints its alarms. All ranks together.

        Args:
            groups: of the step, with their rewards.
            step: that has been completed.
            tick: called whenever a judgement has been written.
        """
        config = self._config.monitoring
        known = self._held_out + verified_groups(groups, config.reasoning_groups)
        judged = self._judge(known, step, tick)
        values = referee_metrics(judged) | self_judged_metrics(groups)
        if self._baseline is not None and self._held_out:
            held_out = judged[: len(self._held_out)]
            shares = [
                baseline_agreement(now, then.verdicts)
                for now, then in zip(held_out, self._baseline.groups, strict=True)
            ]
            agreements = [{} if s is None else {"baseline_agreement": s} for s in shares]
            values |= role_metrics(TaskKind.PREFERENCE, agreements)
        self._alarms, self._counts = check_alarms(values, self._counts, config)
        values["monitoring/all/alarms"] = len(self._alarms)
        if self._is_main:
            for alarm in self._alarms:
                print(f"WARNING: step {step}: {alarm}", flush=True)
        return values

    def _judge(
        self, groups: Sequence[KnownGroup], step: int, tick: Callable[[], None]
    ) -> list[JudgedGroup]:
        return judge(
            groups, self._engine, self._encoder, self._config, step, self._process_group, tick
        )

    @property
    def stops(self) -> bool:
        """Whether an alarm of monitoring.stop_on was given by the last measurement."""
        return any(alarm.stops for alarm in self._alarms)

    def raise_alarm(self, step: int) -> None:
        """Raises RefereeAlarmError where an alarm stops the run; step: the one that is saved."""
        for alarm in self._alarms:
            if alarm.stops:
                raise RefereeAlarmError(
                    f"stopped after step {step}, which is saved: {alarm}. Look at the referee in "
                    "`urpo report`; docs/referee.md says what to do. To go on as it is, change "
                    f"{alarm.key} or monitoring.stop_on and start again"
                )

    def counters(self) -> dict[str, int]:
        """What a checkpoint has to hold besides the baseline."""
        return {_COUNTER + metric: count for metric, count in self._counts.items()}

    def load_counters(self, counters: Mapping[str, int]) -> None:
        """Takes up `counters` from those of a checkpoint; others are passed over."""
        self._counts = {
            name.removeprefix(_COUNTER): count
            for name, count in counters.items()
            if name.startswith(_COUNTER)
        }
