"""One answer and one judgement from a Hugging Face directory, with plain transformers.

python examples/try_model.py runs/quickstart/export
"""

import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from megatron_urpo.judging import parse_scores, write_judge_prompt

QUESTION = "Write one short sentence with the words river, lamp and bread."
RESPONSES = (
    "My aunt sold the old car to a neighbour.",
    "Who left the bread and the lamp by the river?",
    "The lamp stood near the door all night.",
)
PROBLEM = "Sort these numbers in ascending order: 52, 17, 34. Put the final answer in \\boxed{}."


def ask(model, tokenizer, text: str, max_new_tokens: int) -> str:
    """The model's greedy reply to one user turn."""
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": text}],
        add_generation_prompt=True,
        return_tensors="pt",
        return_dict=True,
    )
    with torch.inference_mode():
        output = model.generate(**prompt, max_new_tokens=max_new_tokens, do_sample=False)
    return tokenizer.decode(output[0, prompt["input_ids"].shape[1] :], skip_special_tokens=True)


def main() -> None:
    """Loads the directory named on the command line and prints what it says."""
    directory = sys.argv[1]
    tokenizer = AutoTokenizer.from_pretrained(directory)
    model = AutoModelForCausalLM.from_pretrained(directory)
    print(f"problem    {PROBLEM}\nanswer     {ask(model, tokenizer, PROBLEM, 64)}\n")
    judge_prompt = write_judge_prompt(QUESTION, RESPONSES, range(len(RESPONSES)))
    judgement = ask(model, tokenizer, judge_prompt, 64)
    print(f"question   {QUESTION}")
    for number, response in enumerate(RESPONSES, start=1):
        print(f"response {number} {response}")
    print(f"judgement  {judgement}\nscores     {parse_scores(judgement, len(RESPONSES))}")


if __name__ == "__main__":
    main()
