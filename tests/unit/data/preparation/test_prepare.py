"""A whole preparation: every row accounted for, and files that a run reads."""

import json
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from shutil import copy

import pytest

from megatron_urpo.code_tests.encodings import parse_code_tests
from megatron_urpo.config import ModelConfig, SourceConfig
from megatron_urpo.data.jsonl import DataError
from megatron_urpo.data.preparation.manifest import Manifest, format_table, hash_file
from megatron_urpo.data.preparation.prepare import prepare
from megatron_urpo.data.preparation.settings import (
    FiltersConfig,
    PreparationConfig,
    RawSourceConfig,
)
from megatron_urpo.data.sources import load_source
from megatron_urpo.run_lock import RunDirectoryBusyError, lock_run_directory
from megatron_urpo.types import TaskKind

ESSAY = " ".join(f"word{number}" for number in range(60))


def answers(*ranked):
    return [{"answer": text, "rank": rank} for text, rank in ranked]


def ranked(instruction, *responses):
    return {"instruction": instruction, "answers": answers(*responses)}


def prompt(text):
    return {"context_messages": [{"role": "user", "content": text}]}


FRENCH = "Pourquoi le ciel est-il bleu pendant la journée et rouge au coucher du soleil ?"

# Rows, and the filter each of them is to meet.
RANKED = [
    (ranked("Name a fruit.", ("Fig", 1), ("Dog", 2), ("Pear", 1)), None),
    ("{broken", "malformed"),
    (ranked("Name a fruit.", ("Fig", 1)), "malformed"),
    (ranked("Name a bird.", ("Owl", 1), ("Crow", 1)), "tied"),
    (ranked("Name a bird.", ("Owl", 1), (" ", 2)), "empty"),
    (ranked("Name a bird.", ("Owl", 1), (" Owl", 2)), "identical_responses"),
    (ranked("Tell it all: " + "a b " * 200, ("Yes", 1), ("No", 2)), "prompt_length"),
    (ranked("Say it all.", ("Yes", 1), ("no " * 400, 2)), "response_length"),
    (ranked(FRENCH, ("Rayleigh", 1), ("Dieu", 2)), "language"),
    (
        ranked("So: what is the tallest tree in the whole world?", ("A", 1), ("B", 2)),
        "contaminated",
    ),
    (ranked("Name a  fruit.", ("Pear", 1), ("Fig", 1), ("Dog", 2)), "exact_duplicate"),
    (ranked(ESSAY, ("Good", 1), ("Bad", 2)), None),
    (ranked(f"{ESSAY} again", ("Good", 1), ("Bad", 2)), "near_duplicate"),
]


@pytest.fixture
def config(tmp_path, write_rows, model_path):
    return config_of(tmp_path, write_rows, model_path)


def write_lines(path, rows):
    lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


def config_of(directory, write_rows, model_path):
    evaluation = write_rows(
        "trees.jsonl", [{"question": "What is the tallest tree in the whole world?"}]
    )
    source = RawSourceConfig(
        "ranked", "ranked", str(write_rows("ranked.jsonl", [row for row, _ in RANKED]))
    )
    return PreparationConfig(
        directory=str(directory / "out"),
        model=ModelConfig(path=model_path),
        filters=FiltersConfig(max_prompt_tokens=300, max_response_tokens=200, languages=("en",)),
        evaluation_sets=(str(evaluation),),
        sources=(source,),
        rows_per_part=4,
    )


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, model_path):
    """RANKED as it is prepared: the settings and the manifest."""
    directory = tmp_path_factory.mktemp("prepared")
    made = config_of(directory, lambda name, rows: write_lines(directory / name, rows), model_path)
    (manifest,) = silently(made)
    return made, manifest


def silently(config):
    return prepare(config, lambda line: None)


