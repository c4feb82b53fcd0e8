"""Code answers judged as a worker judges them, for the tests of code rewards."""

from dataclasses import replace

from megatron_urpo.code_tests.encodings import parse_code_tests
from megatron_urpo.code_tests.records import CodeFailure, CodeResult, Language, write_tests
from megatron_urpo.config import RewardsConfig
from megatron_urpo.rewards.code_answer import Program, make_job
from megatron_urpo.rewards.code_job import judge

# Little, so that attacks meet their limits soon.
SMALL = RewardsConfig(
    code_test_seconds=0.5,
    code_memory_mib=128,
    code_scratch_mib=4,
    code_processes=16,
    code_output_kib=256,
)


def judged(code, encoded, language=Language.PYTHON, config=SMALL, **options):
    """The result of an answer on tests in one of the encodings."""
    job = make_job(Program(language, code), replace(config, **options))
    job["limits"]["wall_seconds"] = 300.0  # whatever else runs on the machine
    verdict = judge(job, write_tests(parse_code_tests(encoded)))
    failure = verdict["failure"] and CodeFailure(verdict["failure"])
    return CodeResult(verdict["passed"], verdict["total"], failure)
