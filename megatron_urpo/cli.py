"""The command line: urpo train | sft | eval | probe | export | data | report | doctor."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from megatron_urpo.config import Config, ConfigError
from megatron_urpo.config.load import format_config, load_config
from megatron_urpo.config.overrides import parse_arguments
from megatron_urpo.console import say
from megatron_urpo.data.jsonl import DataError
from megatron_urpo.environment import missing_package
from megatron_urpo.launch_environment import read_torch_rank
from megatron_urpo.layout import engines_alone, training_alone
from megatron_urpo.metrics import Timers
from megatron_urpo.planning.options import PlanOptions, add_plan_options
from megatron_urpo.run_files import EXPORT_DIRECTORY
from megatron_urpo.stop_request import AFTER_STEPS, StopRequest
from megatron_urpo.types import RunError
from megatron_urpo.watchdog import Watchdog

if TYPE_CHECKING:
    from megatron_urpo.supervised import SupervisedTrainer
    from megatron_urpo.trainer import Trainer

INTERRUPTED = 130  # what a shell reports for a program ended by Ctrl-C


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit status. Expected errors are one line, without a trace."""
    _quieten_libraries()
    parser = _build_parser()
    parsed, overrides = parse_arguments(parser, Config, arguments)
    if overrides and not parsed.takes_overrides:
        parser.error(f"unrecognized arguments: {' '.join(overrides)}")
    command: Callable[[argparse.Namespace, Sequence[str]], int] = parsed.command
    try:
        return command(parsed, overrides)
    except (ConfigError, DataError, RunError, OSError) as error:
        say(f"urpo {parsed.name}: {error}")
        return 2
    except ModuleNotFoundError as error:
        if (reason := missing_package(error)) is None:
            raise
        say(f"urpo {parsed.name}: {reason}")
        return 2
    except KeyboardInterrupt:
        say(f"urpo {parsed.name}: stopped")
        return INTERRUPTED


def read_config(arguments: Sequence[str]) -> Config:
    """The configuration that a command line asks for, nothing run, with the layout it needs.

    Raises:
        ConfigError: it is wrong, or the command is one process.
    """
    parsed, overrides = parse_arguments(_build_parser(), Config, arguments)
    if not parsed.starts_ranks:
        raise ConfigError(f"urpo {parsed.name} is one process: run it without a launcher")
    config = _load(parsed, overrides)
    return parsed.part(config) if parsed.part else config


def _load(arguments: argparse.Namespace, overrides: Sequence[str]) -> Config:
    path = arguments.config
    if arguments.takes_model:
        path = path or Path(__file__).with_name("probe.toml")
        overrides = [f"--model.path={arguments.model}", *overrides]
    return load_config(path, overrides, override_files=arguments.override)


def _watchdog(config: Config) -> Watchdog:
    return Watchdog(config.run, read_torch_rank(os.environ))


def _quieten_libraries() -> None:
    """Leaves out what third-party packages say at import and no user of a run can act on."""
    warnings.filterwarnings("ignore", category=SyntaxWarning)
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"vllm\.")
    logging.getLogger("torch._library.triton").setLevel(logging.ERROR)


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="urpo",
        description="One model that answers and grades, trained in one GRPO loop.",
        epilog="Commands that read a CONFIG also take overrides: --training.optimizer.lr 5e-7, or "
        "a file of them: --override examples/cpu_override.toml",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="name")

    def add(
        name: str,
        command: Callable[[argparse.Namespace, Sequence[str]], int],
        text: str,
        *,
        takes_overrides: bool = True,
        needs_config: bool = True,
        takes_model: bool = False,
        starts_ranks: bool = True,  # or is one process, whatever the layout
        part: Callable[[Config], Config] | None = None,  # of the layout, where not all is needed
        parent: Any = commands,
    ) -> argparse.ArgumentParser:
        sub = parent.add_parser(name, help=text, description=text, allow_abbrev=False)
        sub.set_defaults(
            command=command,
            takes_overrides=takes_overrides,
            takes_model=takes_model,
            starts_ranks=starts_ranks,
            part=part,
        )
        if takes_model:
            sub.add_argument("model", help="a Hugging Face directory")
            sub.add_argument("config", nargs="?", help="a TOML file; default: generated tasks")
        elif takes_overrides and needs_config:
            sub.add_argument("config", help="a TOML file")
        elif takes_overrides:
            sub.add_argument("config", nargs="?", help="a TOML file, to check what it names too")
        if takes_overrides:
            sub.add_argument(
                "--override",
                action="append",
                default=[],
                metavar="FILE",
                help="a TOML file laid over the config; may be repeated",
            )
        return sub

    train = add("train", _train, "train with URPO; continues an interrupted run")
    train.add_argument(
        "--dry-run", action="store_true", help="check everything, print the plan of the run, stop"
    )
    train.add_argument(
        "--model-name",
        help="with --dry-run: plan for this model of the built-in table; its files and the data "
        "need not be on this machine",
    )
    add_plan_options(
        train, "with --dry-run; default: this machine and the longest texts", required=False
    )
    add("sft", _sft, "supervised warm start on demonstrations", part=training_alone)
    evaluate = add("eval", _evaluate, "measure a model on held-out tasks", part=engines_alone)
    evaluate.add_argument("--label", required=True, help="the model's name in the report")
    evaluate.add_argument("--step", type=int, default=0, help="the step it comes from")
    add(
        "probe",
        _probe,
        "say whether a base model has the competence that training starts from",
        takes_model=True,
        part=engines_alone,
    )
    export = add(
        "export",
        _export,
        "write a run's checkpoint as a Hugging Face directory: one process, on the CPU",
        starts_ranks=False,
    )
    export.add_argument("--output", help="directory to write; default: <run.directory>/export")
    export.add_argument("--step", type=int, help="of the checkpoint; default: the newest whole one")
    data = commands.add_parser("data", help="look at the data", description="look at the data")
    actions = data.add_subparsers(required=True, metavar="ACTION", dest="action")
    show = add(
        "show",
        _show_data,
        "print the first prompts of each role",
        starts_ranks=False,
        parent=actions,
    )
    show.add_argument("--count", type=int, default=1, help="prompts of each role; default: 1")
    report = add(
        "report", _report, "write report.html of a run", takes_overrides=False, starts_ranks=False
    )
    report.add_argument("run_directory")
    add("doctor", _doctor, "check this machine", needs_config=False, starts_ranks=False)
    return parser