def read_rejects(manifest):
    with open(manifest.rejects.path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def tasks_of(manifest, **options):
    config = SourceConfig(manifest.name, TaskKind(manifest.kind), manifest.output.path)
    return load_source(config, "train", 0, **options).tasks


def test_every_row_is_kept_or_in_the_rejects_with_its_place(prepared):
    config, manifest = prepared
    file = config.sources[0].path
    expected = {f"{file}:{n}": name for n, (_, name) in enumerate(RANKED, 1) if name}
    rejects = read_rejects(manifest)
    assert {entry["place"]: entry["filter"] for entry in rejects} == expected
    assert len(rejects) == len(expected)
    by_filter = {entry["filter"]: entry for entry in rejects}
    assert by_filter["contaminated"]["reason"].endswith("trees.jsonl:1")
    assert by_filter["exact_duplicate"]["reason"] == f"the same as {file}:1"
    assert by_filter["near_duplicate"]["reason"].startswith(f"like {file}:12, estimated similarity")
    assert by_filter["language"]["reason"] == "the prompt is in 'fr'"
    assert {entry["row"] for entry in rejects if "row" in entry} == {
        "{broken",
        json.dumps(RANKED[2][0]),
    }


def test_the_manifest_counts_and_hashes(prepared):
    config, manifest = prepared
    assert manifest == Manifest.read(manifest_path(config, "ranked"))
    assert (manifest.rows_read, manifest.rows_written) == (13, 2)
    removed = Counter(name for _, name in RANKED if name)
    assert {
        c.filter: c.rows_in - c.rows_out for c in manifest.filters if c.rows_in > c.rows_out
    } == (removed)
    flow = [(count.rows_in, count.rows_out) for count in manifest.filters]
    assert flow[0][0] == 13
    assert flow[-1][1] == 2
    assert all(before[1] == after[0] for before, after in pairwise(flow))
    assert [file.path for file in manifest.inputs] == [config.sources[0].path]
    assert manifest.output == hash_file(output_path(config, "ranked"))
    assert manifest.plan["evaluation_sets"][0]["path"] == config.evaluation_sets[0]
    assert "rensa" in manifest.plan["software"]


def manifest_path(config, name):
    return output_path(config, name).with_suffix(".manifest.json")


def output_path(config, name):
    return Path(config.directory, f"{name}.arrow")


def test_a_run_reads_what_was_written(prepared):
    _, manifest = prepared
    first, second = tasks_of(manifest)
    assert first.key == "ranked-1"
    assert first.responses == ("Fig", "Dog", "Pear")
    assert first.truth == (1.0, 0.0, 1.0)
    assert second.messages[0].content == ESSAY


def test_a_table_of_what_was_kept(prepared):
    header, line = format_table([prepared[1]]).split("\n")
    assert header.split()[:3] == ["source", "kind", "read"]
    assert line.split() == ["ranked", "preference", "13", "2", *"1111111112"]


def test_what_is_prepared_is_not_prepared_again(prepared):
    config, manifest = prepared
    names = sorted(path.name for path in Path(config.directory).iterdir())
    assert names == ["ranked.arrow", "ranked.manifest.json", "ranked.rejects.jsonl"]
    lines = []
    assert prepare(config, lines.append) == [manifest]
    assert lines == ["everything is prepared already, with these settings and from these files"]


def rewrite(path, old, new):
    text = path.read_bytes()
    assert old in text
    path.write_bytes(text.replace(old, new))


def test_what_has_changed_is_prepared_again(config, tmp_path, model_path):
    """Files of every sort that the result depends on, and the result itself, at the same size."""
    model, template, hub = tmp_path / "model", tmp_path / "t.jinja", tmp_path / "hub"
    model.mkdir()
    for file in Path(model_path).iterdir():
        if file.suffix in (".json", ".txt"):
            copy(file, model)
    template.write_text("{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}")
    hub.mkdir()
    (hub / "train.jsonl").write_text(json.dumps(prompt("Name a fruit.")) + "\n")
    sources = (*config.sources, RawSourceConfig("local", "prompt_collection", hub=str(hub)))
    used = ModelConfig(path=str(model), chat_template=str(template))
    config = replace(config, sources=sources, model=used)
    _, local = silently(config)
    assert [Path(file.path).name for file in local.inputs] == ["train.jsonl"]
    rejects = output_path(config, "ranked").with_suffix(".rejects.jsonl")
    changes = {
        "nothing": lambda: None,
        "tokenizer": lambda: rewrite(model / "tokenizer_config.json", b"{", b"{ "),
        "template": lambda: rewrite(template, b": ", b"= "),
        "input": lambda: rewrite(hub / "train.jsonl", b"fruit", b"berry"),
        "output": lambda: rewrite(output_path(config, "ranked"), b"Pear", b"Pair"),
        "rejects": lambda: rewrite(rejects, b"malformed", b"wellformed"),
        "emptied rejects": lambda: rejects.write_text(""),
        "lost rejects": rejects.unlink,
        "manifest": lambda: manifest_path(config, "ranked").write_text("{}"),
    }
    for name, change in changes.items():
        change()
        said = []
        prepare(config, said.append)
        assert any("prepared already" in line for line in said) == (name == "nothing"), name
    _, local = silently(config)
    assert next(iter(tasks_of(local))).messages[0].content == "Name a berry."
    ranked, _ = silently(config)
    assert "Pear" in next(iter(tasks_of(ranked))).responses
    assert hash_file(rejects) == ranked.rejects
    assert rejects.stat().st_size > 0


def test_other_settings_prepare_it_again_and_the_size_of_parts_does_not_matter(config):
    shown = []
    (manifest,) = silently(config)
    tasks = list(tasks_of(manifest))
    longer = replace(
        config, filters=replace(config.filters, max_response_tokens=0), rows_per_part=5
    )
    (other,) = prepare(longer, shown.append)
    assert other.rows_written == 3
    (same,) = prepare(replace(config, rows_per_part=1), shown.append)
    assert (list(tasks_of(same)), same.filters) == (tasks, manifest.filters)
    assert sum(line.startswith("ranked: ") for line in shown) == 3 + 13


def test_sources_of_a_kind_are_compared_and_the_first_one_keeps_the_row(config, write_rows):
    prompts = write_rows("a.jsonl", [prompt("Name a fruit."), prompt(ESSAY)])
    more = write_rows("b.jsonl", [prompt(f"{ESSAY} more"), prompt("Name a\nfruit."), prompt("Hi")])
    chat = {
        "messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello"},
        ],
    }
    sources = (
        config.sources[0],
        RawSourceConfig("a", "prompt_collection", str(prompts)),
        RawSourceConfig("b", "prompt_collection", str(more)),
        RawSourceConfig("chat", "tulu3_sft", str(write_rows("c.jsonl", [chat]))),
    )
    manifests = silently(replace(config, sources=sources))
    assert [manifest.rows_written for manifest in manifests] == [2, 2, 1, 1]
    assert {entry["filter"] for entry in read_rejects(manifests[2])} == {
        "exact_duplicate",
        "near_duplicate",
    }
    (task,) = tasks_of(manifests[2])
    assert task.messages[0].content == "Hi"
    (conversation,) = tasks_of(manifests[3], answered=True)
    assert conversation.is_answered
    with pytest.raises(DataError, match="holds instruction conversations with answers, but source"):
        tasks_of(manifests[3])


