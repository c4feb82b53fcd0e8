"""Each adapter: rows in the exact public schema, malformed ones, and real rows where there are."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from megatron_urpo.code_tests.encodings import parse_code_tests
from megatron_urpo.config import SourceConfig
from megatron_urpo.data.adapters.nectar import split_dialogue
from megatron_urpo.data.adapters.rows import RowError
from megatron_urpo.data.adapters.skywork_or1 import accepted_answers
from megatron_urpo.data.adapters.table import ADAPTERS
from megatron_urpo.data.answer_requests import ANSWER_REQUEST
from megatron_urpo.data.jsonl import DataError, format_task, parse_task
from megatron_urpo.rewards.math_answer import verify
from megatron_urpo.types import ChatMessage, TaskKind, VerifierStatus


def task_of(format_name, row):
    """A row as its adapter and the schema's reader make it."""
    adapter = ADAPTERS[format_name]
    source = SourceConfig("s", adapter.kind, "s.arrow")
    record = {"kind": str(adapter.kind), "id": "s-1"} | adapter.record(row)
    return parse_task(record, source, "f:1", "", answered=adapter.answered)


def turn(role, content):
    return {"content": content, "role": role}


def or1_row(ground_truth, ability="math", prompt="What is $1/2$?"):
    difficulty = {f"DeepSeek-R1-Distill-Qwen-{size}": 3 for size in ("1.5B", "7B", "32B")}
    return {
        "data_source": "train-math-numinamath1.5_olympiads",
        "prompt": [turn("user", prompt)],
        "ability": ability,
        "reward_model": {"ground_truth": ground_truth, "style": "rule"},
        "extra_info": {"index": 7, "model_difficulty": difficulty},
    }


def completion(response, overall, fine_grained, rating):
    aspects = ("instruction_following", "honesty", "truthfulness", "helpfulness")
    return {
        "model": "alpaca-7b",
        "principle": "helpfulness",
        "custom_system_prompt": "As an AI assistant, be helpful.",
        "response": response,
        "critique": "Good.",
        "overall_score": overall,
        "fine-grained_score": fine_grained,
        "annotations": {
            aspect: {"Rating": rating, "Rationale": "Because.", "Type": ["1"]} for aspect in aspects
        },
    }


GSM8K = {"question": "How much?", "answer": "It is <<1000*2=2000>>2,000.\n#### 2,000"}
MATH = {
    "problem": "Find $x$.",
    "level": "Level 2",
    "type": "Algebra",
    "solution": "So $x = \\boxed{\\frac{1}{2}}$.",
}
OR1_MATH = or1_row('["\\\\frac{1}{2}", "0.5"]')
OR1_CODE = or1_row('{"inputs": ["1\\n"], "outputs": ["2\\n"]}', "code", "Add one.")
HELPSTEER3 = {
    "domain": "general",
    "language": "english",
    "context": [turn("user", "Hi"), turn("assistant", "Hello"), turn("user", "A fruit?")],
    "response1": "Fig",
    "response2": "Dog",
    "overall_preference": -2,
    "individual_preference": [
        {"score": -2, "reasoning": "r", "feedback1": "a", "feedback2": "b"},
    ],
}
ULTRAFEEDBACK = {
    "source": "evol_instruct",
    "instruction": "Name a fruit.",
    "models": ["alpaca-7b"] * 4,
    "completions": [
        completion("Fig", 8.5, 4.25, "4"),
        completion("Dog", 3.0, 2.0, "2"),
        completion("Pear", 8.5, 4.5, "5"),
        completion("Car", 10.0, 1.75, "2"),
    ],
    "correct_answers": ["None"],
    "incorrect_answers": ["None"],
}
SKYWORK_PREFERENCE = {
    "chosen": [
        turn("user", "Hi"),
        turn("assistant", "Hello"),
        turn("user", "A fruit?"),
        turn("assistant", "Fig"),
    ],
    "rejected": [
        turn("user", "Hi"),
        turn("assistant", "Hello"),
        turn("user", "A fruit?"),
        turn("assistant", "Dog"),
    ],
    "source": "magpie_ultra",
}
NECTAR = {
    "prompt": "\n\nHuman: Hi \n\nAssistant: Hello\n\nHuman: A fruit?\nOne word. \n\nAssistant: ",
    "answers": [
        {"answer": f"answer {rank}", "model": "gpt-4", "rank": float(rank)}
        for rank in (3, 1, 2, 5, 4, 7, 6)
    ],
    "turns": 2,
    "num_responses": 7,
    "source": ["lmsys-chat-1m"],
    "good_natured": True,
}
OFFSETBIAS = {"instruction": "A fruit?", "output_1": "Dog", "output_2": "Fig", "label": 2}
PROMPTS = {
    "dataset": "ultrachat",
    "context": "Hi",
    "context_messages": [turn("user", "Hi"), turn("assistant", "Hello"), turn("user", "A fruit?")],
    "id": "7",
}
TULU3 = {
    "id": "oasst1_1",
    "messages": [turn("system", "Be brief."), turn("user", "Hi"), turn("assistant", "Hello")],
    "source": "ai2-adapt-dev/oasst1_converted",
}
RANKED = {
    "instruction": "Answer.",
    "input": "2+2?",
    "answers": [{"answer": "5", "rank": 2.0}, {"answer": "4", "rank": 1, "model": "m"}],
}
MULTI_TURN = (
    ChatMessage("user", "Hi"),
    ChatMessage("assistant", "Hello"),
    ChatMessage("user", "A fruit?"),
)


