"""Splits by content: fixed for ever, and of the intended size."""

from megatron_urpo.data.splits import HELDOUT_SHARE, content_key, generator, split_of


def test_splits_and_keys_never_change():
    """A change would move held-out items into the training of existing runs."""
    splits = {
        content: split_of(content) for content in ("", "brief:a", "chain_sum:1 + 1", "\u00e9")
    }
    assert splits == {
        "": "heldout",
        "brief:a": "train",
        "chain_sum:1 + 1": "train",
        "\u00e9": "train",
    }
    assert content_key("brief:a") == "3b52100d2beff832"


def test_share():
    contents = [f"item {number}" for number in range(5000)]
    heldout = sum(split_of(content) == "heldout" for content in contents)
    assert abs(heldout / len(contents) - HELDOUT_SHARE) < 0.02


def test_generators_depend_on_every_part():
    first = generator("a", 1).random()
    assert generator("a", 1).random() == first
    others = [generator("a", 2), generator("b", 1), generator("a1"), generator("a", 1, "")]
    assert first not in [other.random() for other in others]