def test_rows_can_be_selected_and_limited(config, write_rows):
    rows = [ranked(f"Question {n}?", ("a", 1), ("b", 2)) | {"split": "ab"[n % 2]} for n in range(9)]
    source = RawSourceConfig(
        "x", "ranked", str(write_rows("x.jsonl", rows)), where={"split": "b"}, max_rows=6
    )
    (manifest,) = silently(replace(config, sources=(source,)))
    assert (manifest.rows_read, manifest.rows_unselected, manifest.rows_written) == (6, 3, 3)
    assert read_rejects(manifest) == []


def test_an_empty_source_is_written_as_such(config, write_rows):
    source = RawSourceConfig("x", "ranked", str(write_rows("x.jsonl", ["{"])))
    (manifest,) = silently(replace(config, sources=(source,)))
    assert manifest.rows_written == 0
    with pytest.raises(DataError, match="source 'x' is empty"):
        tasks_of(manifest)


def test_preferences_are_held_out(config, write_rows):
    """In a file of their own, the same ones in any order, and of no other kind."""
    rows = [ranked(f"Question {n}?", (f"a{n}", 1), (f"b{n}", 2)) for n in range(20)]

    def held_out_of(rows, name, rows_per_part):
        prompts = write_rows("p.jsonl", [prompt(f"Write {n}.") for n in range(9)])
        sources = (
            RawSourceConfig("x", "ranked", str(write_rows(name, rows))),
            RawSourceConfig("p", "prompt_collection", str(prompts)),
        )
        made = replace(config, sources=sources, held_out=6, rows_per_part=rows_per_part)
        manifest, other = silently(made)
        assert silently(made) == [manifest, other]
        assert (other.rows_written, other.rows_held_out, other.held_out) == (9, 0, None)
        assert (manifest.rows_written, manifest.rows_held_out) == (14, 6)
        header, line, _ = format_table([manifest, other]).split("\n")
        assert header.endswith("held out  kept")
        assert line.split()[-2:] == ["6", "14"]
        path = output_path(config, "x").with_suffix(".held_out.arrow")
        assert manifest.held_out == hash_file(path)
        kept = {task.responses for task in tasks_of(manifest)}
        source = SourceConfig("x", TaskKind.PREFERENCE, str(path))
        held = {task.responses for task in load_source(source, "heldout", 0).tasks}
        assert len(kept) == 14
        assert len(held) == 6
        assert not kept & held
        return held

    held = held_out_of(rows, "x.jsonl", 4)
    assert held_out_of(rows[::-1], "y.jsonl", 7) == held
    source = RawSourceConfig("x", "ranked", str(write_rows("x.jsonl", rows)))
    (manifest,) = silently(replace(config, sources=(source,)))
    assert manifest.rows_written == 20
    assert not output_path(config, "x").with_suffix(".held_out.arrow").exists()


