"""Training on megatron-core: the only package that imports megatron or transformer_engine."""

import warnings

# What megatron-core 0.16 says of machines without Apex or Transformer Engine, and of its own use of
# older torch functions. Nobody who runs this project can act on any of it.
for _message in (
    r"Transformer Engine and Apex are not installed",
    r"Apex is not installed",
    r"full scope is deprecated",
    r"The \.grad attribute of a Tensor that is not a leaf",
    r"`torch\.distributed\.(reduce_scatter|all_gather_into)_tensor` is deprecated",
    r"`load_state_dict` is deprecated",
    r"Please use DTensor instead",
):
    warnings.filterwarnings("ignore", message=_message)
