# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""The published Gemma 3 270M: its text as transformers cuts and continues it.

Runs where the weights are in the cache; they take 3 GB and a minute or two.
"""

import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sentencepiece

from plum_jax.artifacts import trees
from plum_jax.networks.decoder_only import DecoderOnly
from plum_jax.pretrained import finding

pytestmark = pytest.mark.published_weights


@pytest.fixture(scope='module')
def golden():
  """See testdata/make_gemma_published.py."""
  path = pathlib.Path(__file__).parent / 'testdata' / 'gemma_published.json'
  return json.loads(path.read_text('utf-8'))


@pytest.fixture(scope='module')
def found():
  return finding.find('gemma-3-270m')


@pytest.fixture(scope='module')
def logits_of(found):
  """A function from ids to the logits before each, at most 200 of them."""
  params = jax.device_put(trees.nest(found.read(found.arrays)))
  network = DecoderOnly(found.config)
  apply = jax.jit(
      lambda params, inputs: network.apply(
          {'params': params},
          inputs,
          jnp.ones_like(inputs),
          enable_dropout=False,
      )[0]
  )

  def run(ids):
    inputs = np.zeros((1, 200), np.int32)
    inputs[0, 1 : len(ids)] = ids[:-1]
    return apply(params, inputs)[: len(ids)]

  return run


def test_log_probs_are_those_of_transformers(golden, logits_of):
  perplexities = []
  for text in golden['texts']:
    ids = np.array(text['ids'])
    log_probs = jax.nn.log_softmax(logits_of(text['ids']))
    chosen = np.asarray(log_probs)[np.arange(len(ids)), ids]
    np.testing.assert_allclose(chosen, text['log_probs'], atol=1e-4)
    perplexities.append(np.exp(-chosen.mean()))
  plain, shuffled = perplexities
  assert plain < 20 < 10 * plain < shuffled


def test_greedy_completions_are_those_of_transformers(golden, found, logits_of):
  processor = sentencepiece.SentencePieceProcessor()
  processor.LoadFromSerializedProto(found.sentencepiece)
  for one in golden['completions']:
    prompt = processor.encode(one['prompt'])
    # Teacher forcing: what is most probable after each prefix comes next.
    logits = logits_of([*prompt, *one['ids']])
    assert np.argmax(logits, -1).tolist()[len(prompt) :] == one['ids']


def test_text_is_cut_as_transformers_cuts_it(golden, found):
  processor = sentencepiece.SentencePieceProcessor()
  processor.LoadFromSerializedProto(found.sentencepiece)
  for one in (*golden['texts'], *golden['tokenized']):
    assert processor.encode(one['text']) == one['ids']
    assert processor.decode(one['ids']) == one['text']