def test_gsm8k():
    task = task_of("gsm8k", GSM8K)
    assert task.messages == (ChatMessage("user", f"How much?\n{ANSWER_REQUEST}"),)
    assert task.gold == ("2000",)


def test_math():
    assert task_of("math", MATH).gold == ("\\frac{1}{2}",)
    assert task_of("math", MATH | {"answer": "0.5"}).gold == ("0.5",)


def test_skywork_math():
    task = task_of("skywork_or1_math", OR1_MATH)
    assert task.gold == ("\\frac{1}{2}", "0.5")
    assert task.messages[0].content.endswith(ANSWER_REQUEST)
    asked = or1_row("[3]", prompt="Say it within \\boxed{}.")
    assert task_of("skywork_or1_math", asked).messages[0].content == "Say it within \\boxed{}."
    assert task_of("skywork_or1_math", asked).gold == ("3",)


@pytest.mark.parametrize(
    ("ground_truth", "answers"),
    [
        ('["1", "", "2"]', ["1", "2"]),
        ('[7, 0.25, "x"]', ["7", "0.25", "x"]),
        ("204", ["204"]),
        ("025", ["025"]),
        ("1.50", ["1.50"]),
        ('"y"', ["y"]),
        ("\\frac{1}{2}", ["\\frac{1}{2}"]),
        ("[0, \\pi)", ["[0, \\pi)"]),
        ("[0, \\pi]", ["[0, \\pi]"]),
        ("[0, 1]", ["[0, 1]"]),
        ("[-1.50, 2e3]", ["[-1.50, 2e3]"]),
        ("[3]", ["3"]),
        ('["[0, 1]", "[0,1]"]', ["[0, 1]", "[0,1]"]),
        ("\\{1, 2\\}", ["\\{1, 2\\}"]),
    ],
)
def test_accepted_answers(ground_truth, answers):
    assert accepted_answers(ground_truth) == answers


@pytest.mark.parametrize(
    "ground_truth",
    [
        '{"inputs": ["1"], "outputs": ["2"]}',
        '{"inputs": [[1]], "outputs": [2], "fn_name": "inc"}',
        '{"import_prefix": "", "test_code": "def check(f):\\n assert f(1)", "entry_point": "f"}',
        '{"assert_case": ["assert f(1) == 2"]}',
    ],
)
def test_skywork_code_has_tests_in_place_of_answers(ground_truth):
    task = task_of("skywork_or1_code", or1_row(ground_truth, "code"))
    assert task.tests == parse_code_tests(ground_truth)
    assert task.gold == ()


