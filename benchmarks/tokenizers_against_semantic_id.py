# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Time to train a tokenizer, against PyPI's `semantic-id`.

RQ-VAE and residual k-means, on the same vectors, with the same sizes, on the
same cores. A tokenizer that is quick because it does less would show in the
share of variance that it loses, printed beside. See README.md for the commands
and for results.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
import json
import pathlib
import subprocess
import tempfile
import time
from typing import Any

import jax
import numpy as np

from benchmarks import alternation
from plum_jax.semantic_ids import assign
from plum_jax.semantic_ids import inputs
from plum_jax.semantic_ids import residual_kmeans
from plum_jax.semantic_ids import residual_kmeans_fit
from plum_jax.semantic_ids import rqvae
from plum_jax.semantic_ids import tokenizer as tokenizers
from plum_jax.semantic_ids import train
from plum_jax.semantic_ids import train_step

_REFERENCE = (
    pathlib.Path(__file__).parent / 'references' / 'semantic_id_library.py'
)
_CODEBOOK_SIZES = (256, 256, 256)
_HIDDEN_SIZES, _LATENT_SIZE = (512, 256, 128), 32  # TIGER's.
_KMEANS_INIT_ITERATIONS = 20
_LEARNING_RATE = 1e-3
_CLUSTERS, _SUBCLUSTERS = 60, 20

# What a fit gives: work and the share of variance that is lost.
Fit = Callable[[], tuple[alternation.Work, float]]


def make_vectors(num_items: int, dim: int, seed: int) -> np.ndarray:
  """Draws items in clusters of clusters, as embeddings of a catalog lie.

  Args:
    num_items: how many.
    dim: width.
    seed: of the draw.

  Returns:
    float32 [num_items, dim]; mean 0 and mean squared norm 1, as this project's
    tokenizers scale their inputs. So both sides see the same numbers.
  """
  generator = np.random.default_rng(seed)
  centres = generator.normal(size=(_CLUSTERS, dim))
  offsets = generator.normal(size=(_CLUSTERS, _SUBCLUSTERS, dim))
  cluster = generator.integers(0, _CLUSTERS, num_items)
  subcluster = generator.integers(0, _SUBCLUSTERS, num_items)
  vectors = centres[cluster] + 0.7 * offsets[cluster, subcluster]
  vectors += 0.7 * generator.normal(size=vectors.shape)
  return standardized(vectors)


def standardized(vectors: np.ndarray) -> np.ndarray:
  """Shifts and scales to mean 0 and mean squared norm 1, as float32."""
  vectors = vectors - vectors.mean(axis=0)
  scale = np.sqrt(np.square(vectors).sum(axis=1).mean())
  return (vectors / scale).astype(np.float32)


def _own(vectors: np.ndarray, train_tokenizer) -> Fit:
  """Trains a tokenizer of this project in this process."""
  embeddings = inputs.from_array(vectors)

  def fit():
    start, core_start = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as work:
      tokenizer: tokenizers.Tokenizer = train_tokenizer(embeddings, work)
      jax.block_until_ready(jax.live_arrays())
    taken = alternation.Work(
        1, time.perf_counter() - start, time.process_time() - core_start
    )
    assigned = assign.assign(tokenizer, embeddings)
    return taken, float(assigned.reconstruction_errors[-1])

  return fit


def _reference(python: str, request: Mapping[str, Any]) -> Fit:
  """Fits the library's encoder in a process of its own."""

  def fit():
    done = subprocess.run(
        [python, str(_REFERENCE)],
        input=json.dumps(request),
        capture_output=True,
        text=True,
    )
    if done.returncode:
      raise RuntimeError(f'semantic-id failed: {done.stderr}')
    answer = json.loads(done.stdout)
    work = alternation.Work(1, answer['seconds'], answer['core_seconds'])
    return work, answer['error']

  return fit


def _rqvae_sides(
    vectors: np.ndarray, request: Mapping[str, Any], args: argparse.Namespace
) -> tuple[Fit, Fit]:
  """RQ-VAE: the same widths, batches, epochs, learning rate and k-means."""
  config = rqvae.RqvaeConfig(_CODEBOOK_SIZES, _HIDDEN_SIZES, _LATENT_SIZE)
  training = train_step.TrainConfig(
      learning_rate=_LEARNING_RATE,
      batch_size=args.batch_size,
      epochs=args.epochs,
      kmeans_iterations=_KMEANS_INIT_ITERATIONS,
  )
  settings = {
      'in_dim': vectors.shape[1],
      'num_emb_list': list(_CODEBOOK_SIZES),
      'e_dim': _LATENT_SIZE,
      'layers': list(_HIDDEN_SIZES),
      'beta': config.beta,
      'kmeans_init': True,
      'kmeans_iters': _KMEANS_INIT_ITERATIONS,
      'lr': _LEARNING_RATE,
      'lr_scheduler': 'cosine',
      'warmup_epochs': 1,
      'batch_size': args.batch_size,
      'epochs': args.epochs,
  }
  own = _own(
      vectors,
      lambda embeddings, work: train.train(
          embeddings,
          config=config,
          training=training,
          seed=args.seed,
          work_directory=work,
      ),
  )
  return own, _reference(
      args.reference_python, {**request, 'kind': 'RQVAE', 'settings': settings}
  )


