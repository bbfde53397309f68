# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Makes t5x.tar.xz: checkpoints that T5X itself wrote, and what they compute.

T5X (github.com/google-research/t5x, commit cc342d4) must be importable, in an
environment with what requirements.lock names, and `fiddle`, `chex`,
`cached_property`, `airio` and `jestimator` besides (of the last two, stand-ins
with the names that T5X imports will do):

    PYTHONPATH=/path/to/t5x python make_t5x.py

The archive holds, all of them tiny:

* `legacy/checkpoint_3`: encoder-decoder, T5X's `Checkpointer`;
* `legacy_bfloat16/checkpoint_3`: the same saved as bfloat16;
* `orbax/checkpoint_3`: the same, T5X's `OrbaxCheckpointManagerInterface`;
* `decoder_only/checkpoint_3`: decoder-only, Orbax;
* `legacy_decoder_only/checkpoint_3`: the same, `Checkpointer`;
* `scanned/checkpoint_3`: of `scalable_t5` with scanned layers;
* `golden.npz`: inputs and T5X's logits of the first and of the decoder-only.
"""

import io
import pathlib
import tarfile
import tempfile

import flax
import jax
import jax.numpy as jnp
import numpy as np
from t5x import adafactor
from t5x import checkpoints
from t5x import models
from t5x import partitioning
from t5x import train_state
from t5x.examples.decoder_only import network as decoder_only
from t5x.examples.scalable_t5 import network as scalable
from t5x.examples.t5 import network

_SIZES = {
    'vocab_size': 128,
    'emb_dim': 4,
    'num_heads': 2,
    'head_dim': 2,
    'mlp_dim': 6,
    'mlp_activations': ('gelu', 'linear'),
    'dropout_rate': 0.0,
}
_STEP = 3
_INPUTS = np.array([[5, 9, 2, 41, 1, 0], [33, 3, 7, 8, 20, 1]], np.int32)
_TARGETS = np.array([[12, 4, 50, 1], [60, 7, 1, 0]], np.int32)


def _optimizer():
  return adafactor.Adafactor(
      decay_rate=0.8,
      logical_factor_rules=adafactor.standard_logical_factor_rules(),
  )


def _encoder_decoder(module):
  model = models.EncoderDecoderModel(module, None, None, _optimizer())
  shapes = {
      'encoder_input_tokens': _INPUTS.shape,
      'decoder_input_tokens': _TARGETS.shape,
  }
  return model, shapes


def _decoder_only():
  module = decoder_only.DecoderWrapper(
      decoder_only.TransformerConfig(
          num_layers=2, logits_via_embedding=True, **_SIZES
      )
  )
  model = models.DecoderOnlyModel(module, None, _optimizer())
  return model, {'decoder_input_tokens': _TARGETS.shape}


def _state(model, shapes, seed):
  variables = model.get_initial_variables(jax.random.key(seed), shapes)
  # Norms' scales of one would not tell one from another.
  keys = iter(jax.random.split(jax.random.key(seed + 1), 100))
  params = jax.tree_util.tree_map_with_path(
      lambda path, x: (
          x * jax.random.uniform(next(keys), x.shape, minval=0.5, maxval=1.5)
          if path[-1].key == 'scale'
          else x
      ),
      variables['params'],
  )
  variables = flax.core.copy(variables, {'params': params})
  state = train_state.FlaxOptimTrainState.create(model.optimizer_def, variables)
  return state.replace_step(jnp.asarray(_STEP, jnp.int32))


def _save(kind, state, directory, **kwargs):
  partitioner = partitioning.PjitPartitioner(num_partitions=1)
  directory.mkdir()
  saver = kind(
      train_state=state,
      partitioner=partitioner,
      **{
          'directory'
          if 'Orbax' in kind.__name__
          else 'checkpoints_dir': str(directory)
      },
      **kwargs,
  )
  saver.save(state)
  if hasattr(saver, 'wait_until_finished'):
    saver.wait_until_finished()


def _golden(folder, encoder_decoder, decoder_only_state):
  model, state = encoder_decoder
  shifted = np.pad(_TARGETS, ((0, 0), (1, 0)))[:, :-1]
  logits = model.module.apply(
      {'params': state.params},
      _INPUTS,
      shifted,
      _TARGETS,
      enable_dropout=False,
  )
  model, state = decoder_only_state
  decoder_only_logits = model.module.apply(
      {'params': state.params}, shifted, _TARGETS, enable_dropout=False
  )
  np.savez_compressed(
      folder / 'golden.npz',
      inputs=_INPUTS,
      targets=_TARGETS,
      logits=logits,
      decoder_only_logits=decoder_only_logits,
  )


def main() -> None:
  folder = pathlib.Path(tempfile.mkdtemp())
  legacy = checkpoints.Checkpointer
  orbax = checkpoints.OrbaxCheckpointManagerInterface
  sizes = {'num_encoder_layers': 2, 'num_decoder_layers': 1, **_SIZES}
  model, shapes = _encoder_decoder(
      network.Transformer(network.T5Config(**sizes))
  )
  state = _state(model, shapes, 0)
  _save(legacy, state, folder / 'legacy')
  _save(legacy, state, folder / 'legacy_bfloat16', save_dtype=jnp.bfloat16)
  _save(orbax, state, folder / 'orbax')
  decoder, shapes = _decoder_only()
  decoder_state = _state(decoder, shapes, 2)
  _save(orbax, decoder_state, folder / 'decoder_only')
  _save(legacy, decoder_state, folder / 'legacy_decoder_only')
  scanned, shapes = _encoder_decoder(
      scalable.Transformer(scalable.T5Config(**sizes))
  )
  _save(legacy, _state(scanned, shapes, 4), folder / 'scanned')
  _golden(folder, (model, state), (decoder, decoder_state))
  archive = pathlib.Path(__file__).parent / 't5x.tar.xz'
  with tarfile.open(archive, 'w:xz', preset=9) as file:
    for path in sorted(folder.rglob('*')):
      if path.is_file():
        info = tarfile.TarInfo(path.relative_to(folder).as_posix())
        info.size = path.stat().st_size
        file.addfile(info, io.BytesIO(path.read_bytes()))


if __name__ == '__main__':
  main()
