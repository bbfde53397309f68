# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Makes hugging_face/: tiny T5 folders that `transformers` wrote.

In an environment of its own, Python 3.11:

    pip install torch==2.13.0 transformers==5.23.0 sentencepiece protobuf
    python make_hugging_face.py

* `t5_1_0`: T5 as first published: ReLU, one table for input and output;
* `t5_1_1`: T5 1.1 and FLAN-T5: gated GELU, an output layer of its own, in
  several files;
* `golden.npz`: inputs, `transformers`' logits and its greedy continuations.
"""

import pathlib
import shutil

import numpy as np
import torch
import transformers

_SIZES = {
    'vocab_size': 128,
    'd_model': 8,
    'd_kv': 4,
    'd_ff': 12,
    'num_layers': 2,
    'num_decoder_layers': 1,
    'num_heads': 2,
    'dropout_rate': 0.1,
    'decoder_start_token_id': 0,
}
_KINDS = {
    't5_1_0': {'feed_forward_proj': 'relu'},
    't5_1_1': {'feed_forward_proj': 'gated-gelu', 'tie_word_embeddings': False},
}
_NEW_TOKENS = 6


def _model(kind: str):
  torch.manual_seed(0)
  config = transformers.T5Config(**_SIZES, **_KINDS[kind])
  model = transformers.T5ForConditionalGeneration(config)
  if kind == 't5_1_1':
    # Version 5 ties both tables until their values differ in a file.
    model.lm_head.weight = torch.nn.Parameter(torch.randn(128, 8))
  with torch.no_grad():
    for name, parameter in model.named_parameters():
      if 'layer_norm' in name:
        parameter.uniform_(0.5, 1.5)
      elif 'relative_attention_bias' in name:
        parameter.normal_(0.0, 1.0)
  return model.eval()


def main() -> None:
  folder = pathlib.Path(__file__).parent / 'hugging_face'
  shutil.rmtree(folder, ignore_errors=True)
  generator = np.random.default_rng(0)
  # Longer than the distance from which all positions share a bucket.
  inputs = generator.integers(2, 128, (2, 150))
  inputs[1, 100:] = 0
  targets = generator.integers(2, 128, (2, 24))
  golden = {
      'inputs': inputs.astype(np.int32),
      'targets': targets.astype(np.int32),
  }
  for kind in _KINDS:
    model = _model(kind)
    model.save_pretrained(
        folder / kind, max_shard_size='6KB' if kind == 't5_1_1' else '1GB'
    )
    encoder = torch.tensor(inputs)
    mask = (encoder != 0).long()
    decoder = torch.tensor(np.pad(targets, ((0, 0), (1, 0)))[:, :-1])
    with torch.no_grad():
      logits = model(
          input_ids=encoder, attention_mask=mask, decoder_input_ids=decoder
      ).logits
      greedy = model.generate(
          input_ids=encoder,
          attention_mask=mask,
          max_new_tokens=_NEW_TOKENS,
          do_sample=False,
          num_beams=1,
      )
    golden[f'{kind}_logits'] = logits[:, ::8].numpy()
    golden[f'{kind}_greedy'] = greedy.numpy().astype(np.int32)
  np.savez_compressed(folder / 'golden.npz', **golden)


if __name__ == '__main__':
  main()
