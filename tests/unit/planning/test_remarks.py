import dataclasses
import math

from megatron_urpo.config import Config, DataConfig, RolloutConfig, RunConfig
from megatron_urpo.layout import Layout
from megatron_urpo.planning.durations import Durations
from megatron_urpo.planning.hardware import gpu
from megatron_urpo.planning.models import MODELS
from megatron_urpo.planning.plan import make_plan
from megatron_urpo.planning.remarks import judge_remarks, recompute_remarks, watchdog_remarks
from megatron_urpo.planning.report import describe_plan

HOUR = Config(run=RunConfig(stage_timeout_minutes=60))


def seconds(**stages):
    return Durations(
        **dict.fromkeys(("rollout", "judging", "logprobs", "training", "weight_sync"), 1.0) | stages
    )


def test_stages_beyond_the_watchdogs_limit():
    assert watchdog_remarks(HOUR, seconds(rollout=3000, training=3000)) == []
    # What runs in one stage counts together: 3000 + 660 s are 61 minutes.
    (line,) = watchdog_remarks(HOUR, seconds(rollout=3000, judging=660))
    assert line == (
        "WARNING: stage rollout is estimated at 61 minutes, and the watchdog ends a run after "
        "run.stage_timeout_minutes = 60: set it to 122, twice the estimate"
    )
    lines = watchdog_remarks(HOUR, seconds(logprobs=1800, training=5400, weight_sync=3601))
    assert [line.split()[2] for line in lines] == ["training", "weight_sync"]
    assert "set it to 240," in lines[0]


def test_selective_recomputing_is_said_to_save_nothing():
    assert recompute_remarks(HOUR) == []
    selective = dataclasses.replace(HOUR.training, recompute_granularity="selective")
    (line,) = recompute_remarks(dataclasses.replace(HOUR, training=selective))
    assert "saves no memory" in line


def test_a_run_that_cannot_fit_is_not_warned_of_its_time():
    assert watchdog_remarks(HOUR, seconds(rollout=math.inf)) == []


def test_the_warning_is_in_the_plan_which_fits_nevertheless():
    config = Config(run=RunConfig(stage_timeout_minutes=1))
    layout = Layout(world_size=8, tensor_model_parallel_size=4)
    plan = make_plan(MODELS["Qwen2.5-7B"], config, layout, gpu(80 * 10**9))
    assert plan.fits
    minutes = math.ceil(2 * (plan.durations.logprobs + plan.durations.training) / 60)
    assert any(
        line.startswith("WARNING: stage training") and f"set it to {minutes}," in line
        for line in describe_plan(plan)
    )


def test_shortened_judge_prompts():
    # The template of 4 answers takes 120 + 4 x 19 tokens.
    rollout = RolloutConfig(
        group_size=4, max_response_tokens=1000, max_judgement_tokens=200, max_model_len=4000
    )
    config = Config(data=DataConfig(max_prompt_tokens=500), rollout=rollout)
    (line,) = judge_remarks(config)
    assert "4 answers of 1,000 tokens would need about 4,696" in line
    assert "rollout.max_model_len = 4,000 leaves 3,800 of them" in line
    assert "rollout.max_model_len = 4896 would show them whole" in line
    longer = dataclasses.replace(rollout, max_model_len=4896)
    assert judge_remarks(dataclasses.replace(config, rollout=longer)) == []
    # Without instructions nobody is judged.
    data = DataConfig(max_prompt_tokens=500, instruction_ratio=0)
    assert judge_remarks(dataclasses.replace(config, data=data)) == []