def held_out_path(config, name):
    return output_path(config, name).with_suffix(".held_out.arrow")


def prompts_of(name, path):
    source = SourceConfig(name, TaskKind.PREFERENCE, str(path))
    return [task.messages[-1].content.split()[1] for task in load_source(source, "train", 0).tasks]


def test_a_prompt_is_held_out_of_all_sources(config, write_rows):
    """Whatever the order of rows, the size of parts, and where a preparation was killed."""
    rows = {
        "x": [ranked(f"Question {n} ?", (f"a{n}", 1), (f"b{n}", 2)) for n in range(30)],
        "y": [ranked(f"Question {n}\n?", (f"c{n}", 1), (f"d{n}", 2)) for n in range(20, 26)],
        "z": [
            ranked(f"Question {n} ?", (f"{answer}{n}", 1), (f"not {answer}{n}", 2))
            for n in range(28, 40)
            for answer in ("e", "f", "g")
        ],
    }

    def both_sides(reverse, rows_per_part, kill_at=0):
        sources = tuple(
            RawSourceConfig(
                name, "ranked", str(write_rows(f"{name}.jsonl", part[::-1] if reverse else part))
            )
            for name, part in rows.items()
        )
        made = replace(config, sources=sources, held_out=4, rows_per_part=rows_per_part)
        said = []

        def report(line):
            said.append(line)
            if len(said) == kill_at:
                raise KeyboardInterrupt

        if kill_at:
            with pytest.raises(KeyboardInterrupt):
                prepare(made, report)
        manifests = prepare(made, said.append)
        out = {name: sorted(prompts_of(name, held_out_path(config, name))) for name in rows}
        for manifest in manifests:
            held = manifest.rows_held_out
            assert held == len(out[manifest.name]) >= 4
            told = f"{manifest.name}: {held} rows are held out, {held - 4} more than held_out = 4"
            assert any(line.startswith(told) for line in said) == (held > 4)
        kept = {name: sorted(prompts_of(name, output_path(config, name))) for name in rows}
        return out, kept

    out, kept = both_sides(False, 5)
    assert not {n for part in out.values() for n in part} & {n for p in kept.values() for n in p}
    assert any(len(part) > 4 for part in out.values())
    assert all(out["z"].count(prompt) == 3 for prompt in out["z"])
    assert both_sides(True, 3) == (out, kept)
    assert both_sides(False, 4, kill_at=7) == (out, kept)


def test_what_is_held_out_depends_on_the_other_sources(config, write_rows):
    rows = [ranked(f"Question {n} ?", (f"a{n}", 1), (f"b{n}", 2)) for n in range(30)]
    more = [ranked(f"Question {n} ?", (f"c{n}", 1), (f"d{n}", 2)) for n in range(3)]
    x, y = (
        RawSourceConfig(name, "ranked", str(write_rows(f"{name}.jsonl", part)))
        for name, part in (("x", rows), ("y", more))
    )
    alone = replace(config, sources=(x,), held_out=2)
    (before,) = silently(alone)
    beside, _ = silently(replace(alone, sources=(x, y)))
    assert before.rows_held_out == 2
    assert beside.rows_held_out > 2
    assert silently(alone) == [before]