@pytest.mark.parametrize(
    ("score", "truth"),
    [(-3, (3, 0)), (-1, (1, 0)), (0, (0, 0)), (2, (0, 2)), ("3", (0, 3)), (1.0, (0, 1))],
)
def test_helpsteer3(score, truth):
    task = task_of("helpsteer3", HELPSTEER3 | {"overall_preference": score})
    assert task.messages == MULTI_TURN
    assert task.responses == ("Fig", "Dog")
    assert task.truth == truth


def test_ultrafeedback_keeps_ties_and_mends_the_known_wrong_score():
    task = task_of("ultrafeedback", ULTRAFEEDBACK)
    assert task.responses == ("Fig", "Dog", "Pear", "Car")
    assert task.truth == (8.5, 3.0, 8.5, 1.0)
    # Without the mean, the ratings (texts) tell; a true 10 stays.
    bad = completion("Car", 10, None, "2")
    good = completion("Fig", "10", None, "5")
    unrated = completion("Fig", 10, None, "N/A")
    for one, quality in ((bad, 1.0), (good, 10.0), (unrated, 10.0)):
        row = ULTRAFEEDBACK | {"completions": [one, completion("Dog", 3.0, 2.0, "2")]}
        assert task_of("ultrafeedback", row).truth == (quality, 3.0)


def test_skywork_preference():
    task = task_of("skywork_preference", SKYWORK_PREFERENCE)
    assert (task.messages, task.responses, task.truth) == (MULTI_TURN, ("Fig", "Dog"), (1.0, 0.0))


def test_nectar():
    task = task_of("nectar", NECTAR)
    assert task.messages == (
        ChatMessage("user", "Hi"),
        ChatMessage("assistant", "Hello"),
        ChatMessage("user", "A fruit?\nOne word."),
    )
    best = max(zip(task.truth, task.responses, strict=True))
    assert best == (6.0, "answer 1")
    assert task.truth == (4.0, 6.0, 5.0, 2.0, 3.0, 0.0, 1.0)


def test_responses_without_a_quality_have_none_while_two_others_have_one():
    rated = [completion("Fig", 4.0, 4, "4"), completion("Dog", "N/A", 1, "1")]
    rated += [completion("Car", 1.0, 1, "1"), completion("Pear", float("nan"), 3, "3")]
    row = ULTRAFEEDBACK | {"completions": rated}
    assert ADAPTERS["ultrafeedback"].record(row)["truth"] == [4.0, None, 1.0, None]
    ranks = [1, 2, None, "x"]
    row = NECTAR | {"answers": [{"answer": f"a{rank}", "rank": rank} for rank in ranks]}
    assert ADAPTERS["nectar"].record(row)["rank"] == [1.0, 2.0, None, None]


@pytest.mark.parametrize(("label", "truth"), [(1, (1.0, 0.0)), ("2", (0.0, 1.0))])
def test_offsetbias(label, truth):
    task = task_of("offsetbias", OFFSETBIAS | {"label": label})
    assert (task.responses, task.truth) == (("Dog", "Fig"), truth)


def test_prompt_collection():
    assert task_of("prompt_collection", PROMPTS).messages == MULTI_TURN


def test_tulu3():
    task = task_of("tulu3_sft", TULU3)
    assert [message.role for message in task.messages] == ["system", "user", "assistant"]
    assert task.is_answered


def test_ranked():
    task = task_of("ranked", RANKED)
    assert task.messages[0].content == "Answer.\n\n2+2?"
    assert (task.responses, task.truth) == (("5", "4"), (0.0, 1.0))


EXAMPLES = {
    "gsm8k": GSM8K,
    "math": MATH,
    "skywork_or1_math": OR1_MATH,
    "skywork_or1_code": OR1_CODE,
    "helpsteer3": HELPSTEER3,
    "ultrafeedback": ULTRAFEEDBACK,
    "skywork_preference": SKYWORK_PREFERENCE,
    "nectar": NECTAR,
    "offsetbias": OFFSETBIAS,
    "ranked": RANKED,
    "prompt_collection": PROMPTS,
    "tulu3_sft": TULU3,
}


