"""A job of one process."""


class OneRank:
    """megatron_urpo.ranks.Ranks without torch.distributed."""

    rank, world_size = 0, 1

    def barrier(self):
        pass

    def gather_objects(self, value):
        return [value]

    def on_main(self, action):
        action()
