# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""A tensor of a file that is a parameter of ours."""

from __future__ import annotations

from collections.abc import Mapping
import dataclasses

from plum_jax.networks.config import NetworkConfig
from plum_jax.networks.config import T5Config


@dataclasses.dataclass(frozen=True)
class Tensor:
  """A tensor of the file.

  Attributes:
    name: its name.
    transposed: whether rows and columns are the other way round than ours, as
      in all but the table of embeddings.
    offset: added to its numbers.
  """

  name: str
  transposed: bool
  offset: float = 0.0


def expected_shapes(
    config: NetworkConfig, names: Mapping[str, Tensor]
) -> dict[str, tuple[int, ...]]:
  """Returns the shape of each parameter, as the sizes say.

  Args:
    config: the sizes.
    names: parameters by their names in our trees.
  """
  joined = config.num_heads * config.head_dim
  joined_kv = config.key_value_heads * config.head_dim
  by_ending = {
      'token_embedder/embedding': (config.vocab_size, config.emb_dim),
      'logits_dense/kernel': (config.emb_dim, config.vocab_size),
      'query_norm/scale': (config.head_dim,),
      'key_norm/scale': (config.head_dim,),
      'scale': (config.emb_dim,),
      'out/kernel': (joined, config.emb_dim),
      'wo/kernel': (config.mlp_dim, config.emb_dim),
      'query/kernel': (config.emb_dim, joined),
      'key/kernel': (config.emb_dim, joined_kv),
      'value/kernel': (config.emb_dim, joined_kv),
      'kernel': (config.emb_dim, config.mlp_dim),
  }
  if isinstance(config, T5Config):
    by_ending['relpos_bias/rel_embedding'] = (
        config.num_heads,
        config.num_relpos_buckets,
    )
  return {
      name: next(s for end, s in by_ending.items() if name.endswith(end))
      for name in names
  }
