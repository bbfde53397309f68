# Copyright 2026 The PLUM-JAX Authors.
# SPDX-License-Identifier: Apache-2.0
"""Makes tiny_bert/, a random sentence encoder, and the reference's vectors.

In an environment of its own, Python 3.11:

    pip install torch==2.13.0 sentence-transformers==6.2.0 transformers==5.23.0
    python make_tiny_bert.py

The vectors of each variant are those of sentence-transformers.
"""

import json
import pathlib
import shutil
import tempfile

import numpy as np
from sentence_transformers import SentenceTransformer
import tokenizers
from tokenizers import models
from tokenizers import normalizers
from tokenizers import pre_tokenizers
from tokenizers import processors
import torch
import transformers

HERE = pathlib.Path(__file__).parent
FOLDER = HERE / 'tiny_bert'
TEXTS = [
    'red nail polish',
    '',
    '  A Space Opera,   with ROBOTS! ',
    'café',
    'polish ' * 40,
    'quite unknown words here',
    'a b c d e f g h',
    'nail',
]
VARIANTS = {
    # name: (hidden_act, pooling, normalize)
    'mean_normalize': ('gelu', 'mean', True),
    'mean': ('gelu', 'mean', False),
    'cls': ('gelu', 'cls', False),
    'mean_tanh_gelu': ('gelu_new', 'mean', False),
    'mean_relu': ('relu', 'mean', False),
}
WORDS = [
    *('[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', 'red', 'nail', 'polish'),
    *('space', 'opera', 'with', 'robots', 'cafe', 'word', ',', '!'),
    *('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', '##s', '##ing', '##x'),
]


def make_tokenizer() -> tokenizers.Tokenizer:
  """Makes a WordPiece tokenizer that pads, as published ones do."""
  vocabulary = {word: i for i, word in enumerate(WORDS)}
  tokenizer = tokenizers.Tokenizer(
      models.WordPiece(vocabulary, unk_token='[UNK]')
  )
  tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
  tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
  tokenizer.post_processor = processors.BertProcessing(
      ('[SEP]', vocabulary['[SEP]']), ('[CLS]', vocabulary['[CLS]'])
  )
  tokenizer.add_special_tokens(WORDS[:5])
  tokenizer.enable_truncation(8)
  tokenizer.enable_padding(length=8)
  return tokenizer


def make_weights() -> None:
  """Saves a BERT whose every parameter is random and matters."""
  torch.manual_seed(0)
  config = transformers.BertConfig(
      vocab_size=len(WORDS),
      hidden_size=16,
      num_hidden_layers=2,
      num_attention_heads=4,
      intermediate_size=24,
      max_position_embeddings=32,
      hidden_act='gelu',
  )
  model = transformers.BertModel(config, add_pooling_layer=False)
  with torch.no_grad():
    for parameter in model.parameters():
      parameter.copy_(torch.randn_like(parameter) * 0.5)
  model.save_pretrained(FOLDER)


def write_json(name: str, value) -> None:
  path = FOLDER / name
  path.parent.mkdir(exist_ok=True)
  path.write_text(json.dumps(value, indent=2) + '\n', encoding='utf-8')


def make_folder() -> None:
  """Writes all of tiny_bert/."""
  shutil.rmtree(FOLDER, ignore_errors=True)
  make_weights()
  make_tokenizer().save(str(FOLDER / 'tokenizer.json'))
  names = ('unk', 'cls', 'sep', 'pad', 'mask')
  tokens = {f'{name}_token': f'[{name.upper()}]' for name in names}
  write_json(
      'tokenizer_config.json',
      {'tokenizer_class': 'BertTokenizer', 'do_lower_case': True, **tokens},
  )
  kinds = {
      'Transformer': '',
      'Pooling': '1_Pooling',
      'Normalize': '2_Normalize',
  }
  write_json(
      'modules.json',
      [
          {
              'idx': i,
              'name': str(i),
              'path': path,
              'type': f'sentence_transformers.models.{kind}',
          }
          for i, (kind, path) in enumerate(kinds.items())
      ],
  )
  write_json(
      'sentence_bert_config.json',
      {'max_seq_length': 20, 'do_lower_case': False},
  )
  write_json(
      '1_Pooling/config.json',
      {
          'word_embedding_dimension': 16,
          'pooling_mode_cls_token': False,
          'pooling_mode_mean_tokens': True,
          'pooling_mode_max_tokens': False,
          'pooling_mode_mean_sqrt_len_tokens': False,
      },
  )


def variant_vectors(act: str, pooling: str, normalize: bool) -> np.ndarray:
  """Computes the reference's vectors of an edited copy of the folder."""
  with tempfile.TemporaryDirectory() as temporary:
    folder = pathlib.Path(temporary) / 'model'
    shutil.copytree(FOLDER, folder)
    edits = {
        'config.json': {'hidden_act': act},
        '1_Pooling/config.json': {
            'pooling_mode_cls_token': pooling == 'cls',
            'pooling_mode_mean_tokens': pooling == 'mean',
        },
    }
    for name, values in edits.items():
      old = json.loads((folder / name).read_text(encoding='utf-8'))
      (folder / name).write_text(json.dumps({**old, **values}))
    if not normalize:
      modules = json.loads((folder / 'modules.json').read_text())
      (folder / 'modules.json').write_text(json.dumps(modules[:2]))
    encoder = SentenceTransformer(str(folder), device='cpu')
    return encoder.encode(TEXTS, batch_size=3).astype(np.float32)


def main() -> None:
  make_folder()
  golden = {
      name: variant_vectors(*variant) for name, variant in VARIANTS.items()
  }
  np.savez(HERE / 'tiny_bert_golden.npz', texts=np.array(TEXTS), **golden)


if __name__ == '__main__':
  main()
