import errno
import json
import os
import shutil
import threading
from pathlib import Path

import pytest

from megatron_urpo.checkpoints.files import Manifest
from megatron_urpo.checkpoints.store import CheckpointError, CheckpointStore
from megatron_urpo.config import CheckpointConfig
from megatron_urpo.ranks import OneRank

MODEL = {"hidden_size": 8}


def manifest(step: int) -> Manifest:
    return Manifest(
        step=step,
        policy_version=step,
        model=MODEL,
        data_state={"position": step},
        environment={"torch": "2"},
        layout={"tensor_model_parallel_size": 1},
    )


def write_policy(text: str):
    def write(directory: Path) -> None:
        (directory / "weights").write_text(text)

    return write


@pytest.fixture
def store(tmp_path):
    config = CheckpointConfig(keep_last=2, keep_every=5)
    return CheckpointStore(tmp_path / "checkpoints", config, OneRank())


def test_save_keeps_the_last_ones_and_reads_back(store):
    for step in (1, 2, 3):
        store.save(manifest(step), write_policy(f"weights {step}"))
    assert sorted(p.name for p in store.directory.iterdir()) == ["step_000002", "step_000003"]
    saved, passed_over = store.newest_whole(MODEL)
    assert passed_over == []
    assert saved.manifest.step == 3
    assert saved.manifest.data_state == {"position": 3}
    assert (saved.policy_directory / "weights").read_text() == "weights 3"


def test_the_checkpoint_of_a_step(store):
    for step in (1, 2, 3):
        store.save(manifest(step), write_policy("x"))
    saved, _ = store.newest_whole(MODEL, step=2)
    assert saved.manifest.step == 2
    with pytest.raises(CheckpointError, match=r"no checkpoint of step 1, but of \[2, 3\]"):
        store.newest_whole(MODEL, step=1)


def test_every_fifth_is_kept_too(store):
    for step in range(3, 13):
        store.save(manifest(step), write_policy("x"))
    kept = sorted(int(p.name.removeprefix("step_")) for p in store.directory.iterdir())
    assert kept == [5, 10, 11, 12]


class Slow:
    """A part that is written when it is told to be."""

    def __init__(self, directory: Path, failure: OSError | None = None):
        self.paths = [directory / "weights"]
        self.failure = failure
        self.told = threading.Event()

    def wait(self):
        self.told.wait()
        if self.failure is None:
            self.paths[0].write_text("slow")

    def finish(self):
        if self.failure is not None:
            raise self.failure
        (self.paths[0].parent / "metadata").write_text("complete")


def begin_now(directory: Path) -> Slow:
    part = Slow(directory)
    part.told.set()
    return part


def wait_for(store):
    while (saved := store.poll()) is None:
        assert store.is_writing
    return saved


def test_a_checkpoint_in_the_background_has_no_name_before_it_is_whole(store):
    store.save(manifest(1), write_policy("good"))
    parts = []
    store.begin(manifest(2), lambda directory: parts.append(Slow(directory)) or parts[0])
    for _ in range(3):
        assert store.poll() is None
    assert store.newest_whole(MODEL)[0].manifest.step == 1
    parts[0].told.set()
    saved = wait_for(store)
    assert (saved.step, saved.num_bytes) == (2, len("slow") + len("complete"))
    assert not store.is_writing
    assert store.poll() is None
    newest, passed_over = store.newest_whole(MODEL)
    assert (newest.manifest.step, passed_over) == (2, [])
    assert (newest.policy_directory / "weights").read_text() == "slow"


def test_a_checkpoint_in_the_background_can_be_waited_for(store):
    assert store.finish() is None
    store.begin(manifest(1), begin_now)
    assert store.finish().step == 1
    assert [p.name for p in store.directory.iterdir()] == ["step_000001"]


@pytest.mark.parametrize("waiting", [False, True])
def test_a_checkpoint_that_fails_in_the_background_leaves_nothing(store, waiting):
    store.save(manifest(1), write_policy("good"))
    failure = OSError(errno.ENOSPC, "No space left on device")

    def begin(directory):
        part = Slow(directory, failure)
        part.told.set()
        return part

    store.begin(manifest(2), begin)
    with pytest.raises(CheckpointError, match=r"No space left.*Earlier checkpoints are untouched"):
        store.finish() if waiting else wait_for(store)
    assert not store.is_writing
    assert [p.name for p in store.directory.iterdir()] == ["step_000001"]
    store.save(manifest(3), write_policy("later"))


def test_the_cost_of_a_checkpoint_is_reported(store):
    saved = store.save(manifest(1), write_policy("12345"))
    assert saved.num_bytes == 5
    assert saved.seconds > 0


def test_a_checkpoint_that_cannot_fit_is_not_begun(store):
    store.save(manifest(1), write_policy("good"))

    def must_not_be_called(directory: Path) -> None:
        raise AssertionError

    with pytest.raises(
        CheckpointError, match=r"takes about 1073741824\.00 GiB and .* GiB are free"
    ):
        store.save(manifest(2), must_not_be_called, expected_bytes=1 << 60)
    assert [p.name for p in store.directory.iterdir()] == ["step_000001"]