def test_every_adapter_is_tested():
    assert set(EXAMPLES) == set(ADAPTERS)


@pytest.mark.parametrize("name", ADAPTERS)
def test_a_task_survives_its_record(name):
    task = task_of(name, EXAMPLES[name])
    source = SourceConfig("s", task.kind, "s.arrow")
    record = json.loads(json.dumps(format_task(task)))
    assert parse_task(record, source, "f:1", "", answered=ADAPTERS[name].answered) == task


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        ("gsm8k", {"answer": "no mark"}, "nothing after '####'"),
        ("gsm8k", {"answer": "#### "}, "nothing after '####'"),
        ("gsm8k", {"question": None}, "question = None: not a text"),
        ("math", {"solution": "no box"}, "no answer in \\boxed{}"),
        ("math", {"solution": "\\boxed{unclosed"}, "no answer in \\boxed{}"),
        ("math", {"answer": 3}, "answer = 3: not a text"),
        ("skywork_or1_math", or1_row("[]"), "no answer"),
        ("skywork_or1_math", or1_row("[null]"), "holds None"),
        ("skywork_or1_math", or1_row("null"), "holds None"),
        ("skywork_or1_math", or1_row("[NaN]"), "holds nan: not a finite number"),
        ("skywork_or1_math", or1_row("[1e400]"), "holds inf: not a finite number"),
        ("skywork_or1_math", or1_row('["\\\\frac{1}{2}", "0.5'), "JSON that is cut off"),
        ("skywork_or1_math", or1_row('["\\\\frac{1}{2}"'), "JSON that is cut off"),
        ("skywork_or1_math", or1_row("1e400"), "holds inf: not a finite number"),
        ("skywork_or1_math", or1_row("[1, 2"), "JSON that is cut off"),
        ("skywork_or1_math", or1_row('"0.5'), "JSON that is cut off"),
        ("skywork_or1_math", or1_row("[" * 100_000), "ground_truth = '[[["),
        ("skywork_or1_math", or1_row("[3]", prompt=" \n"), "no problem"),
        ("skywork_or1_math", or1_row("[3]", prompt=ANSWER_REQUEST), "no problem"),
        ("skywork_or1_math", or1_row('{"inputs": []}'), "an object, not answers"),
        ("skywork_or1_math", or1_row("  "), "ground_truth = '  ': not a text"),
        ("skywork_or1_math", {"ability": "code"}, "ability = 'code': this format reads 'math'"),
        ("skywork_or1_math", {"reward_model": "x"}, "reward_model = 'x': not an object"),
        ("skywork_or1_math", {"prompt": "Hi"}, "prompt = 'Hi': not a list of objects"),
        ("skywork_or1_math", {"prompt": [turn("user", 3)]}, "messages[0].content = 3"),
        ("skywork_or1_code", or1_row("[1]", "code"), "give input and output"),
        ("skywork_or1_code", or1_row("{}", "code"), "unknown set of fields"),
        ("skywork_or1_code", or1_row("{'inputs': 1}", "code"), "not JSON"),
        ("helpsteer3", {"overall_preference": 4}, "not one of -3, -2"),
        ("helpsteer3", {"overall_preference": 0.5}, "not one of -3, -2"),
        ("helpsteer3", {"overall_preference": None}, "overall_preference = None: not a number"),
        ("helpsteer3", {"context": []}, "context = []: not a list of objects"),
        ("helpsteer3", {"context": [turn("assistant", "Hi")]}, "must be a user turn"),
        ("helpsteer3", {"response2": None}, "response2 = None: not a text"),
        ("ultrafeedback", {"completions": []}, "completions = []: not a list"),
        ("ultrafeedback", {"completions": [completion("a", 1, 1, "1")]}, "one response"),
        (
            "ultrafeedback",
            {"completions": [completion("a", "N/A", 1, "1"), completion("b", 1, 1, "1")]},
            "overall_score = 'N/A': not a number",
        ),
        (
            "ultrafeedback",
            {"completions": [completion("a", float("nan"), 1, "1")] * 2},
            "overall_score = nan: not a finite number",
        ),
        ("ultrafeedback", {"instruction": " "}, "instruction = ' ': not a text"),
        (
            "skywork_preference",
            {"rejected": [turn("user", "Other"), turn("assistant", "Dog")]},
            "answer different conversations",
        ),
        (
            "skywork_preference",
            {"chosen": [turn("user", "a")], "rejected": [turn("user", "b")]},
            "chosen ends with a turn of 'user'",
        ),
        (
            "skywork_preference",
            {"chosen": [turn("assistant", "a")], "rejected": [turn("assistant", "b")]},
            "not an answer to a prompt",
        ),
        ("skywork_preference", {"chosen": None}, "chosen = None: not a list"),
        ("nectar", {"prompt": "Hi"}, "does not begin with 'Human:'"),
        ("nectar", {"prompt": "\n\nHuman: Hi"}, "does not end with an open 'Assistant:'"),
        ("nectar", {"prompt": "\n\nHuman: Hi\n\nAssistant: Yes"}, "does not end with an open"),
        ("nectar", {"prompt": "\n\nAssistant: "}, "messages = []"),
        ("nectar", {"answers": [{"answer": "a", "rank": "x"}] * 2}, "rank = 'x': not a number"),
        ("nectar", {"answers": [{"answer": 3, "rank": 1}] * 2}, "answer = 3: not a text"),
        ("offsetbias", {"label": 0}, "label = 0: not one of 1, 2"),
        ("offsetbias", {"label": True}, "label = True: not a number"),
        ("offsetbias", {"output_1": 3}, "output_1 = 3: not a text"),
        ("prompt_collection", {"context_messages": None}, "context_messages = None"),
        ("prompt_collection", {"context_messages": ["Hi"]}, "not a list of objects"),
        ("prompt_collection", {"context_messages": [turn("gpt", "Hi")]}, "role = 'gpt'"),
        (
            "prompt_collection",
            {"context_messages": [turn("user", "Hi"), turn("assistant", "a")]},
            "must be a user turn",
        ),
        ("tulu3_sft", {"messages": [turn("user", "Hi")]}, "must be the assistant's turn"),
        ("tulu3_sft", {"messages": [turn("assistant", "Hi")]}, "no user turn"),
        (
            "tulu3_sft",
            {"messages": [turn("user", "Hi"), turn("assistant", " ")]},
            "messages[1].content = ' '",
        ),
        ("ranked", {"answers": RANKED["answers"][:1]}, "give a list of at least 2"),
        ("ranked", {"answers": [{}, {}]}, "rank = None: not a number"),
        ("ranked", {"input": 3}, "input = 3: not a text"),
    ],
)
def test_malformed_rows(name, changes, reason):
    with pytest.raises((RowError, DataError)) as raised:
        task_of(name, EXAMPLES[name] | changes)
    assert reason in str(raised.value)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "answer", "rank", "response", "overall_score"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@given(st.sampled_from(sorted(ADAPTERS)), st.data())
