"""All adapters by the name that a preparation file calls them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from megatron_urpo.data.adapters.competition_math import math_record
from megatron_urpo.data.adapters.gsm8k import gsm8k_record
from megatron_urpo.data.adapters.helpsteer3 import helpsteer3_record
from megatron_urpo.data.adapters.nectar import nectar_record
from megatron_urpo.data.adapters.offsetbias import offsetbias_record
from megatron_urpo.data.adapters.prompt_collection import prompt_collection_record
from megatron_urpo.data.adapters.ranked_answers import ranked_record
from megatron_urpo.data.adapters.rows import Record, Row
from megatron_urpo.data.adapters.skywork_or1 import skywork_code_record, skywork_math_record
from megatron_urpo.data.adapters.skywork_preference import skywork_preference_record
from megatron_urpo.data.adapters.tulu3 import tulu3_record
from megatron_urpo.data.adapters.ultrafeedback import ultrafeedback_record
from megatron_urpo.types import TaskKind


@dataclass(frozen=True, slots=True)
class Adapter:
    """How rows of one data set become records of ours."""

    kind: TaskKind
    record: Callable[[Row], Record]  # raises RowError
    hub_id: str = ""  # where the data set lies on the Hugging Face hub
    hub_config: str = ""
    split: str = "train"
    answered: bool = False  # conversations with their answers, for the supervised warm start


_REASONING, _PREFERENCE, _INSTRUCTION = (
    TaskKind.REASONING,
    TaskKind.PREFERENCE,
    TaskKind.INSTRUCTION,
)
_OR1 = "Skywork/Skywork-OR1-RL-Data"

ADAPTERS: dict[str, Adapter] = {
    "skywork_or1_math": Adapter(_REASONING, skywork_math_record, _OR1, split="math"),
    "skywork_or1_code": Adapter(_REASONING, skywork_code_record, _OR1, split="code"),
    "gsm8k": Adapter(_REASONING, gsm8k_record, "openai/gsm8k", "main"),
    "math": Adapter(_REASONING, math_record),
    "helpsteer3": Adapter(_PREFERENCE, helpsteer3_record, "nvidia/HelpSteer3", "preference"),
    "ultrafeedback": Adapter(_PREFERENCE, ultrafeedback_record, "openbmb/UltraFeedback"),
    "skywork_preference": Adapter(
        _PREFERENCE, skywork_preference_record, "Skywork/Skywork-Reward-Preference-80K-v0.2"
    ),
    "nectar": Adapter(_PREFERENCE, nectar_record, "berkeley-nest/Nectar"),
    "offsetbias": Adapter(_PREFERENCE, offsetbias_record, "NCSOFT/offsetbias"),
    "ranked": Adapter(_PREFERENCE, ranked_record),
    "prompt_collection": Adapter(
        _INSTRUCTION, prompt_collection_record, "OpenRLHF/prompt-collection-v0.1"
    ),
    "tulu3_sft": Adapter(_INSTRUCTION, tulu3_record, "allenai/tulu-3-sft-mixture", answered=True),
}
