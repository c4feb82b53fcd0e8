"""The preparation file: which data sets, which filters, where the result goes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from megatron_urpo.config import ModelConfig
from megatron_urpo.config.checks import require, require_not_negative
from megatron_urpo.data.adapters.table import ADAPTERS, Adapter


@dataclass(frozen=True, slots=True)
class RawSourceConfig:
    """One public data set, on the hub or on this machine."""

    name: str  # of the files that are written: <directory>/<name>.arrow
    format: str  # an adapter: its schema
    path: str = ""  # .jsonl, .jsonl.gz, .json or .parquet, or a directory of these; else the hub
    hub: str = ""  # id on the hub, or a directory laid out like one; empty: the format's own
    config: str = ""  # the data set's configuration on the hub; empty: the format's own
    split: str = ""  # on the hub; empty: the format's own
    revision: str = ""  # commit, tag or branch on the hub
    where: dict[str, str] = field(default_factory=dict)  # keep rows whose fields have these values
    max_rows: int = 0  # read so many rows at most; 0: all

    def __post_init__(self) -> None:
        key = f"sources[{self.name}]"
        require(
            self.name != "" and not set("/.") & set(self.name),
            f"source name {self.name!r}: give a name without '/' and '.', files are called by it",
        )
        require(
            self.format in ADAPTERS,
            f"{key}.format = {self.format!r}: choose one of {', '.join(ADAPTERS)}",
        )
        require(
            not (self.path and self.hub), f"{key}: path and hub are both set: remove one of them"
        )
        require_not_negative(key, max_rows=self.max_rows)
        if self.path:
            for name in ("config", "split", "revision"):
                require(
                    getattr(self, name) == "",
                    f"{key}.{name} belongs to a data set on the hub; path names files: remove it",
                )
            return
        require(
            bool(self.hub_id),
            f"{key}: the format {self.format!r} has no data set of its own on the hub: set path, "
            "or hub",
        )
        require(
            not self.hub or bool(self.revision) or Path(self.hub).is_dir(),
            f"{key}.hub = {self.hub!r}: there is no such directory; for a data set of that name on "
            f"the hub set {key}.revision to the commit, tag or branch to read",
        )
        require(
            bool(self.revision) or Path(self.hub_id).is_dir(),
            f"{key}.revision is missing: name the commit, tag or branch of {self.hub_id} to read",
        )

    @property
    def adapter(self) -> Adapter:
        return ADAPTERS[self.format]

    @property
    def hub_id(self) -> str:
        return self.hub or self.adapter.hub_id

    @property
    def hub_config(self) -> str:
        return self.config or self.adapter.hub_config

    @property
    def hub_split(self) -> str:
        return self.split or self.adapter.split


@dataclass(frozen=True, slots=True)
class FiltersConfig:
    """What is left out. Lengths are in tokens of the model's own tokenizer; 0: no limit."""

    min_prompt_tokens: int = 0  # of the conversation in the chat template, generation prompt too
    max_prompt_tokens: int = 2048
    max_response_tokens: int = 4096  # of each response, or answer of the assistant
    languages: tuple[str, ...] = ()  # ISO 639-1 codes of prompts to keep, as "en"; empty: all
    near_duplicate_similarity: float = 0.8  # Jaccard, of sequences of 5 words; 0: only exact ones
    contamination_words: int = 13  # a sequence this long shared with an evaluation set; 0: off

    def __post_init__(self) -> None:
        require_not_negative(
            "filters",
            min_prompt_tokens=self.min_prompt_tokens,
            max_prompt_tokens=self.max_prompt_tokens,
            max_response_tokens=self.max_response_tokens,
            contamination_words=self.contamination_words,
        )
        similarity = self.near_duplicate_similarity
        require(
            similarity == 0 or 0.5 <= similarity <= 1,
            f"filters.near_duplicate_similarity = {similarity}: 0 switches it off, else 0.5 to 1",
        )


@dataclass(frozen=True, slots=True)
class PreparationConfig:
    """All of a preparation file."""

    directory: str = "data"  # what is written goes here
    model: ModelConfig = field(default_factory=ModelConfig)  # its tokenizer and chat template
    filters: FiltersConfig = field(default_factory=FiltersConfig)
    # Files that no row may overlap: GSM8K, MATH-500, AIME, HMMT, AlpacaEval, RewardBench, RMB, ...
    evaluation_sets: tuple[str, ...] = ()
    # Rows, at least, of each preference source that are kept out of training with all rows of the
    # same prompts, to measure the referee on: they go to <directory>/<name>.held_out.arrow, for
    # [[monitoring.sources]].
    held_out: int = 0
    sources: tuple[RawSourceConfig, ...] = ()
    # Read between two points that a killed preparation can go on from; fewer where so many rows
    # have more than 64 MiB of text, since memory grows with a part.
    rows_per_part: int = 5000

    def __post_init__(self) -> None:
        require(bool(self.sources), "sources is empty: add a [[sources]] table")
        require(
            self.rows_per_part > 0, f"rows_per_part = {self.rows_per_part}: must be greater than 0"
        )
        require(self.held_out >= 0, f"held_out = {self.held_out}: must not be negative")
        names = [source.name for source in self.sources]
        require(len(names) == len(set(names)), f"sources: names must be unique, got {names}")