def test_any_row_is_a_task_or_a_known_error(name, data):
    row = dict(EXAMPLES[name])
    for field in data.draw(st.lists(st.sampled_from(sorted(row)), max_size=2, unique=True)):
        row[field] = data.draw(values)
    try:
        task = task_of(name, row)
    except (RowError, DataError):
        return
    assert task.kind is ADAPTERS[name].kind


words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1).map(str.strip)
contents = words.filter(lambda text: text and "\n\nHuman:" not in text and "\n\nAssi" not in text)


@given(st.lists(contents, min_size=1, max_size=6))
def test_dialogues_survive_nectars_form(texts):
    speakers = ("Human", "Assistant")
    said = "".join(f"\n\n{speakers[i % 2]}: {text} " for i, text in enumerate(texts))
    if len(texts) % 2 == 0:
        said += "\n\nHuman: more "
        texts = [*texts, "more"]
    turns = split_dialogue(f"{said}\n\nAssistant: ")
    assert [turn["content"] for turn in turns] == texts
    assert [turn["role"] for turn in turns] == (["user", "assistant"] * 4)[: len(texts)]


@given(st.lists(st.text(min_size=1).filter(str.strip), min_size=1))
def test_answer_lists_are_read_as_written(answers):
    assert accepted_answers(json.dumps(answers)) == answers