def _train(arguments: argparse.Namespace, overrides: Sequence[str]) -> int:
    config = _load(arguments, overrides)
    options = PlanOptions.of(arguments)
    if arguments.dry_run:
        return _dry_run(config, options, arguments.model_name)
    if given := options.given + ["--model-name"] * bool(arguments.model_name):
        raise ConfigError(f"{', '.join(given)}: this is for plans; add --dry-run, or leave it out")
    with StopRequest() as stop:
        from megatron_urpo.build import open_trainer

        return _run_and_export(config, open_trainer, stop)


def _dry_run(config: Config, options: PlanOptions, model_name: str | None) -> int:
    from megatron_urpo.dry_run import dry_run

    lines, problems = dry_run(config, options, model_name)
    print(format_config(config))
    print("\n".join(f"# {line}" for line in lines))
    if problems:
        raise ConfigError(f"this cannot fit: {problems[0]}")
    return 0


def _sft(arguments: argparse.Namespace, overrides: Sequence[str]) -> int:
    config = _load(arguments, overrides)
    with StopRequest() as stop:
        from megatron_urpo.build import open_supervised

        return _run_and_export(config, open_supervised, stop)


def _run_and_export(
    config: Config,
    open_run: Callable[[Config], AbstractContextManager[Trainer | SupervisedTrainer]],
    stop: StopRequest,
) -> int:
    from megatron_urpo.training.hf_export import refuse_overwriting

    with (
        _watchdog(config) as watchdog,
        open_run(config) as trainer,
        watchdog.follow(trainer.timers),
    ):
        export = trainer.directory / EXPORT_DIRECTORY
        refuse_overwriting(Path(config.model.path), export)
        if not trainer.run(stop):
            return INTERRUPTED
        stop.consequence = AFTER_STEPS
        trainer.policy.export(export)
        if trainer.parallel.is_main:
            print(f"done: {export} is a Hugging Face directory")
        return 0


def _evaluate(arguments: argparse.Namespace, overrides: Sequence[str]) -> int:
    config = _load(arguments, overrides)
    from megatron_urpo.build import open_inference
    from megatron_urpo.evaluation.records import (
        check_label,
        print_evaluations,
        record_evaluation,
    )

    directory = Path(config.run.directory)
    check_label(directory, arguments.label)
    timers = Timers()
    with (
        _watchdog(config) as watchdog,
        open_inference(config) as (held_out, is_main),
        watchdog.follow(timers),
        timers("evaluation"),
    ):
        evaluation = held_out.evaluate(arguments.label, arguments.step, timers.tick)
    if is_main:
        record_evaluation(directory, evaluation)
        print_evaluations(directory)
    return 0


def _probe(arguments: argparse.Namespace, overrides: Sequence[str]) -> int:
    config = _load(arguments, overrides)
    from megatron_urpo.build import open_probe
    from megatron_urpo.monitoring.seed_competence import format_table, has_seed

    timers = Timers()
    with (
        _watchdog(config) as watchdog,
        open_probe(config) as (probe, is_main),
        watchdog.follow(timers),
        timers("monitoring"),
    ):
        measures = probe.run(timers.tick)
    if is_main:
        print(format_table(arguments.model, measures))
    return 0 if has_seed(measures) else 1


def _export(arguments: argparse.Namespace, overrides: Sequence[str]) -> int:
    config = _load(arguments, overrides)
    from megatron_urpo.checkpoints.export import export_checkpoint

    output = Path(arguments.output or Path(config.run.directory) / EXPORT_DIRECTORY)
    checkpoint = export_checkpoint(config, output, arguments.step)
    print(f"{checkpoint} -> {output}")
    return 0


def _show_data(arguments: argparse.Namespace, overrides: Sequence[str]) -> int:
    from megatron_urpo.data.preview import format_preview, preview

    for shown in preview(_load(arguments, overrides), arguments.count):
        print(format_preview(shown))
    return 0


def _report(arguments: argparse.Namespace, overrides: Sequence[str]) -> int:
    from megatron_urpo.report.page import render_report

    print(render_report(arguments.run_directory))
    return 0


def _doctor(arguments: argparse.Namespace, overrides: Sequence[str]) -> int:
    from megatron_urpo.doctor.checks import Status, format_findings, run_checks

    configured = arguments.config or arguments.override or overrides
    findings = run_checks(_load(arguments, overrides) if configured else None)
    print(format_findings(findings))
    return int(any(finding.status is Status.FAILURE for finding in findings))


if __name__ == "__main__":
    sys.exit(main())
