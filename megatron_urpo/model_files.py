"""The safetensors of a Hugging Face model directory, checked for wholeness, read slice by slice.

Importing this module does not import torch.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open

from megatron_urpo.config import ConfigError

if TYPE_CHECKING:
    from torch import Tensor


_CONSTANT = "rotary_emb.inv_freq"
_FINGERPRINT_BYTES = 1 << 20


class ModelFilesError(ConfigError):
    """A model directory whose weights cannot be used; the message names the file and the remedy."""


class SafetensorsDirectory:
    """The safetensors of a model directory, one file or several with an index."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        index = directory / "model.safetensors.index.json"
        single = directory / "model.safetensors"
        if index.is_file():
            self._file_of = _read_index(index)
        elif single.is_file():
            with _open(single) as reader:
                self._file_of = dict.fromkeys(reader.keys(), single)
        else:
            raise ModelFilesError(
                f"{directory}: neither model.safetensors nor {index.name} is there: the "
                "download is incomplete, or the weights are in another format (convert them "
                "with transformers' save_pretrained, or, if they are Megatron's, with "
                "tools/convert_megatron_to_hf.py)"
            )
        for file in sorted(set(self._file_of.values())):
            if not file.is_file():
                raise ModelFilesError(
                    f"{file} is missing: {index.name} names it; download it again"
                )
            with _open(file):  # its header says how long it has to be
                pass

    @property
    def weight_names(self) -> set[str]:
        """Of all tensors but the constants that old files hold too."""
        return {name for name in self._file_of if not name.endswith(_CONSTANT)}

    @property
    def fingerprint(self) -> str:
        """Tells these weights from others of the same shape.

        A checksum of the sizes, first and last MiB of the files.
        """
        checksum = 0
        for path in sorted(set(self._file_of.values())):
            size = path.stat().st_size
            checksum = zlib.crc32(f"{path.name}:{size}".encode(), checksum)
            with path.open("rb") as stream:
                checksum = zlib.crc32(stream.read(_FINGERPRINT_BYTES), checksum)
                stream.seek(max(size - _FINGERPRINT_BYTES, 0))
                checksum = zlib.crc32(stream.read(_FINGERPRINT_BYTES), checksum)
        return f"{checksum:08x}"

    def path_of(self, name: str) -> Path:
        return self._file_of.get(name, self._directory)

    def expect(self, names: Sequence[str]) -> None:
        """Compares the tensors that are there with those the model consists of."""
        missing = sorted(set(names) - set(self._file_of))
        if missing:
            raise ModelFilesError(
                f"{self._directory}: {len(missing)} of {len(names)} tensors are missing, first "
                f"{missing[0]}: the directory is half-written or belongs to another model; "
                "download it again"
            )
        ignored = (_CONSTANT, "lm_head.weight")  # the latter a copy when tied
        for name in sorted(set(self._file_of) - set(names)):
            if not name.endswith(ignored):
                raise ModelFilesError(
                    f"{self._file_of[name]}: the tensor {name} is no part of the architecture in "
                    "config.json: the weights belong to another model"
                )

    def shape_of(self, name: str) -> tuple[int, ...]:
        with self._reader_of(name) as reader:
            return tuple(reader.get_slice(name).get_shape())

    def dtype_of(self, name: str) -> str:
        """As safetensors names it: BF16, F32, ..."""
        with self._reader_of(name) as reader:
            return str(reader.get_slice(name).get_dtype())

    def read_slice(self, name: str, dimension: int, start: int, end: int) -> Tensor:
        """Entries `start` to `end` of dimension 0 or 1: a view of the mapped file.

        It enters memory as it is used, and leaves it with the tensor.
        """
        with self._reader_of(name) as reader:
            whole = reader.get_slice(name)
            return whole[start:end] if dimension == 0 else whole[:, start:end]

    @contextmanager
    def _reader_of(self, name: str) -> Iterator[safe_open]:
        """The file of a tensor, opened for one use: a mapping that stays open stays in memory."""
        file = self._file_of[name]
        with _open(file, framework="pt") as reader:
            if name not in reader.keys():  # noqa: SIM118  (a reader is no dictionary)
                raise ModelFilesError(
                    f"{file}: the tensor {name} is missing though the index places it there; "
                    "download the file again"
                )
            yield reader


def _open(file: Path, framework: str = "np") -> safe_open:
    try:
        return safe_open(file, framework=framework)
    except SafetensorError as error:
        raise ModelFilesError(
            f"{file} is damaged or cut off ({error}): download it again"
        ) from error


def _read_index(index: Path) -> dict[str, Path]:
    """The file of each tensor."""
    try:
        files = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        return {str(name): index.parent / file for name, file in files.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelFilesError(
            f"{index} is damaged or cut off ({error!r}): download it again"
        ) from error