@pytest.mark.parametrize(
    ("answer", "is_right"), [("[0,1]", True), ("0", False), ("1", False), ("(0, 1)", False)]
)
def test_an_interval_is_not_met_by_its_ends(answer, is_right):
    task = task_of("skywork_or1_math", or1_row("[0, 1]"))
    result = verify(f"So \\boxed{{{answer}}}.", task.gold)
    assert (result.status is VerifierStatus.CORRECT) == is_right


# Real rows


def rows(real_data, name):
    return [json.loads(line) for line in (real_data / name).read_text().splitlines()]


@pytest.mark.parametrize(
    ("name", "file", "usable"),
    [
        ("gsm8k", "gsm8k_train_1000.jsonl", 1000),
        ("math", "math_train_2000.jsonl", 1998),  # two rows have neither answer nor solution
        ("math", "math500.jsonl", 500),
        ("skywork_or1_math", "aime24.jsonl", 30),
        ("skywork_or1_math", "aime25.jsonl", 30),
        ("prompt_collection", "instructions_1000.jsonl", 1000),
        ("ranked", "pandalm_nway_derived.jsonl", 99),  # one has booleans for responses
    ],
)
def test_real_rows(real_data, name, file, usable):
    tasks, errors = [], []
    for row in rows(real_data, file):
        try:
            tasks.append(task_of(name, row))
        except (RowError, DataError) as error:
            errors.append(str(error))
    assert len(tasks) == usable, errors[:3]
    if name == "ranked":
        for task, row in zip(tasks[:5], rows(real_data, file), strict=False):
            best = min(row["answers"], key=lambda answer: answer["rank"])["answer"]
            assert task.responses[task.truth.index(max(task.truth))] == best


def test_boxed_answers_of_real_solutions_are_the_published_ones(real_data):
    for row in rows(real_data, "math500.jsonl")[:100]:
        published = row.pop("answer")
        (gold,) = task_of("math", row).gold
        outcome = verify(f"\\boxed{{{gold}}}", [published])
        assert outcome.status is VerifierStatus.CORRECT, (gold, published)


def test_real_bias_pairs_in_offsetbias_form(real_data):
    """EvalBiasBench, by the same authors: the fields have other names, the label is the same."""
    for row in rows(real_data, "offsetbias_evalbiasbench_80.jsonl"):
        row["output_1"], row["output_2"] = row.pop("response1"), row.pop("response2")
        better = row["output_1"]
        assert row["label"] == 1
        for _ in range(2):
            task = task_of("offsetbias", row)
            assert task.responses[task.truth.index(1.0)] == better
            row["output_1"], row["output_2"] = row["output_2"], row["output_1"]
            row["label"] = 3 - row["label"]


def test_real_multi_turn_pairs_in_skywork_form(real_data):
    """ShareGPT conversations with two last answers, put as two message lists."""
    roles = {"human": "user", "gpt": "assistant", "system": "system"}
    longest = 0
    for row in rows(real_data, "dpo_en_demo_60.jsonl"):
        context = [turn(roles[said["from"]], said["value"]) for said in row["conversations"]]
        pair = {
            name: [*context, turn("assistant", row[name]["value"])]
            for name in ("chosen", "rejected")
        }
        task = task_of("skywork_preference", pair | {"source": "demo"})
        assert task.responses == (row["chosen"]["value"], row["rejected"]["value"])
        assert [turn.content for turn in task.messages] == [t["content"] for t in context]
        longest = max(longest, len(task.messages))
    assert longest >= 3


def test_kinds():
    assert {adapter.kind for adapter in ADAPTERS.values()} == set(TaskKind)