def test_an_old_checkpoint_that_cannot_be_deleted_costs_no_new_one(store, monkeypatch):
    for step in (1, 2):
        store.save(manifest(step), write_policy("good"))
    rmtree = shutil.rmtree

    def busy(path, **options):
        if "step_000001" in str(path):
            raise OSError(errno.EBUSY, "Device or resource busy", str(path))
        rmtree(path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", busy)
        saved = store.save(manifest(3), write_policy("good"))
    assert saved.step == 3
    assert "busy: " in saved.not_deleted
    assert "step_000001" in saved.not_deleted
    names = {path.name for path in store.directory.iterdir()}
    assert names == {".deleting-step_000001", "step_000002", "step_000003"}
    assert store.save(manifest(4), write_policy("good")).not_deleted is None  # tried again
    names = {path.name for path in store.directory.iterdir()}
    assert names == {"step_000003", "step_000004"}


class TwoRanks(OneRank):
    """Rank 0 of two; the other one sees what `others` makes of each value that is gathered."""

    world_size = 2

    def __init__(self, others):
        self.others = others

    def gather_objects(self, value):
        return [value, self.others(value)]


def test_ranks_that_see_other_checkpoints_end_together(store):
    store.save(manifest(1), write_policy("good"))

    def one_less(value):
        return value[:-1] if isinstance(value, list) else value

    apart = CheckpointStore(store.directory, CheckpointConfig(), TwoRanks(one_less))
    for call in (lambda: apart.newest_whole(MODEL), apart.refuse_overwriting):
        with pytest.raises(
            CheckpointError, match=r"\['step_000001'\] for one rank and \[\] for an"
        ):
            call()


def test_a_checkpoint_in_the_background_waits_for_every_rank(tmp_path):
    other_has_written = False
    ranks = TwoRanks(lambda value: other_has_written if isinstance(value, bool) else value)
    store = CheckpointStore(tmp_path / "checkpoints", CheckpointConfig(), ranks)
    store.begin(manifest(1), begin_now)
    store._begun.checksums.result()  # this rank has
    assert store.poll() is None
    assert not (store.directory / "step_000001").exists()
    other_has_written = True
    assert store.poll().step == 1


def test_no_checkpoint_yet(store):
    assert store.newest_whole(MODEL) == (None, [])
    assert not store.directory.exists()


@pytest.mark.parametrize("damage", ["truncate", "flip", "remove", "manifest", "format"])
def test_damaged_checkpoint_falls_back_to_the_previous(store, damage):
    store.save(manifest(1), write_policy("good"))
    store.save(manifest(2), write_policy("good"))
    newest = store.directory / "step_000002"
    weights = newest / "policy" / "weights"
    if damage == "truncate":
        weights.write_text("go")
    elif damage == "flip":
        weights.write_text("goo!")
    elif damage == "remove":
        weights.unlink()
    elif damage == "manifest":
        (newest / "manifest.json").write_text('{"step": 2')
    else:
        content = json.loads((newest / "manifest.json").read_text())
        (newest / "manifest.json").write_text(json.dumps(content | {"format": 99}))
    saved, passed_over = store.newest_whole(MODEL)
    assert saved.manifest.step == 1
    assert len(passed_over) == 1
    assert "step_000002 is damaged" in passed_over[0]


def test_checkpoint_of_another_model_is_refused(store):
    store.save(manifest(1), write_policy("x"))
    with pytest.raises(CheckpointError, match="hidden_size is 8 there and 16 here"):
        store.newest_whole({"hidden_size": 16})


@pytest.mark.parametrize("reason", [errno.ENOSPC, errno.EDQUOT])
def test_full_disk_removes_the_partial_checkpoint_and_keeps_the_previous(store, reason):
    store.save(manifest(1), write_policy("good"))

    def disk_full(directory: Path) -> None:
        (directory / "weights").write_text("ha")
        raise OSError(reason, os.strerror(reason))

    message = rf"{os.strerror(reason)}; free some disk space.*Earlier checkpoints are untouched"
    with pytest.raises(CheckpointError, match=message):
        store.save(manifest(2), disk_full)
    assert [p.name for p in store.directory.iterdir()] == ["step_000001"]
    saved, _ = store.newest_whole(MODEL)
    assert saved.manifest.step == 1


def test_half_written_directory_is_removed_at_the_next_start(store):
    (store.directory / ".writing-step_000009" / "policy").mkdir(parents=True)
    store.clean_up(None)
    assert list(store.directory.iterdir()) == []


def test_damaged_checkpoints_are_set_aside_and_do_not_count(store):
    for step in (1, 2):
        store.save(manifest(step), write_policy("good"))
    (store.directory / "step_000002" / "policy" / "weights").unlink()
    saved, _ = store.newest_whole(MODEL)
    store.clean_up(saved)
    store.save(manifest(2), write_policy("again"))
    names = ["damaged-step_000002", "step_000001", "step_000002"]
    assert sorted(p.name for p in store.directory.iterdir()) == names


def test_nothing_but_damaged_checkpoints_is_an_error(store):
    store.save(manifest(1), write_policy("good"))
    (store.directory / "step_000001" / "policy" / "weights").unlink()
    with pytest.raises(CheckpointError, match=r"no checkpoint is whole.*weights is missing"):
        store.newest_whole(MODEL)


def test_saving_the_same_step_again_replaces_it(store):
    store.save(manifest(1), write_policy("first"))
    store.save(manifest(1), write_policy("second"))
    saved, _ = store.newest_whole(MODEL)
    assert (saved.policy_directory / "weights").read_text() == "second"


def test_an_earlier_run_is_not_overwritten(store):
    store.refuse_overwriting()
    store.save(manifest(1), write_policy("first"))
    with pytest.raises(CheckpointError, match="checkpoint.resume = false: choose another"):
        store.refuse_overwriting()