def _kmeans_sides(
    vectors: np.ndarray, request: Mapping[str, Any], args: argparse.Namespace
) -> tuple[Fit, Fit]:
  """Residual k-means: the library's own defaults but for sizes and seed."""
  config = residual_kmeans.ResidualKmeansConfig(_CODEBOOK_SIZES)
  settings = {
      'n_levels': len(_CODEBOOK_SIZES),
      'n_clusters': list(_CODEBOOK_SIZES),
      'random_state': args.seed,
  }
  own = _own(
      vectors,
      lambda embeddings, work: residual_kmeans_fit.fit(
          embeddings, config=config, seed=args.seed, work_directory=work
      ),
  )
  return own, _reference(
      args.reference_python,
      {**request, 'kind': 'RQKMeans', 'settings': settings},
  )


def compare(name: str, own: Fit, reference: Fit, rounds: int) -> None:
  """Fits both sides in turns and prints seconds, ratios and errors.

  Args:
    name: what is compared.
    own: this project's fit; the first one compiles.
    reference: the library's fit.
    rounds: how often each side fits, after this project's first fit.
  """
  first, error = own()
  print(f'\n{name}')
  print(f'  this project, compiling  {first.seconds:8.1f} s  error {error:.4f}')
  ratios: list[tuple[float, float, float]] = []
  for _ in range(rounds):
    theirs, their_error = reference()
    ours, error = own()
    print(
        f'  this project             {ours.seconds:8.1f} s  error {error:.4f}'
    )
    print(
        f'  semantic-id              {theirs.seconds:8.1f} s  '
        f'error {their_error:.4f}'
    )
    ratios.append(
        (
            theirs.seconds / ours.seconds,
            theirs.seconds / first.seconds,
            theirs.core_seconds / ours.core_seconds,
        )
    )
  wall, with_compiling, core = (
      alternation.spread(column) for column in zip(*ratios, strict=True)
  )
  print(f'  times as fast            {wall}')
  print(f'  compilation included     {with_compiling}')
  print(f'  by core seconds          {core}')


def _arguments() -> argparse.Namespace:
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument(
      '--reference_python',
      required=True,
      help='a Python interpreter that has semantic-id and torch',
  )
  parser.add_argument(
      '--vectors', default='', help='.npy [items, dim] instead of random ones'
  )
  parser.add_argument('--num_items', type=int, default=12_101)
  parser.add_argument('--dim', type=int, default=768)
  parser.add_argument('--batch_size', type=int, default=1024)
  parser.add_argument('--epochs', type=int, default=20)
  parser.add_argument('--cores', type=int, default=2)
  parser.add_argument('--rounds', type=int, default=3)
  parser.add_argument('--kmeans_rounds', type=int, default=1)
  parser.add_argument('--seed', type=int, default=0)
  return parser.parse_args()


def main() -> None:
  """Runs the benchmark."""
  args = _arguments()
  alternation.pin_to_cores(args.cores)
  jax.config.update('jax_platforms', 'cpu')
  print(alternation.circumstances())
  vectors = (
      standardized(np.load(args.vectors).astype(np.float64))
      if args.vectors
      else make_vectors(args.num_items, args.dim, args.seed)
  )
  sizes = ' x '.join(map(str, _CODEBOOK_SIZES))
  print(f'{vectors.shape[0]:,} x {vectors.shape[1]}, {sizes} codes')
  with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder) / 'vectors.npy'
    np.save(path, vectors)
    request = {
        'array': str(path),
        'num_threads': args.cores,
        'seed': args.seed,
    }
    if args.rounds:
      compare('RQ-VAE', *_rqvae_sides(vectors, request, args), args.rounds)
    if args.kmeans_rounds:
      sides = _kmeans_sides(vectors, request, args)
      compare('residual k-means', *sides, args.kmeans_rounds)


if __name__ == '__main__':
  main()
