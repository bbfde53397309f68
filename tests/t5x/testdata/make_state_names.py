# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Writes state_names.json: what T5X saves of a training with our optimizers.

Run where T5X can be imported (docs/t5x.md), from the root of the repository:

    python tests/t5x/testdata/make_state_names.py

Names, shapes and dtypes of all arrays of T5X's train state, by optimizer.
"""

import json
import pathlib

import jax
import jax.numpy as jnp
from t5x import train_state

from plum_jax.artifacts import trees
from plum_jax.models.decoder_only import DecoderOnlyModel
from plum_jax.networks.config import TransformerConfig
from plum_jax.t5x.optimizer import Optimizer
from plum_jax.training.optimizers import Adafactor
from plum_jax.training.optimizers import AdamW

OPTIMIZERS = {
    'adafactor': Adafactor(min_factored_size=8, max_gradient_norm=1.0),
    'adafactor_plain': Adafactor(momentum=0.9, weight_decay=0.1),
    'adamw': AdamW(max_gradient_norm=1.0, weight_decay=0.1),
    'adamw_plain': AdamW(),
}
MODEL = DecoderOnlyModel(
    TransformerConfig(
        vocab_size=32,
        emb_dim=8,
        num_layers=1,
        num_heads=2,
        head_dim=4,
        mlp_dim=16,
    )
)


def _main():
  batch = {'decoder_input_tokens': jax.ShapeDtypeStruct((2, 4), jnp.int32)}
  found = {}
  for name, config in OPTIMIZERS.items():
    state = jax.eval_shape(
        lambda key, config=config: train_state.FlaxOptimTrainState.create(
            Optimizer(config), MODEL.init(key, batch)
        ).state_dict(),
        jax.random.key(0),
    )
    found[name] = {
        leaf: f'{array.dtype} {list(array.shape)}'
        for leaf, array in sorted(trees.to_flat(state).items())
    }
  path = pathlib.Path(__file__).parent / 'state_names.json'
  path.write_text(json.dumps(found, indent=0) + '\n', encoding='utf-8')


if __name__ == '__main__':
  _main()