def test_one_bad_response_does_not_cost_the_row(config, write_rows):
    seven = [(f"answer {rank}", rank) for rank in range(1, 8)]
    rows = [
        ranked("One?", *seven[:3], (" ", 4), *seven[4:]),
        ranked("Two?", *seven[:3], ("answer 1", 1), *seven[4:]),
        ranked("Three?", *seven[:3], ("unranked", None)),
        ranked("Four?", ("left", 1), (" ", 2), (" ", 3)),
    ]
    source = RawSourceConfig("x", "ranked", str(write_rows("x.jsonl", rows)))
    (manifest,) = silently(replace(config, sources=(source,)))
    assert (manifest.rows_written, manifest.dropped_responses) == (3, 3)
    one, two, three = tasks_of(manifest)
    others = tuple(f"answer {rank}" for rank in (1, 2, 3, 5, 6, 7))
    assert one.responses == two.responses == others
    assert one.truth == two.truth == (6.0, 5.0, 4.0, 2.0, 1.0, 0.0)
    assert (three.responses, three.truth) == (others[:3], (2.0, 1.0, 0.0))
    assert [entry["filter"] for entry in read_rejects(manifest)] == ["empty"]


def test_more_held_out_than_there_is(config):
    with pytest.raises(DataError, match="held_out = 2 leaves nothing of the 2 rows of 'ranked'"):
        silently(replace(config, held_out=2))


def test_a_source_without_rows_is_an_error(config, write_rows):
    source = RawSourceConfig("x", "ranked", str(write_rows("x.jsonl", ["", ""])))
    with pytest.raises(DataError, match=r"x\.jsonl: source 'x' has no rows: check the file"):
        silently(replace(config, sources=(source,)))


def test_two_preparations_do_not_share_a_directory(config):
    with (
        lock_run_directory(output_path(config, "x").parent / ".preparation"),
        pytest.raises(RunDirectoryBusyError),
    ):
        silently(config)


def test_tests_of_programs_are_kept(config, write_rows):
    truth = '{"assert_case": ["assert f(1) == 2"]}'
    row = {
        "prompt": [{"role": "user", "content": "Write f."}],
        "ability": "code",
        "reward_model": {"ground_truth": truth, "style": "rule"},
    }
    source = RawSourceConfig("code", "skywork_or1_code", str(write_rows("code.jsonl", [row])))
    (manifest,) = silently(replace(config, sources=(source,)))
    (task,) = tasks_of(manifest)
    assert (task.tests, task.gold) == (parse_code_tests(truth), ())


def test_large_rows_make_small_parts(config, write_rows):
    """What is in memory at once is bounded by the text of the rows, not by their number."""
    test = {"inputs": ["1"], "outputs": ["x" * 25 * 2**20]}
    row = {
        "prompt": [{"role": "user", "content": "Write f."}],
        "ability": "code",
        "reward_model": {"ground_truth": json.dumps(test), "style": "rule"},
    }
    source = RawSourceConfig("code", "skywork_or1_code", str(write_rows("c.jsonl", [row] * 3)))
    said = []
    (manifest,) = prepare(replace(config, sources=(source,), rows_per_part=3), said.append)
    assert [line.split(",")[0] for line in said if line.startswith("code: ")] == [
        "code: 2 rows",
        "code: 3 rows",
    ]
    assert (manifest.rows_read, manifest.rows_written) == (3, 1)


REAL = {
    "gsm8k": ("gsm8k_train_1000.jsonl", 1000),  # no training problem is a test problem
    # Some are problems of MATH-500 but for a number; two have no answer; one is there twice.
    "math": ("math_train_2000.jsonl", 1981),
    "skywork_or1_math": ("aime24.jsonl", 0),
    "prompt_collection": ("instructions_1000.jsonl", 999),
}


def test_real_files(config, real_data):
    sets = ("gsm8k_test_500", "math500", "aime24", "aime25", "hmmt_feb_2024", "hmmt_feb_2025")
    sources = [RawSourceConfig(name, name, str(real_data / REAL[name][0])) for name in REAL]
    real = replace(
        config,
        sources=tuple(sources),
        filters=FiltersConfig(languages=("en",)),
        evaluation_sets=tuple(str(real_data / f"{name}.jsonl") for name in sets),
        rows_per_part=700,
    )
    for manifest in silently(real):
        rejected = Counter(entry["filter"] for entry in read_rejects(manifest))
        assert manifest.rows_written == REAL[manifest.name][1], rejected
        assert manifest.rows_read == manifest.rows_written + rejected.total()
        if manifest.rows_written:
            assert len(tasks_of(manifest)) == manifest.rows_written
